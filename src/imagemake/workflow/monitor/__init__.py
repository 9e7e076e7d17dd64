"""Metrics and traces of a run, read from what its jobs write: the journal, the progress, and the shared rates."""
