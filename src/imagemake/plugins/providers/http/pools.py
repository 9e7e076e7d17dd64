"""Many clients with a few connections each: the HTTP library looks at every connection of a pool for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Client = TypeVar("Client")
MOST_IN_POOL = 8


@dataclass(slots=True)
class Pool(Generic[Client]):
    """Some connections.

    Attributes:
        client: Has them.
        requests: Number of requests that use one.
    """

    client: Client
    requests: int = 0


class Pools(Generic[Client]):
    """Clients of one server. As many as are needed are made, and the first ones are used most.

    Args:
        make: Makes a client.

    Attributes:
        all: The clients that were made, with their requests.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self.all = [Pool(make())]

    @property
    def first(self) -> Client:
        """The first client, for requests of which there are few."""
        return self.all[0].client

    @contextmanager
    def taken(self) -> Iterator[Client]:
        """Yield a client with a free connection for one request."""
        pool = next((pool for pool in self.all if pool.requests < MOST_IN_POOL), None)
        if pool is None:
            pool = Pool(self._make())
            self.all.append(pool)
        pool.requests += 1
        try:
            yield pool.client
        finally:
            pool.requests -= 1
