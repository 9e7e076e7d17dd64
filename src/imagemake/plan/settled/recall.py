"""Finds out which rows need a look: those that changed, and those that were not settled. All others stand as before.

Whatever is not as it was remembered gives no answer, and the whole campaign is looked at. So a wrong answer needs two
different contents with one digest, and what is remembered can be deleted at any time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imagemake import __version__
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import UserError
from imagemake.plan.requests.expand import requests_unchecked
from imagemake.plan.requests.model_files import are_as_before
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
from imagemake.plan.settled.decides import is_remembered, what_decides
from imagemake.plan.settled.groups import Groups
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.part_inventory import PartInventory
from imagemake.plan.settled.rows import Settled
from imagemake.plan.settled.rules import needs_rows
from imagemake.plan.settled.sections import read_sections, short_hex
from imagemake.plan.target import Target
from imagemake.store.kept_measures import kept_here
from imagemake.store.layout import ALL
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions


def recall(target: Target, store: Store, work: Path) -> Part | None:
    """Return the part of a target that needs a look; None if all of it does, or if nothing is remembered.

    Raises:
        UserError: If the catalog has mistakes.
    """
    found = read_sections(settled_file(work)) if target.scope == ALL and is_remembered(target.campaign) else None
    if found is None or found[0].get("version") != VERSION:
        return None
    head, sections = found
    tables, journal = table_stamps(work, store), journal_index(store, work)
    new, known = [path for path in tables if path not in head["tables"]], kept_here(work)
    same = (
        head["columns"] == list(target.catalog.records.columns),
        head["decides"] == fingerprint([__version__, what_decides(target.campaign)]),
        all(tables.get(path) == stamp for path, stamp in head["tables"].items()),
        all(Path(path).name in known for path in new if path.startswith(f"{store.measures_folder}/")),
        target.files.hold(head["references"]),
        are_as_before(head["models"], target.campaign),
        journal.is_usable,
        not [*Submissions(store.root).all()],
    )
    if not all(same):
        return None
    reviewed = set(review_section(read_reviews(REVIEWS)).tolist()) ^ set(table("reviews", sections["reviews"]).tolist())
    news = {short_hex(key) for key in journal.new_keys()} | {key for key, _ in reviewed}
    settled = Settled(head, sections, target.catalog.records, news)
    part = opened(target, settled) if settled.has_files(store) else None
    if part is None:
        return None
    inventory = PartInventory(store, work, settled, new, journal)
    return Part(part, inventory, settled.open_places, settled, frozenset(head["tables"]))


def opened(target: Target, settled: Settled) -> Target | None:
    """Open the groups of rows that need a look, and return their part of a target; None if only all rows tell."""
    most = MOST_OPEN * settled.n_rows
    if not 0 < len(settled.open_places) <= most:
        return None
    part, groups = _part(target, settled), Groups(target.campaign)
    new = requests_unchecked(target.campaign, part.rows, target.files)
    n_open = len(settled.open_places)
    settled.open_groups({group for request in new for group in groups.of(request)})
    if len(settled.open_places) > most:
        return None
    if len(settled.open_places) > n_open:
        part = _part(target, settled)
    try:
        _ = part.everything, part.names
    except UserError:
        if needs_rows(target.campaign, settled.head["columns"]):
            return None
        raise
    return part


def _part(target: Target, settled: Settled) -> Target:
    numbers = settled.numbers[settled.open_places].tolist()
    return replace(target, some_rows=target.catalog.only(frozenset(numbers)))
