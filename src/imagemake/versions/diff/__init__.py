"""What changed between two releases, so that people can see it: names, reasons, numbers, and pictures side by side."""
