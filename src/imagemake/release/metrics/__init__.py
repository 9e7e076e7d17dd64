"""Metrics of a release, and a forecast of the full run."""
