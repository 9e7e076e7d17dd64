"""What a release came to, in numbers."""
