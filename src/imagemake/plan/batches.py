"""What a run must do: which requests are open, and how they are divided into batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from imagemake.config.campaign import Campaign
from imagemake.core.fingerprint import fingerprint
from imagemake.core.text import counted
from imagemake.plan.call_modes import divide
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.inventory import Inventory
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.state import OPEN, Stage, State
from imagemake.store.items import Item, table_bytes, write_table
from imagemake.store.job_times import image_seconds
from imagemake.store.layout import RESULT_TABLES, batch_file

ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """What one job of each stage handles.

    Attributes:
        id: The stage that it starts at, and a hash of its content: ``generate-3fa9c1d2e4b5a697``.
        n_items: Number of its items.
        why: Why there are so many, in words for a plan.
    """

    id: str
    n_items: int
    why: str = ""


def stage_of(batch: str) -> str:
    """Return the stage that a batch starts at, by its ID."""
    return batch.partition("-")[0]


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
    sizes: JobSizes,
) -> Iterator[tuple[Batch, list[Item]]]:
    """Divide open requests into batches, by the stage that they start at. Yield each with its items.

    They are made one batch at a time, so that no plan has all items in memory.

    Args:
        states: The open states.
        campaign: Part of each batch's name, so that other settings make another batch.
        tried: Returns the number of calls made for a key so far, so that a batch that failed as a whole gets another
            name next time.
        sizes: How many items a batch has.
    """
    # Measures of another version, or with other weights, make other tables of the same images.
    validation = campaign.validation
    settings = fingerprint([campaign.model_dump(mode="json"), validation.identities()])
    columns, derives = validation.columns_needed(), validation.asked.derives
    edited = read_edited() if derives else {}
    hands_over = any(state.has_next for state in states)
    for stage in OPEN:
        of_stage = [state for state in states if state.stage is stage]
        is_first = stage is Stage.GENERATE
        for together in divide(of_stage, campaign, sizes.submission_of) if is_first else [of_stage]:
            size, why = sizes.of(stage, together)
            for start in range(0, len(together), size):
                part = together[start : start + size]
                items = [item_of(state, columns, edited if derives else None) for state in part]
                if is_first and hands_over:
                    items = [replace(item, hands_over=True) for item in items]
                calls = [tried(item.key) for item in items] if is_first else []
                content = hashlib.sha256(f"{settings} {calls} ".encode() + table_bytes(items))
                yield Batch(f"{stage}-{content.hexdigest()[:ID_DIGITS]}", len(items), why), items


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
        model=state.model,
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

    jobs = image_seconds(work) if campaign.job_minutes is not None else {}
    sizes = JobSizes(campaign, len(states), inventory.submission_of, lambda: inventory.journal.times, jobs)
    batches = []
    for found, items in batches_of(states, campaign, tried, sizes):
        batch = _without_results(found, work, planned_at)
        path = batch_file(work, batch.id)
        if not path.exists():
            write_table(path, items)
        batches.append(batch)
    return batches


def job_lines(batches: Iterable[Batch]) -> Iterator[str]:
    """Yield how many jobs a run has for each stage that batches start at, how large they are, and why."""
    sizes: dict[tuple[str, str], list[int]] = {}
    for batch in batches:
        sizes.setdefault((stage_of(batch.id), batch.why), []).append(batch.n_items)
    for (stage, why), own in sizes.items():
        most = f"of up to {counted(max(own), 'image')}" if len(own) > 1 else f"of {counted(own[0], 'image')}"
        yield f"  {counted(len(own), 'job')} to {stage} {most}: {why}."


def _without_results(batch: Batch, work: Path, planned_at: float) -> Batch:
    """Return the batch under a name that no earlier run has made tables of.

    The batch is open, so what those tables tell of was lost since; with them, Snakemake would count its jobs as done.
    """
    name = batch.id
    while any(_is_older(work / folder / f"{name}.jsonl", planned_at) for folder in RESULT_TABLES):
        name = f"{stage_of(name)}-{hashlib.sha256(name.encode()).hexdigest()[:ID_DIGITS]}"
    return replace(batch, id=name)


def _is_older(path: Path, planned_at: float) -> bool:
    return path.exists() and path.stat().st_mtime < planned_at
