"""Checks before a run spends money."""
