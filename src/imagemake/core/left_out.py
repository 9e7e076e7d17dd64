"""Keeps a process from importing a package that it does not need, although another package would use it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _LeftOut(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out in this process", name=fullname)


def leave_out(name: str) -> None:
    """Let imports of a package fail in this process, as if it were not installed."""
    sys.meta_path.insert(0, _LeftOut(name))
