"""Finding providers, measures and post-processing steps by name: ours first, then other packages' entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@cache
def _entry_points(group: str) -> dict[str, Any]:
    # Reading the metadata of every installed package takes 0.1 s: only done for a name that is not ours.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}


def load_plugin(group: str, name: str, built_in: Mapping[str, str]) -> Any:
    """Load what is registered under a name.

    Args:
        group: Entry-point group, such as ``imagemake.providers``.
        name: The name that the user wrote.
        built_in: Our own names, each to ``module:attribute``; they cannot be shadowed.

    Raises:
        LookupError: If nothing has that name; the message lists the names there are.
    """
    if name in built_in:
        module, _, attribute = built_in[name].partition(":")
        return getattr(import_module(module), attribute)
    others = _entry_points(group)
    if name in others:
        return others[name].load()
    known = ", ".join(sorted({*built_in, *others}))
    raise LookupError(f"{name!r} is not known; known are {known}")


def packages_missing(plug_in: Any) -> list[str]:
    """Name the packages that a plug-in needs and that are not installed, without importing any.

    Args:
        plug_in: Its class; it lists them in an attribute ``packages``: by the name that is imported, the one that is
            installed.
    """
    packages: Mapping[str, str] = getattr(plug_in, "packages", {})
    return [package for module, package in packages.items() if find_spec(module) is None]
