"""Presets of servers with OpenAI's image API: `model: {preset: together}` fills in the rest, from presets.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagemake.core.mistakes import Mistake, mistakes
from imagemake.core.text import did_you_mean

PROVIDER = "openai"


@cache
def presets() -> Mapping[str, Mapping[str, str]]:
    """Return the settings of each preset, by its name."""
    text = files("imagemake.config.models").joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def with_preset(settings: object) -> object:
    """Fill in what a preset says, under what the section `model` says itself.

    Args:
        settings: The section as read, not validated yet.

    Raises:
        ValueError: If the preset is unknown, or belongs to a server without an address of its own.
    """
    name = settings.get("preset") if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping) or not isinstance(name, str):  # another type is told where fields are checked
        return settings
    if name not in presets():
        known = f"Known are {', '.join(presets())}."
        near = did_you_mean(name, presets())
        raise mistakes([Mistake(("preset",), f"unknown preset {name!r}.", f"{near} {known}".strip())])
    if settings.get("provider", PROVIDER) != PROVIDER:
        what = f"preset {name} is for provider {PROVIDER}."
        raise mistakes([Mistake(("provider",), what, "Remove provider, or remove preset.")])
    filled = {"provider": PROVIDER, "identity": name, **presets()[name], **settings}
    if filled.get("server") is not None:  # it has no address yet, and its command is in its name
        return {"provider": PROVIDER, **settings}
    if filled.get("base_url") is None:
        what = f"preset {name} needs base_url: the address of your server."
        raise mistakes([Mistake(("base_url",), what, "Write it as http://host:port/v1.")])
    return filled
