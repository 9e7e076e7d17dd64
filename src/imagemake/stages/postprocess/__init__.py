"""Turns accepted images into finished images."""
