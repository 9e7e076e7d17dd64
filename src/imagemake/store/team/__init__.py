"""The team's store: pictures by key that others paid for, and those that this project paid for."""
