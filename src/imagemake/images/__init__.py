"""Bytes that nobody vouches for, decoded under limits, and small pictures of them."""
