"""From images to measures: reads the values that are still missing. Thresholds are applied elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from types import MappingProxyType
from typing import cast

import orjson

from imagemake.config.checks import Check
from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.core.host_errors import is_refusal
from imagemake.core.problems import NotReadyError, Problem, UserError
from imagemake.images.decoded import DecodedImage, Undecodable, decode_image
from imagemake.plugins.measures import MatchingMeasure, Measure, Value, measure_class
from imagemake.plugins.registry import install_command, packages_missing
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.isolation import Fatal, Work, do_all, keep_memory
from imagemake.stages.validate.text_match import texts_to_match
from imagemake.stages.validate.verdict import (
    FAILED_QUANTITY,
    UNDECODABLE_MEASURE,
    UNDECODABLE_QUANTITY,
    still_to_measure,
)
from imagemake.store.items import FailureReason, Item, ItemFailure, table_bytes
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.store import DamagedError, Store

OPENING, FINISHING = 0, -1  # the steps before and after those of the measures
MOST_SAID = 200  # characters of an exception's message to keep

Finish = Callable[[Item, DecodedImage], None]


def load_measures(chosen: Iterable[ChosenPlugin]) -> dict[str, Measure]:
    """Load the measures of a campaign, by identity.

    Raises:
        UserError: If a package or file that a measure needs is missing on this machine.
    """
    import cv2

    cv2.setNumThreads(1)  # jobs run side by side, each on its own core
    keep_memory()
    loaded = {}
    for measure in chosen:
        kind = measure_class(measure.name)
        if missing := ", ".join(packages_missing(kind)):
            what = f"measure {measure.name!r} needs packages that are not installed on this machine: {missing}."
            raise UserError(Problem("validation", what, f"Install them with {install_command(measure.name, kind)}"))
        try:
            loaded[measure.identity] = kind(kind.Settings.model_validate(measure.settings))
        except NotReadyError as error:
            raise UserError(Problem(f"validation.measures.{measure.name}", error.what, error.remedy)) from error
    return loaded


def validate_batch(
    items: Sequence[Item], measures: Mapping[str, Measure], store: Store, checks: Mapping[str, Check] | None = None
) -> list[Item]:
    """Measure the images of a batch.

    Args:
        items: Items with their raw images; items without one pass through.
        measures: Measures by identity.
        store: The store with the images.
        checks: Checks by quantity; they name the texts that a network compares images with.

    Returns:
        The items in order, with their values. An image that cannot be decoded has the quantity ``file.undecodable``,
        and a measure that failed on an image has the quantity ``failed``; both hold the cause.
    """
    return [_validate(item, measures, store, checks or {}) for item in items]


def validate_apart(
    items: Sequence[Item],
    chosen: Sequence[ChosenPlugin],
    store: Store,
    checks: Mapping[str, Check] | None = None,
    progress: JobProgress | None = None,
    *,
    make_finish: Callable[[], Finish | None] = lambda: None,
) -> list[Item]:
    """Measure the images of a batch in a separate process, so that a crash in a library affects only one image.

    Args:
        items: As for `validate_batch`.
        chosen: The measures.
        store: The store with the images.
        checks: As for `validate_batch`.
        progress: Takes the progress of the job; None if nobody reads it.
        make_finish: Called once in that process. What it returns is called with each image that was decoded, after its
            measures were read; an image that crashes it is left out.

    Returns:
        As `validate_batch`. An image that crashes the process twice counts as undecodable, or as failed in one measure.

    Raises:
        SystemExit: If a measure's package is missing, or the process cannot go on; the cause is on standard error.
    """
    identities, all_checks = [measure.identity for measure in chosen], checks or {}
    todo = [item for item in items if item.raw is not None and _missing(item, identities, all_checks)]

    def make_work() -> Work:
        measures, finish = load_measures(chosen), make_finish()
        return lambda number, fatal, at: table_bytes(
            [_validate(todo[number], measures, store, all_checks, finish, fatal=fatal, at=at)]
        )[:-1]

    progress = progress or no_progress()
    with_image = sum(item.raw is not None for item in items)
    results = do_all(len(todo), make_work, lambda n_done: progress.update(done=with_image - len(todo) + n_done))
    progress.end(done=with_image)
    done = dict(zip(map(id, todo), results, strict=True))
    return [Item.from_dict(orjson.loads(done[id(item)])) if id(item) in done else item for item in items]


def _missing(item: Item, measures: Iterable[str], checks: Mapping[str, Check]) -> list[str]:
    """Return the identities of the missing values: first those of the image alone, then those with a text."""
    identities = list(measures)
    texts = texts_to_match(identities, checks, Expected(item.recipe.prompt, item.variables))
    return still_to_measure([*identities, *texts], item.measures)


def _validate(
    item: Item,
    measures: Mapping[str, Measure],
    store: Store,
    checks: Mapping[str, Check],
    finish: Finish | None = None,
    *,
    fatal: Fatal = MappingProxyType({}),
    at: Callable[[int], None] = lambda step: None,
) -> Item:
    missing = _missing(item, measures, checks)
    if item.raw is None or not missing:
        return item
    image = None
    if any(
        identity in measures for identity in missing
    ):  # otherwise only texts are new, and the image need not be decoded
        try:
            at(OPENING)
            if OPENING in fatal:
                raise Undecodable(f"decoding it crashed the process twice ({fatal[OPENING]})")
            image = decode_image(store.raw.read(item.raw))
        except DamagedError as error:
            return replace(item, raw=None, failure=ItemFailure(FailureReason.DAMAGED, str(error)))
        except Undecodable as error:
            identity = next(name for name in measures if name.partition("@")[0] == UNDECODABLE_MEASURE)
            return replace(item, measures={identity: {UNDECODABLE_QUANTITY: str(error)}})
    texts = texts_to_match(measures, checks, Expected(item.recipe.prompt, item.variables))
    values = dict(item.measures)
    for step, identity in enumerate(missing, start=OPENING + 1):
        at(step)
        if step in fatal:
            values[identity] = {FAILED_QUANTITY: f"it crashed the process twice ({fatal[step]})"}
        elif identity in texts:
            values[identity] = _matched(measures, values, *texts[identity])
        else:
            values[identity] = _tried(partial(measures[identity].read, cast(DecodedImage, image)))
    measured = replace(item, measures=values)
    if finish and image is not None:
        at(FINISHING)
        if FINISHING not in fatal:
            finish(measured, image)
    return measured


def _matched(
    measures: Mapping[str, Measure], read: Mapping[str, Mapping[str, Value]], identity: str, text: str
) -> Mapping[str, Value]:
    """Compare a measure's values with a text; if the measure failed on the image, this fails for the same reason."""
    own, measure = read[identity], cast(MatchingMeasure, measures[identity])
    return own if FAILED_QUANTITY in own else _tried(partial(measure.match, own, text))


def _tried(read: Callable[[], Mapping[str, Value]]) -> dict[str, Value]:
    # Measures are plug-ins and run on untrusted images. An exception concerns only this measure and this image: the
    # other images of the batch and the other measures must not be lost.
    try:
        return _plain(read())
    except Exception as error:
        if is_refusal(error):  # such as a full disk
            raise
        said = " ".join(str(error).split())[:MOST_SAID]
        return {FAILED_QUANTITY: f"{type(error).__name__}: {said}" if said else type(error).__name__}


def _plain(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values that a table can hold; any other value would prevent writing the whole table.

    Raises:
        ValueError: If a value is not text, a Boolean, or a finite number.
        TypeError: If an integer has more than 64 bits, or a text has half of a surrogate pair.
    """
    plain: dict[str, Value] = {}
    for quantity, value in values.items():
        # Convert to the exact types: numpy's float64 is a float, but cannot be written as JSON.
        kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
        if kind is None:
            raise ValueError(f"{quantity} is a {type(value).__name__}, not text, a number, true or false")
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{quantity} is {value}, which is not a finite number")
        plain[quantity] = kind(value)
    orjson.dumps(plain)
    return plain
