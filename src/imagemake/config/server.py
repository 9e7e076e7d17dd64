"""A server to connect to: its provider, address, key, and headers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imagemake.config.headers import filled, variables_in
from imagemake.config.local import Local
from imagemake.config.models import Model, ModelTable
from imagemake.config.models.spelling import spelling_of
from imagemake.config.started_server import StartedServer
from imagemake.plugins.providers import Connection, Provider, provider_class


@dataclass(frozen=True, slots=True)
class Server:
    """A server to connect to.

    Attributes:
        provider: Registered name of the provider, such as ``openai``.
        base_url: Its address; None for the provider's own.
        key_from: Environment variable with the key, if the user names one.
        headers: Names and values of further headers, as written: a value may name variables.
        endpoint: Its name in recipes; None for the provider's own.
        files: The user's files that the model is made of, by what they are.
        local: How a model runs on this machine.
        pool: Addresses of further servers that do the same.
        to_start: How to start it, if the build does; it has its address once it runs.
        command: The command that starts it, for one model; only the port is left to fill in.
    """

    provider: str
    base_url: str | None = None
    key_from: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    endpoint: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    local: Local = field(default_factory=Local)
    pool: tuple[str, ...] = ()
    to_start: StartedServer | None = None
    command: tuple[str, ...] = ()

    def model(self, name: str, table: ModelTable) -> Model | None:
        """Return the model table's entry for a model of this server; None if it has none."""
        return table.get(self.provider, name, self.endpoint)

    def start(self, timeout_s: float, table: ModelTable) -> Provider:
        """Start the provider for this server; arguments and errors as in `connection`."""
        return provider_class(self.provider)(self.connection(timeout_s, table))

    def connection(self, timeout_s: float, table: ModelTable) -> Connection:
        """Return how to reach this server.

        Args:
            timeout_s: Longest wait for one response.
            table: Says how the server spells requests.

        Raises:
            ProviderError: If a key or a variable is missing, or the provider cannot call this server.
        """
        headers = {name: filled(value) for name, value in self.headers}

        def known_of(model: str) -> Mapping[str, Any]:
            entry = self.model(model, table)
            return spelling_of(entry.facts) if entry else {}

        return Connection(
            self.base_url,
            timeout_s,
            self.key_from,
            headers,
            known_of,
            dict(self.files),
            self.local.model_dump(),
            self.pool,
        )

    @property
    def lane(self) -> tuple[str, ...]:
        """What distinguishes servers whose calls share one rate: provider, address, and key."""
        place = shlex.join(self.command) or self.base_url or ""
        return (self.provider, place, *([self.key_from] if self.key_from else []))

    def variables(self) -> list[str]:
        """Return the environment variables that must be set to call it."""
        kind = provider_class(self.provider)
        key = Connection(self.base_url, key_from=self.key_from).key_variable(kind.key_variable, kind.domain)
        return [*filter(None, [key]), *(name for _, value in self.headers for name in variables_in(value))]
