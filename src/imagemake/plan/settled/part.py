"""The part of a target that needs a look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagemake.plan.requests.model_files import models_with_files
from imagemake.plan.shown import shown_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imagemake.plan.inventory import Inventory
    from imagemake.plan.settled.rows import Settled
    from imagemake.plan.state import State
    from imagemake.plan.target import Target


@dataclass(slots=True)
class Part:
    """The requests of a target that a plan looks at.

    Attributes:
        target: The target, with only their rows.
        inventory: What exists, as far as they need it.
        settled: The other rows, whose images are all done; None if there are none.
        places: The place of each row in the whole catalog.
        tables: Paths of tables that are as they were when they were last read.
    """

    target: Target
    inventory: Inventory
    places: Sequence[int]
    settled: Settled | None = None
    tables: frozenset[str] = frozenset()

    @classmethod
    def whole(cls, target: Target, inventory: Inventory) -> Part:
        """Return all of a target."""
        return cls(target, inventory, range(len(target.rows)))

    @property
    def n_settled(self) -> int:
        """Number of the requests that need no look."""
        return self.settled.n_requests if self.settled else 0

    def states(self) -> list[State]:
        """Find where the requests stand.

        Raises:
            NotRememberedError: If that depends on the others.
        """
        states = self.target.states(self.inventory)
        if self.settled is not None:
            self.settled.check(states, self.inventory, self.target.campaign)
        return states

    def places_of(self, states: Iterable[State]) -> list[int]:
        """Return the place in the whole catalog of each request's row."""
        place_of = {row.number: place for row, place in zip(self.target.rows, self.places, strict=True)}
        return [place_of[state.request.row] for state in states]

    def models(self, states: Iterable[State]) -> dict[str, list[Any]]:
        """Return what `models_with_files` returns for all requests."""
        before = self.settled.head["models"] if self.settled else {}
        return {**before, **models_with_files(state.request for state in states)}

    def merged(self, sections: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return sections of requests with those of all settled ones, in the order of the catalog."""
        if self.settled is None:
            return sections
        return {name: self.settled.merged(name, section) for name, section in sections.items()}

    def shown(self, states: Sequence[State]) -> bytes:
        """Return what `shown_of` returns for all requests."""
        if self.settled is None:
            return shown_of(states)
        from imagemake.plan.settled.contents import shown_section

        section = shown_section(zip(self.places_of(states), states, strict=True))
        both = self.settled.merged("requests", section)
        numbers: bytes = self.settled.numbers[both["place"]].tobytes()
        return both["shown"].tobytes() + numbers
