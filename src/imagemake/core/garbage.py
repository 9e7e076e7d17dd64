"""Garbage collection in processes that end soon, where it takes up to a third of the time, and in those that wait."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys

NEW_OBJECTS = 50_000  # between two collections, in place of Python's 700


def collect_rarely() -> None:
    """Collect after more new objects, and not at the end of the process, when the system takes its memory anyway."""
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)


def give_back() -> None:
    """Collect what nobody uses, and let the C library return free memory, as far as it can: before a long wait."""
    gc.collect()
    trim = None if sys.platform == "win32" else getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
