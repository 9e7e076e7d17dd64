"""What is handed over: finished pictures under their names, and what there is to know about every request."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagemake.budget import Purse
from imagemake.files import link_or_copy, write_whole
from imagemake.pictures.thumbnail_cache import ThumbnailCache, Thumbnails
from imagemake.planning.inventory import Inventory
from imagemake.planning.order import Order
from imagemake.planning.plan import file_name_of
from imagemake.planning.reviews import COLUMNS
from imagemake.planning.settle import Stage, State
from imagemake.problems import Problem, UserError
from imagemake.release.entries import VERDICTS, Entries
from imagemake.release.manifest import Entry, write_manifest
from imagemake.release.metrics import metrics_of, write_metrics
from imagemake.release.record import folder_of, write_record
from imagemake.release.report.sheet import write_contact_sheet
from imagemake.release.spreadsheet import safe_cell
from imagemake.store import Held, Store


@dataclass(slots=True)
class Release:
    """Writes one release.

    Attributes:
        order: What is wanted.
        store: Where finished pictures are.
        work: The folder of tables and thumbnails.
        states: Where each request stands; looked up when it is written.
    """

    order: Order
    store: Store
    work: Path
    states: list[State] = field(default_factory=list)

    def write(self) -> str:
        """Write it all, the record of what it was made of last, and return what to tell the user."""
        self.states = self.order.states(Inventory(self.store, self.work))
        folder = folder_of(self.order.scope)
        self._link_pictures(folder / "images")
        left_out = Purse(self.work / "purse.json", self.order.campaign.budget_usd).left_out()
        of_state = Entries(self.order, self.store, left_out)
        entries = [of_state.entry(state) for state in self.states]
        metrics = metrics_of(entries)
        report = self.order.campaign.report
        write_contact_sheet(
            folder / "index.html",
            entries,
            metrics,
            title=report.title or self.order.campaign.campaign,
            thumbnails=self._thumbnails(),
            most_thumbnails=report.most_thumbnails,
            variables=list(self.order.campaign.variables),
        )
        self._write_review(folder / "review.csv")
        write_metrics(metrics, folder / "metrics.json")
        write_manifest(entries, folder / "manifest.csv", folder / "manifest.parquet")
        write_record(self.order, self.states, self.store, self.work)
        return closing_words(entries, folder)

    def _link_pictures(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {}
        for state in self.states:
            if state.stage is Stage.DONE and state.finished is not None:
                wanted[file_name_of(self.order.campaign, state.request)] = self.store.finished.path(state.finished)
        for path in folder.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, source in wanted.items():
            target = folder / name
            if not (target.exists() and _is_same(target, source)):
                link_or_copy(source, target)

    def _thumbnails(self) -> Thumbnails:
        shown: dict[str, tuple[Held, Path]] = {}
        for state in self.states:
            name = state.request.name
            if state.finished:
                shown[name] = state.finished, self.store.finished.path(state.finished)
            elif state.raw:
                shown[name] = state.raw, self.store.raw.path(state.raw)
            for past in state.past:
                if past.raw:
                    shown[f"{name}@{past.attempt}"] = past.raw, self.store.raw.path(past.raw)
        return Thumbnails(ThumbnailCache(self.work / "thumbnails"), shown)

    def _write_review(self, path: Path) -> None:
        # The columns of config/reviews.csv, so that a row can be copied there and decided.
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, "name", "verdict", "reasons"])
        for state in self.states:
            if state.stage in (Stage.REVIEW, Stage.REJECTED):
                reasons = "; ".join(map(str, state.reasons))
                row = [state.key, "", "", "", "", state.request.name, VERDICTS[state.stage], reasons]
                writer.writerow([safe_cell(cell) for cell in row])
        write_whole(path, text.getvalue().encode())


def link_one(order: Order, target: Path, store: Store, work: Path) -> None:
    """Put one finished picture under its name.

    Raises:
        UserError: If there is none, with the reason.
    """
    (state,) = order.states(Inventory(store, work))
    if state.finished is None or state.stage is not Stage.DONE:
        reasons = "; ".join(map(str, state.reasons)) or state.why
        remedy = "Edit its row or the prompt, or decide about it in config/reviews.csv."
        raise UserError(Problem(str(target), f"there is no such picture ({state.stage.value}: {reasons})", remedy))
    link_or_copy(store.finished.path(state.finished), target)


def closing_words(entries: Sequence[Entry], folder: Path) -> str:
    """Say what is in a release, what is missing and why, and what to do about it."""
    n = dict.fromkeys(("accepted", "review", "rejected", "refused", "failed", "pending"), 0)
    for entry in entries:
        n[entry.verdict] += 1
    made = f"{n['accepted']:,} of {len(entries):,} pictures are in {folder}/images/"
    lines = [f"imagemake: {made}; see {folder}/index.html"]
    todo = {
        "review": f"wait for a person: copy their rows from {folder}/review.csv to config/reviews.csv and decide",
        "rejected": f"were rejected in every attempt: see {folder}/review.csv; edit their prompts, or approve them",
        "refused": "were refused by the provider: edit their prompts, or give attempts.patches one for 'refused'",
        "failed": "failed: run again to try again",
        "pending": "were left as they are; the manifest says why",
    }
    lines += [f"  {n[verdict]:>7,} {words}" for verdict, words in todo.items() if n[verdict]]
    return "\n".join(lines)


def _is_same(target: Path, source: Path) -> bool:
    one, other = target.stat(), source.stat()
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    return one.st_size == other.st_size and target.read_bytes() == source.read_bytes()
