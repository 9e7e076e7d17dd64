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
from imagemake.plan.settled.contents import MOST_OPEN, VERSION, journal_index, settled_file, table_stamps
from imagemake.plan.settled.decides import looks_at_rows_alone, what_decides
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.part_inventory import PartInventory
from imagemake.plan.settled.rows import Settled
from imagemake.plan.settled.sections import read_sections
from imagemake.plan.target import Target
from imagemake.store.layout import ALL
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions


def recall(target: Target, store: Store, work: Path) -> Part | None:
    """Return the part of a target that needs a look; None if all of it does, or if nothing is remembered."""
    if target.scope != ALL or not looks_at_rows_alone(target.campaign) or not settled_file(work).exists():
        return None
    found = read_sections(settled_file(work))
    if found is None or found[0].get("version") != VERSION or not target.rows:
        return None
    head, sections = found
    tables, journal = table_stamps(work, store), journal_index(store, work)
    same = (
        head["columns"] == list(target.rows[0].values),
        head["decides"] == fingerprint([__version__, what_decides(target.campaign)]),
        all(tables.get(path) == stamp for path, stamp in head["tables"].items()),
        journal.is_usable,
        not [*Submissions(store.root).all()],
    )
    if not all(same):
        return None
    settled = Settled(head, sections, target, journal.new_keys() | read_reviews(REVIEWS).keys())
    rows = settled.open_rows()
    if not 0 < len(rows) <= MOST_OPEN * len(target.rows) or not settled.has_files(store):
        return None
    new = [path for path in tables if path not in head["tables"]]
    if any(path.startswith(f"{store.measures_folder}/") for path in new):
        return None
    inventory = PartInventory(store, work, settled, new, journal)
    part = replace(target, rows=[target.rows[place] for place in rows])
    return Part(part, inventory, rows, settled, frozenset(head["tables"]))
