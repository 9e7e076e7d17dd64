"""Folders of this repository that tests read."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent
ASTRONAUT = TESTS / "images" / "astronaut.jpg"
