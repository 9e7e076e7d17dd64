"""Where things lie."""

from __future__ import annotations

from pathlib import Path

WORK = Path("work")


STORE = Path("store")
