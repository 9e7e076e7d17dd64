"""Garbage collection in processes that end soon, where it takes up to a third of the time."""

from __future__ import annotations

import atexit
import gc

NEW_OBJECTS = 50_000  # between two collections, in place of Python's 700


def collect_rarely() -> None:
    """Collect after more new objects, and not at the end of the process, when the system takes its memory anyway."""
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)
