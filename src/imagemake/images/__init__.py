"""Decoding of untrusted image files within limits, image formats, metadata, and networks."""
