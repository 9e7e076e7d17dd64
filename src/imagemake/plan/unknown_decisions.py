"""Decisions about keys that no image has or had, such as mistyped ones. They would change nothing, and nobody knew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from imagemake.plan.requests.request import Request
from imagemake.plan.reviews import places_of
from imagemake.plan.state import State
from imagemake.store.journal import read_calls
from imagemake.store.store import Store

SHOWN = 3
SHOWN_DIGITS = 12


def unknown_decisions(
    path: Path, states: Iterable[State], store: Store, everything: Callable[[], Iterable[Request]]
) -> list[str]:
    """Return warnings about decisions that are about nothing, each with file, row, key, and remedy.

    A decision about an image stays in the file when its row is removed or its prompt changes: the store or the journal
    knows its key. What takes longer to look through is looked through only for keys that are not found before.

    Args:
        path: The decisions, which are valid.
        states: Where requests stand; those of the campaign that are not among them are in the store, or not made yet.
        store: The store.
        everything: Returns all requests of the campaign.
    """
    places = places_of(path)
    looked_up = (
        lambda: (key for state in states for key in (state.key, *(past.key for past in state.past))),
        lambda: (stored.key for name in {key[:2] for key in places} for stored in store.raw.in_folder(name)),
        lambda: (call.sent["key"] for call in read_calls(store.journal_folder, [])),
        lambda: (recipe.key() for request in everything() for recipe in request.recipes),
        lambda: (key for key in places if store.raw.find(key)),  # in a bucket
    )
    for keys in looked_up:
        if not places:
            return []
        for key in keys():
            places.pop(key, None)
    return [*_words(places)]


def _words(places: Mapping[str, str]) -> Iterator[str]:
    for key, where in list(places.items())[:SHOWN]:
        what = f"no image has or had the key {key[:SHOWN_DIGITS]}…, so the decision changes nothing"
        yield f"{where}: {what}. Copy the key from results/review.csv, or remove the row."
    if len(places) > SHOWN:
        yield f"{len(places) - SHOWN:,} more decisions there are about unknown keys."
