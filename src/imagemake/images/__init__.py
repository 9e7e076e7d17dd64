"""Bytes that nobody vouches for, decoded under limits, and small images of them."""
