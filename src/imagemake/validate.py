"""From pictures to measures: reads from each picture what was not read yet. Thresholds are applied elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from types import MappingProxyType

import orjson

from imagemake.batch import Failure, Item, table_bytes
from imagemake.measures import Measure, Value, install_command, measure_class, packages_missing
from imagemake.pictures.picture import Picture, Undecodable, open_picture
from imagemake.planning.verdict import FAILED_QUANTITY, UNDECODABLE_MEASURE, UNDECODABLE_QUANTITY, still_to_measure
from imagemake.problems import Problem, UserError, exit_on_mistakes
from imagemake.store import DamagedError, Store
from imagemake.surviving import Fatal, Work, do_all
from imagemake.wanted.chosen import Chosen

OPENING = 0  # the step before the first measure's
MOST_SAID = 200  # letters of an exception's message that are kept


def load_measures(chosen: Iterable[Chosen]) -> dict[str, Measure]:
    """Make the measures of a campaign, by identity.

    Raises:
        UserError: If a package that one of them needs is not installed where this job runs.
    """
    import cv2

    cv2.setNumThreads(1)  # jobs run side by side, each on a core of its own
    loaded = {}
    for measure in chosen:
        if missing := ", ".join(packages_missing(measure.name)):
            what = f"measure {measure.name!r} needs packages that are not installed here: {missing}."
            raise UserError(Problem("validation", what, f"Install them: {install_command(measure.name)}"))
        kind = measure_class(measure.name)
        loaded[measure.identity] = kind(kind.Settings.model_validate(measure.settings))
    return loaded


def validate_batch(items: Sequence[Item], measures: Mapping[str, Measure], store: Store) -> list[Item]:
    """Measure a batch's pictures.

    Args:
        items: With their raw pictures; those without one pass through.
        measures: By identity.
        store: Where the pictures are.

    Returns:
        The items in their order, with their measures; hostile bytes end as the measure ``file.undecodable``, and a
        measure that fails on a picture as its quantity ``failed``, which says why.
    """
    return [_validate(item, measures, store) for item in items]


def validate_apart(items: Sequence[Item], chosen: Sequence[Chosen], store: Store) -> list[Item]:
    """Measure a batch's pictures in a process of its own, so that a crash in a library costs only what crashes.

    Args:
        items: As for `validate_batch`.
        chosen: The measures.
        store: Where the pictures are.

    Returns:
        As `validate_batch`; what ends the process twice is undecodable, or a measure that failed.

    Raises:
        SystemExit: If a measure's package is not installed here, or the process cannot go on; said on standard error.
    """
    identities = [measure.identity for measure in chosen]
    todo = [item for item in items if item.raw is not None and still_to_measure(identities, item.measures)]

    def make_work() -> Work:
        with exit_on_mistakes():
            measures = load_measures(chosen)
        return lambda number, fatal, at: table_bytes([_validate(todo[number], measures, store, fatal, at)])[:-1]

    done = dict(zip(map(id, todo), do_all(len(todo), make_work), strict=True))
    return [Item.from_dict(orjson.loads(done[id(item)])) if id(item) in done else item for item in items]


def _validate(
    item: Item,
    measures: Mapping[str, Measure],
    store: Store,
    fatal: Fatal = MappingProxyType({}),
    at: Callable[[int], None] = lambda step: None,
) -> Item:
    missing = still_to_measure(list(measures), item.measures)
    if item.raw is None or not missing:
        return item
    try:
        at(OPENING)
        if OPENING in fatal:
            raise Undecodable(f"decoding it ended the process, twice ({fatal[OPENING]})")
        picture = open_picture(store.raw.read(item.raw))
    except DamagedError as error:
        return replace(item, raw=None, failure=Failure("damaged", str(error)))
    except Undecodable as error:
        identity = next(name for name in measures if name.partition("@")[0] == UNDECODABLE_MEASURE)
        return replace(item, measures={identity: {UNDECODABLE_QUANTITY: str(error)}})
    values = {}
    for step, identity in enumerate(missing, start=OPENING + 1):
        at(step)
        ended = f"it ended the process, twice ({fatal[step]})" if step in fatal else None
        values[identity] = {FAILED_QUANTITY: ended} if ended else _read(measures[identity], picture)
    return replace(item, measures={**item.measures, **values})


def _read(measure: Measure, picture: Picture) -> dict[str, Value]:
    # Measures are plug-ins and run on what nobody vouches for. Whatever one of them raises is about this one picture:
    # the others of the batch, and the other measures of this one, must not be lost with it.
    try:
        return _plain(measure.read(picture))
    except Exception as error:
        said = " ".join(str(error).split())[:MOST_SAID]
        return {FAILED_QUANTITY: f"{type(error).__name__}: {said}" if said else type(error).__name__}


def _plain(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return what a table can hold; a value that it cannot hold would stop the writing of all others.

    Raises:
        ValueError: If a value is none of the four kinds, or not a finite number.
        TypeError: If a whole number has more than 64 bits, or a text half of a surrogate pair.
    """
    plain: dict[str, Value] = {}
    for quantity, value in values.items():
        # To the very types: numpy's float64 is a float, and no JSON writer takes it.
        kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
        if kind is None:
            raise ValueError(f"{quantity} is a {type(value).__name__}, not text, a number, true or false")
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{quantity} is {value}, which is no number")
        plain[quantity] = kind(value)
    orjson.dumps(plain)
    return plain
