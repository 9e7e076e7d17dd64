"""What a run must do: which requests are open, and how they are divided into batches."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from imagemake.config.campaign import Campaign
from imagemake.config.model import settings_of
from imagemake.config.models import (
    ModelTable,
    Severity,
    load_models,
    problems_in_batch,
    problems_of,
    problems_of_files,
)
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.call_modes import batch_size, divide, job_size, parts_here
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.inventory import Inventory
from imagemake.plan.parents import measured_file
from imagemake.plan.requests.families import with_parents
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.requests.model_choice import MODEL
from imagemake.plan.requests.request import Request
from imagemake.plan.requests.selection import sample, within
from imagemake.plan.state import OPEN, Policy, Stage, State
from imagemake.plugins.providers import provider_class, takes_references
from imagemake.stages.postprocess.job import output_keys, postprocess_digests
from imagemake.stages.validate.earlier_releases import earlier_images
from imagemake.store.items import Item, table_bytes, write_table
from imagemake.store.layout import ALL, IMAGE, IMAGES, PILOT, RESULT_TABLES, RESULTS, SMALL, batch_file

ID_DIGITS = 16
SHOWN_BYTES = 16
# Sections that do not change what a release shows.
NOT_SHOWN = ("limits", "batch_size", "alerts", "gates", "store", "publish")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one job of each stage handles.

    Attributes:
        id: The stage that it starts at, and a hash of its content: ``generate-3fa9c1d2e4b5a697``.
        items: The items, in the order of the requests.
    """

    id: str
    items: tuple[Item, ...]


def policy_of(campaign: Campaign) -> Policy:
    """Return what in a campaign decides where a request stands.

    Raises:
        UserError: If the manifest of an earlier release is missing or cannot be read.
    """
    step_digests = postprocess_digests(campaign.postprocess)
    duplicates = campaign.validation.near_duplicates or None
    return Policy(
        checks=campaign.validation.all_checks(),
        formats=campaign.validation.formats,
        size_as_requested=campaign.validation.size == "requested",
        measures=[measure.identity for measure in campaign.validation.measures_needed()],
        duplicates=duplicates,
        earlier=earlier_images(duplicates.earlier) if duplicates and duplicates.earlier else None,
        consistency=campaign.validation.consistency,
        asked=campaign.validation.asked,
        moderates=asker.identity if (asker := campaign.prompts.asker) else "",
        edited=read_edited() if campaign.validation.asked.derives else {},
        compares_models=MODEL in campaign.variables,
        most_attempts=campaign.attempts.max,
        patches=campaign.attempts.patches,
        attempts=campaign.attempts,
        can_repair=partial(_takes_image, campaign, load_models(campaign.models)),
        takes_mask=partial(_takes_mask, load_models(campaign.models)),
        rewriter=campaign.attempts.rewrite.asker() if campaign.attempts.rewrite else None,
        hold_unknown=campaign.limits.unknown == "hold",
        output_keys=lambda raw_digest: output_keys(raw_digest, step_digests),
        candidate_policy=CandidatePolicy(campaign.candidates.n, campaign.candidates.best),
        ignores_seed=partial(_ignores_seed, load_models(campaign.models)),
    )


def _ignores_seed(table: ModelTable, recipe: Recipe) -> bool:
    model = table.of(recipe)
    return model is not None and model.facts.determinism == "fixed"


def _takes_image(campaign: Campaign, table: ModelTable, state: State) -> bool:
    """Return whether the model of a rejected image takes that image as a reference."""
    settings, model, file = settings_of(state.request.model, campaign), table.of(state.recipe), measured_file(state)
    in_batch = settings.mode == "batch"
    if file is None or not takes_references(provider_class(state.recipe.provider), batch=in_batch):
        return False
    recipe = replace(state.recipe, references=(file.digest,), mask=None)
    found = [] if model is None else problems_of_files(model, [(state.request.name, file)], None)
    if model is not None:  # a run tells of retirement by itself
        found += [*problems_of(model, recipe, date.min), *(problems_in_batch(model, recipe) if in_batch else ())]
    return all(finding.severity is not Severity.ERROR for finding in found)


def _takes_mask(table: ModelTable, state: State) -> bool:
    model = table.of(state.recipe)
    return model is not None and model.facts.mask is True


def requests_of_scope(campaign: Campaign, requests: Sequence[Request], scope: str) -> list[Request]:
    """Return the requests of a target, and those that these are made from.

    Args:
        campaign: The campaign.
        requests: All of its requests.
        scope: ``all``, ``pilot``, ``small``, or ``image/`` and a file name.

    Raises:
        UserError: If no request makes that file.
    """
    if scope == ALL:
        return list(requests)
    if scope in (PILOT, SMALL):
        names = within(campaign, requests)
        chosen_from = [request for request in requests if request.name in names]
        size = campaign.pilot.size if scope == PILOT else max(campaign.pilot.size, campaign.small.size)
        return sample(chosen_from, size, campaign.variables)
    file_name = scope.removeprefix(IMAGE)
    file_names = FileNames(campaign)
    found = [request.name for request in requests if file_name in file_names.of(request).values()]
    if not found:
        example = ", ".join(file_names.of(requests[0]).values())
        remedy = f"Names follow the template {campaign.name!r}, such as {example}."
        raise UserError(Problem(str(RESULTS / IMAGES / file_name), "no request makes this file.", remedy))
    names = with_parents(found, {request.name: request for request in requests})
    return [request for request in requests if request.name in names]


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


def shown_settings(campaign: Campaign) -> dict[str, Any]:
    """Return the settings that decide what a release shows, as plain data."""
    shown = campaign.model_dump(mode="json", exclude=set(NOT_SHOWN))
    return {**shown, "links": campaign.publish.names} if campaign.release.has_links else shown


def release_digest(shown: bytes, campaign: Campaign) -> str:
    """Return a digest of everything that a release shows; while it stays equal, the release is up to date.

    Args:
        shown: From `shown_of`.
        campaign: The campaign.
    """
    return hashlib.sha256(fingerprint(shown_settings(campaign)).encode() + shown).hexdigest()


def shown_of(states: Iterable[State]) -> bytes:
    """Return the digests of what a release shows of each request, and then the numbers of their rows."""
    numbers, digests = array("Q"), bytearray()
    for state in states:
        numbers.append(state.request.row)
        digests += shown_alone(state)
    return bytes(digests) + numbers.tobytes()


def shown_alone(state: State) -> bytes:
    """Return a digest of what a release shows of a request, except for the number of its row, of `SHOWN_BYTES`."""
    request, finished = state.request, state.finished.digest if state.finished else ""
    told: list[Any] = [request.name, state.key, state.stage, finished, *map(str, state.reasons)]
    told.append(tuple(request.variables.items()))  # the manifest has all columns, also those that no prompt names
    if state.further:
        told.append([(label, stored.digest) for label, stored in state.further.items()])
    if state.review:  # the released file itself shows it
        told.append((state.review.decision, state.review.note))
    if request.attached.references:
        told.append((request.attached.references, request.attached.mask))
    return hashlib.sha256(repr(told).encode()).digest()[:SHOWN_BYTES]


def counts(states: Sequence[State]) -> Mapping[Stage, int]:
    """Return the number of requests by where they stand."""
    found = dict.fromkeys(Stage, 0)
    for state in states:
        found[state.stage] += 1
    return found


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
