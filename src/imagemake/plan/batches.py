"""What a run must do: which requests are open, and how they are divided into batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from imagemake.config.campaign import Campaign
from imagemake.core.fingerprint import fingerprint
from imagemake.plan.call_modes import batch_size, divide, job_size, parts_here
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.inventory import Inventory
from imagemake.plan.state import OPEN, Stage, State
from imagemake.store.items import Item, table_bytes, write_table
from imagemake.store.layout import RESULT_TABLES, batch_file

ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """What one job of each stage handles.

    Attributes:
        id: The stage that it starts at, and a hash of its content: ``generate-3fa9c1d2e4b5a697``.
        items: The items, in the order of the requests.
    """

    id: str
    items: tuple[Item, ...]


def open_states(states: Sequence[State], names: Collection[str]) -> list[State]:
    """Return what a run can work on; of several requests with one key, only one, because it serves them all."""
    first: dict[tuple[Stage, str], State] = {}
    wanted = (state for state in states if state.request.name in names)
    for one in chain.from_iterable(state.to_do for state in wanted):
        first.setdefault((one.stage, one.key), one)
    return list(first.values())


def batches_of(
    states: Sequence[State],
    campaign: Campaign,
    tried: Callable[[str], int],
    size: int,
    submission_of: Mapping[str, str],
) -> list[Batch]:
    """Divide open requests into batches, by the stage that they start at.

    Args:
        states: The open states.
        campaign: Part of each batch's name, so that other settings make another batch.
        tried: Returns the number of calls made for a key so far, so that a batch that failed as a whole gets another
            name next time.
        size: Most items per batch, for images that are requested one by one.
        submission_of: The open submission that each key waits in.
    """
    # Measures of another version, or with other weights, make other tables of the same images.
    validation = campaign.validation
    settings = fingerprint([campaign.model_dump(mode="json"), validation.identities()])
    columns, derives = validation.columns_needed(), validation.asked.derives
    edited = read_edited() if derives else {}
    hands_over = any(state.has_next for state in states)
    found = []
    for stage in OPEN:
        items = [item_of(state, columns, edited if derives else None) for state in states if state.stage is stage]
        is_first = stage is Stage.GENERATE
        if is_first and hands_over:
            items = [replace(item, hands_over=True) for item in items]
        most = size
        if stage is Stage.JUDGE and validation.asked.in_batches:  # all at once: each batch may take a day
            most = max(size, -(-len(items) // campaign.limits.batches_in_flight))
        for part in _generated(items, campaign, size, submission_of) if is_first else _parts(items, most):
            calls = [tried(item.key) for item in part] if stage is Stage.GENERATE else []
            content = hashlib.sha256(f"{settings} {calls} ".encode() + table_bytes(part))
            found.append(Batch(f"{stage}-{content.hexdigest()[:ID_DIGITS]}", tuple(part)))
    return found


def item_of(state: State, columns: Collection[str] = (), edited: Mapping[str, Sequence[str]] | None = None) -> Item:
    """Return a request as an item of a batch.

    Args:
        state: Where the request stands.
        columns: The columns whose values checks and questions need.
        edited: Questions that users edited, by prompt; None if no questions are derived from prompts.
    """
    variables, own_prompt = state.request.variables, state.request.recipe.prompt
    return Item(
        name=state.request.name,
        attempt=state.attempt,
        recipe=state.recipe,
        key=state.key,
        why=str(state.why or ""),
        variables={column: variables[column] for column in columns if column in variables},
        raw=state.raw,
        measures=state.measured,
        output_key=state.output_key,
        model="" if state.request.model == state.recipe.model else state.request.model,
        is_in_batch=state.is_in_batch,
        can_wait=state.can_wait,
        own_prompt=own_prompt if edited is not None and own_prompt != state.recipe.prompt else "",
        questions=tuple((edited or {}).get(own_prompt, ())),
    )


def write_batches(
    states: Sequence[State], campaign: Campaign, inventory: Inventory, work: Path, *, planned_at: float = math.inf
) -> list[Batch]:
    """Divide open requests into batches and write the missing ones to ``work/batches/``.

    Args:
        states: The open states.
        campaign: The campaign.
        inventory: What exists.
        work: The folder of the tables.
        planned_at: When the run was planned, in seconds of Unix time; by default, now.
    """

    def tried(key: str) -> int:
        history = inventory.journal.keys.get(key)
        return history.calls if history else 0

    size = batch_size(len(states), campaign.batch_size, parts=parts_here())
    found = batches_of(states, campaign, tried, size, inventory.submission_of)
    batches = [_without_results(batch, work, planned_at) for batch in found]
    for batch in batches:
        path = batch_file(work, batch.id)
        if not path.exists():
            write_table(path, batch.items)
    return batches


def _without_results(batch: Batch, work: Path, planned_at: float) -> Batch:
    """Return the batch under a name that no earlier run has made tables of.

    The batch is open, so what those tables tell of was lost since; with them, Snakemake would count its jobs as done.
    """
    name = batch.id
    while any(_is_older(work / folder / f"{name}.jsonl", planned_at) for folder in RESULT_TABLES):
        name = f"{name.partition('-')[0]}-{hashlib.sha256(name.encode()).hexdigest()[:ID_DIGITS]}"
    return replace(batch, id=name)


def _is_older(path: Path, planned_at: float) -> bool:
    return path.exists() and path.stat().st_mtime < planned_at


def _generated(
    items: Sequence[Item], campaign: Campaign, size: int, submission_of: Mapping[str, str]
) -> Iterator[Sequence[Item]]:
    for together in divide(items, campaign, submission_of):
        yield from _parts(together, job_size(together, campaign, size, submission_of))


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
