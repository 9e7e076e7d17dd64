"""Releases: what DVC and git keep of them, the chain of records, and the proof that nothing was changed."""
