"""The team's store: images by key that others paid for, and those that this project paid for."""
