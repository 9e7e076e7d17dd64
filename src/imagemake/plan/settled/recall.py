"""Finds out which rows need a look: those that changed, and those that were not settled. All others stand as before.

Whatever is not as it was remembered gives no answer, and the whole campaign is looked at. So a wrong answer needs two
different contents with one digest, and what is remembered can be deleted at any time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imagemake import __version__
from imagemake.core.fingerprint import fingerprint
from imagemake.plan.reviews import REVIEWS, read_reviews
from imagemake.plan.settled.contents import (
    MOST_OPEN,
    VERSION,
    journal_index,
    review_section,
    settled_file,
    table,
    table_stamps,
)
from imagemake.plan.settled.decides import looks_at_rows_alone, what_decides
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.part_inventory import PartInventory
from imagemake.plan.settled.rows import Settled
from imagemake.plan.settled.sections import read_sections, short_hex
from imagemake.plan.target import Target
from imagemake.store.layout import ALL
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions


def recall(target: Target, store: Store, work: Path) -> Part | None:
    """Return the part of a target that needs a look; None if all of it does, or if nothing is remembered."""
    if target.scope != ALL or not looks_at_rows_alone(target.campaign) or not settled_file(work).exists():
        return None
    found = read_sections(settled_file(work))
    if found is None or found[0].get("version") != VERSION:
        return None
    head, sections = found
    tables, journal = table_stamps(work, store), journal_index(store, work)
    same = (
        head["columns"] == list(target.catalog.records.columns),
        head["decides"] == fingerprint([__version__, what_decides(target.campaign)]),
        all(tables.get(path) == stamp for path, stamp in head["tables"].items()),
        target.files.hold(head["references"]),
        journal.is_usable,
        not [*Submissions(store.root).all()],
    )
    if not all(same):
        return None
    reviewed = set(review_section(read_reviews(REVIEWS)).tolist()) ^ set(table("reviews", sections["reviews"]).tolist())
    news = {short_hex(key) for key in journal.new_keys()} | {key for key, _ in reviewed}
    settled = Settled(head, sections, target, news)
    places = settled.open_places
    if not 0 < len(places) <= MOST_OPEN * settled.n_rows or not settled.has_files(store):
        return None
    new = [path for path in tables if path not in head["tables"]]
    if any(path.startswith(f"{store.measures_folder}/") for path in new):
        return None
    inventory = PartInventory(store, work, settled, new, journal)
    rows = target.catalog.only({int(settled.numbers[place]) for place in places})
    return Part(replace(target, some_rows=rows), inventory, places, settled, frozenset(head["tables"]))
