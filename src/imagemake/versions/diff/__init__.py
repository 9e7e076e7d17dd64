"""Shows what changed between two releases: names, reasons, numbers, and images side by side."""
