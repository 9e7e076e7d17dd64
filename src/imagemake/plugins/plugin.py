"""What every measure and step has: a version, settings, and the packages that it needs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

__all__ = ["Plugin", "PluginSettings"]


class PluginSettings(BaseModel):
    """Base of what a user can set: a mistyped name is an error. By itself, nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Plugin(ABC):
    """Base of measures and steps. What has no default here must be defined by each of them.

    Attributes:
        required: Attributes without a default, with their types; `imagemake.plugins.registry` checks them.
        version: Raise it when the same image and settings may give another result: results of older versions are then
            computed again.
        Settings: What a user can set. Part of the key of each result.
        packages: Packages that may be missing, as ``{module: name to install}``. Users hear of them before the run.
        came_later: Settings added after the first release. While one is None, it is in no key, so that an upgrade
            computes nothing again.
        paths: Settings that only say where a file is. They are in no key: the content of the file decides.
    """

    required: ClassVar[Mapping[str, type]] = {"version": int}

    version: ClassVar[int]
    Settings: ClassVar[type[PluginSettings]] = PluginSettings
    packages: ClassVar[Mapping[str, str]] = {}
    came_later: ClassVar[tuple[str, ...]] = ()
    paths: ClassVar[frozenset[str]] = frozenset()
    settings: PluginSettings

    @staticmethod  # noqa: B027 - most need nothing
    def check(settings: PluginSettings) -> None:
        """Check before a run that what the measure or step needs besides packages is present.

        Raises:
            NotReadyError: If something is missing.
        """

    @staticmethod
    def files(settings: PluginSettings) -> tuple[Path, ...]:
        """Return the user's files that decide the result, such as weights; their content is part of the key.

        Raises:
            NotReadyError: If some are missing.
        """
        return ()

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if not issubclass(cls.Settings, PluginSettings):
            base = f"{PluginSettings.__module__}.{PluginSettings.__name__}"
            raise TypeError(f"{cls.__name__}.Settings does not derive from {base}")

    def __init__(self, settings: PluginSettings) -> None:
        """Take the settings, an instance of `Settings`. Load models here: it is called once per job."""
        self.settings = settings
