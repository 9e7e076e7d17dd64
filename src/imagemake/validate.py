"""From pictures to measures: reads from each picture what was not read yet. Thresholds are applied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from imagemake.batch import Failure, Item
from imagemake.measures import Measure, measure_class
from imagemake.pictures.picture import Undecodable, open_picture
from imagemake.planning.verdict import UNDECODABLE_MEASURE, UNDECODABLE_QUANTITY, still_to_measure
from imagemake.store import DamagedError, Store
from imagemake.wanted.chosen import Chosen


def load_measures(chosen: Iterable[Chosen]) -> dict[str, Measure]:
    """Make the measures of a campaign, by identity."""
    loaded = {}
    for measure in chosen:
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
        The items in their order, with their measures; hostile bytes end as the measure ``file.undecodable``.
    """
    return [_validate(item, measures, store) for item in items]


def _validate(item: Item, measures: Mapping[str, Measure], store: Store) -> Item:
    missing = still_to_measure(list(measures), item.measures)
    if item.raw is None or not missing:
        return item
    try:
        picture = open_picture(store.raw.read(item.raw))
        values = {identity: dict(measures[identity].read(picture)) for identity in missing}
    except DamagedError as error:
        return replace(item, raw=None, failure=Failure("damaged", str(error)))
    except Undecodable as error:
        identity = next(name for name in measures if name.partition("@")[0] == UNDECODABLE_MEASURE)
        return replace(item, measures={identity: {UNDECODABLE_QUANTITY: str(error)}})
    return replace(item, measures={**item.measures, **values})
