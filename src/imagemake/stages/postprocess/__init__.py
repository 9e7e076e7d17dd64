"""From accepted images to finished ones."""
