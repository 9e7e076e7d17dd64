"""The rows of a release in chunks, and what is made of each chunk."""
