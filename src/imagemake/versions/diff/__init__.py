"""What changed between two releases, so that people can see it: names, reasons, numbers, and images side by side."""
