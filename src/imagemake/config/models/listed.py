"""What providers list about their own models: a dated file per server in config/models/, committed with the project.

`imagemake models --update` writes it. It is above the built-in table and below the section `models` of config.yaml. It
came from a server once, and people may edit it, so it is checked each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagemake.config.models.common import common_facts
from imagemake.config.models.facts import ModelFacts
from imagemake.core.files import write_whole
from imagemake.core.mistakes import problems_of, validated
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import counted
from imagemake.plugins.providers import ModelList

LONGEST_NAME = 200
LISTS = Path("config/models")
_SHORT_LIST = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s+\]")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(_Section):
    """One way in which a provider serves a model."""

    pricing: tuple[str, ...] = Field((), description="All prices in words.")
    facts: ModelFacts = Field(default_factory=ModelFacts, description="What it takes and costs.")


class Listing(_Section):
    """The file of one server."""

    provider: str = Field(description="Registered name of the provider.")
    base_url: str | None = Field(None, description="Address of the server; null for the provider's own.")
    source: str = Field(description="Address of the list.")
    listed_on: date = Field(description="When it was asked for.")
    models: Mapping[Annotated[str, Field(max_length=LONGEST_NAME)], Mapping[str, Endpoint]] = Field(
        description="By model, then by endpoint. Without endpoints, only the name is known."
    )

    def facts(self, model: str, only: Collection[str] = ()) -> ModelFacts | None:
        """Return what is certain about a model; None if nothing is known.

        Args:
            model: Its name.
            only: The endpoints that may serve it, with or without what follows a slash in their names; empty for all.
        """
        endpoints = self.models.get(model, {}).items()
        allowed = [one.facts for name, one in endpoints if not only or name in only or name.partition("/")[0] in only]
        return common_facts(allowed) if allowed else None


@dataclass(frozen=True, slots=True)
class ServerName:
    """Which server a list is of.

    Attributes:
        provider: Registered name of the provider.
        base_url: Its address; None for the provider's own.
    """

    provider: str
    base_url: str | None = None

    @property
    def path(self) -> Path:
        """The file of its list, relative to the project."""
        if self.base_url is None:
            return LISTS / f"{self.provider}.json"
        parts = urlsplit(self.base_url)
        where = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.netloc}{parts.path}").strip("-.")
        return LISTS / f"{self.provider}-{where[:100]}.json"


def read_listing(server: ServerName, folder: Path = Path()) -> Listing | None:
    """Read the list of a server; None if there is none.

    Raises:
        UserError: If it is damaged.
    """
    try:
        text = (folder / server.path).read_bytes()
    except OSError:
        return None
    try:
        return Listing.model_validate_json(text)
    except ValidationError:
        raise UserError(_problems(text, server)) from None


def _problems(text: bytes, server: ServerName) -> list[Problem]:
    where, remedy = str(server.path), f"Ask for the list again: imagemake models --update {server.provider}"
    try:
        found = validated(Listing, orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return [Problem(where, f"this is not JSON: {error}.", remedy)]
    mistakes = found if isinstance(found, list) else []
    return [Problem(one.where, one.what, remedy) for one in problems_of(mistakes, where)] or [
        Problem(where, "this is not a list of models.", remedy)
    ]


def write_listing(server: ServerName, listed: ModelList, today: date, folder: Path = Path()) -> list[str]:
    """Write the list of a server, one fact per line, in the order of names.

    Returns:
        What was ignored, because it is not what facts can be.
    """
    names = sorted(name for name in listed.models if 0 < len(name) <= LONGEST_NAME and name.isprintable())
    unusable = len(listed.models) - len(names)
    ignored = [f"{counted(unusable, 'model')} whose name is empty, too long, or not printable"] if unusable else []
    models = {name: dict(_checked(name, listed.models[name], today, ignored)) for name in names}
    data = {
        "provider": server.provider,
        "base_url": server.base_url,
        "source": listed.source,
        "listed_on": today.isoformat(),
        "models": models,
    }
    text = _SHORT_LIST.sub(_on_one_line, json.dumps(data, indent=2, ensure_ascii=False))
    path = folder / server.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode() + b"\n")
    return ignored


def _checked(model: str, endpoints: Mapping[str, Any], today: date, ignored: list[str]) -> Iterator[tuple[str, Any]]:
    for name, endpoint in sorted(endpoints.items()):
        facts = dict(endpoint.facts)
        if "prices" in facts:
            facts["prices"] = {"as_of": today.isoformat(), **facts["prices"]}
        try:
            Endpoint.model_validate({"pricing": endpoint.pricing, "facts": facts})
        except ValidationError as error:
            ignored.append(f"{model} by {name}: {error.errors(include_url=False)[0]['msg']}")
            continue
        yield name, {"pricing": list(endpoint.pricing), "facts": facts}


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{', '.join(line.strip().rstrip(',') for line in found[1].splitlines())}]"
