"""Finds providers, measures, and steps by name: built-in ones first, then the entry points of installed packages."""

from __future__ import annotations

from abc import ABC, ABCMeta
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from imagemake.core.problems import Problem, UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class NeedsPackages(Protocol):
    """A plug-in with the packages that may be missing, as ``{module: name to install}``."""

    packages: ClassVar[Mapping[str, str]]


@cache
def installed_plugins(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages register in a group of entry points, such as ``imagemake.providers``, by name."""
    # Reading the metadata of every installed package takes 0.1 s: only done for a name that is not built in.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}


def load_plugin(kind: str, name: str, built_in: Mapping[str, str], contract: type[ABC]) -> Any:
    """Load the class that is registered under a name.

    Args:
        kind: What it is, such as ``measure``; packages register theirs in the group ``imagemake.measures``.
        name: The name that the user wrote.
        built_in: Built-in names, each with ``module:class``. A package cannot replace them.
        contract: The base class of this kind, with what a plug-in must define.

    Raises:
        LookupError: If the name is unknown; the message lists the known ones.
        UserError: If an installed package's class cannot be imported or breaks the contract.
    """
    if name in built_in:
        return _resolved(built_in[name])
    others = installed_plugins(f"imagemake.{kind}s")
    if name not in others:
        raise LookupError(f"{name!r} is not known; known are {', '.join(sorted({*built_in, *others}))}")
    point = others[name]
    try:
        loaded = point.load()
    except Exception as error:  # the code of a package may raise anything
        raise _broken(kind, point, f"it cannot be imported: {type(error).__name__}: {error}.") from error
    if fault := contract_fault(loaded, contract):
        raise _broken(kind, point, fault)
    return loaded


@cache
def _resolved(place: str) -> Any:
    return resolve_name(place)  # a plan asks for the class of each image's provider


def contract_fault(loaded: object, contract: type[ABC]) -> str | None:
    """Return how a loaded class breaks the contract of its kind; None where it does not.

    Args:
        loaded: What the entry point names.
        contract: The base class of the kind.
    """
    base = f"{contract.__module__}.{contract.__qualname__}"
    if not (isinstance(loaded, ABCMeta) and issubclass(loaded, contract)):
        return f"it does not derive from {base}."
    defined = {name: value for one in reversed(loaded.__mro__) for name, value in vars(one).items()}
    required: Mapping[str, type] = defined["required"]
    missing = [*(name for name in required if name not in defined), *sorted(loaded.__abstractmethods__)]
    if missing:
        return f"it does not define {', '.join(missing)}, which {base} requires."
    wrong = [name for name, kind in required.items() if not isinstance(defined[name], kind)]
    return "; ".join(f"{name} must be of type {required[name].__name__}" for name in wrong) + "." if wrong else None


def _broken(kind: str, point: EntryPoint, fault: str) -> UserError:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    where = f"package {package}, {kind} {point.name!r}, class {point.value}"
    remedy = f"Correct or upgrade the package, or remove {point.name!r} from the configuration."
    return UserError(Problem(where, fault, remedy))


def packages_missing(plug_in: type[NeedsPackages]) -> list[str]:
    """Return the packages that a plug-in needs and that are not installed, without importing any."""
    return [package for module, package in plug_in.packages.items() if find_spec(module) is None]


def install_command(name: str, plug_in: type[NeedsPackages]) -> str:
    """Return the command that installs what a plug-in needs: for a built-in one, an extra of its name."""
    if plug_in.__module__.startswith("imagemake."):
        return f"pip install 'imagemake[{name}]'"
    return f"pip install {' '.join(packages_missing(plug_in))}"
