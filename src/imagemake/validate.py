"""From pictures to measures: reads from each picture what was not read yet. Thresholds are applied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import orjson

from imagemake.batch import Failure, Item
from imagemake.measures import Measure, Value, install_command, measure_class, packages_missing
from imagemake.pictures.picture import Picture, Undecodable, open_picture
from imagemake.planning.verdict import FAILED_QUANTITY, UNDECODABLE_MEASURE, UNDECODABLE_QUANTITY, still_to_measure
from imagemake.problems import Problem, UserError
from imagemake.store import DamagedError, Store
from imagemake.wanted.chosen import Chosen

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


def _validate(item: Item, measures: Mapping[str, Measure], store: Store) -> Item:
    missing = still_to_measure(list(measures), item.measures)
    if item.raw is None or not missing:
        return item
    try:
        picture = open_picture(store.raw.read(item.raw))
    except DamagedError as error:
        return replace(item, raw=None, failure=Failure("damaged", str(error)))
    except Undecodable as error:
        identity = next(name for name in measures if name.partition("@")[0] == UNDECODABLE_MEASURE)
        return replace(item, measures={identity: {UNDECODABLE_QUANTITY: str(error)}})
    values = {identity: _read(measures[identity], picture) for identity in missing}
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
