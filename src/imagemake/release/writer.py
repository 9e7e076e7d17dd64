"""Writes a release: the finished images under their names, and all tables and reports about the requests."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagemake.core.files import write_whole
from imagemake.core.spreadsheet import safe_cell
from imagemake.plan.batches import policy_of
from imagemake.plan.inventory import Inventory
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.reviews import COLUMNS, REVIEWS, read_reviews
from imagemake.plan.settled.remember import remember
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.release.credentials.signing import signing_of
from imagemake.release.exports.write import Exports
from imagemake.release.kept_rows import KeptRow, keep_rows
from imagemake.release.manifest.entries import VERDICTS, Entries
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.manifest.sidecars import SCHEMA, write_sidecars
from imagemake.release.manifest.tables import write_manifest
from imagemake.release.metrics.agreement import agreement
from imagemake.release.metrics.forecast import RunTime, forecast
from imagemake.release.metrics.metrics import metrics_of, write_metrics
from imagemake.release.metrics.pace import pace_of
from imagemake.release.metrics.remedies import decided_by_people, remedies
from imagemake.release.missing import missing_counts
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing
from imagemake.release.record import exported_before, names_in, names_in_images, sheets_of, write_record
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.release.report.contact_sheet import write_contact_sheet
from imagemake.release.report.shown import reference_name
from imagemake.release.sheets.write import Sheets
from imagemake.release.summary import closing_words, unsigned_words
from imagemake.release.unchanged import Look, look
from imagemake.store.layout import (
    ALL,
    EXPORTS,
    IMAGES,
    PILOT,
    SHEETS,
    SMALL,
    results_folder,
    thumbnails_folder,
)
from imagemake.store.store import ContentStore, Store, StoredFile
from imagemake.store.thumbnails import ThumbnailCache, Thumbnails
from imagemake.store.whole.shared_work import spend_tracker_of


@dataclass(slots=True)
class Release:
    """Writes one release.

    Attributes:
        target: The requests and the campaign.
        store: The store with the finished images.
        work: The folder of tables and thumbnails.
        states: The state of each request; `write` looks it up.
        unsigned: Why a file could not be signed, by file name.
        unlooked: The finished images of requests that needed no look, by name.
    """

    target: Target
    store: Store
    work: Path
    states: list[State] = field(default_factory=list)
    unsigned: dict[str, str] = field(default_factory=dict)
    unlooked: Mapping[str, StoredFile] = field(default_factory=dict)
    _placed: ReleasedBefore = field(init=False)

    def __post_init__(self) -> None:
        """Remember which images were placed before."""
        self._placed = ReleasedBefore(self.work / "released" / f"{self.target.scope}.json")

    def write(self) -> str:
        """Write all files of the release, its record last, and return the message for the user."""
        folder = results_folder(self.target.scope)
        seen = look(self.target, self.store, self.work, self._placed)
        self.states = seen.states
        entries, sheets, metrics = self._gather(folder, seen)
        self._write_page(folder / "index.html", entries, metrics, sheets)
        self._write_review(folder / "review.csv")
        write_metrics(metrics, folder / "metrics.json")
        self._write_sidecars(entries, folder)
        write_manifest(
            entries,
            folder / "manifest.csv",
            folder / "manifest.parquet",
            outputs=self.target.campaign.postprocess.more_outputs,
            schema_path=folder / "manifest.schema.json",
            measures=self.target.campaign.validation.identities(),
        )
        missing = missing_counts(self.states, seen.names)
        exports = self._write_exports(folder, entries)
        write_record(
            self.target,
            self.states,
            self.store,
            self.work,
            self.unsigned,
            missing=missing,
            exports=exports,
            n_settled=seen.n_settled,
            shown=seen.shown,
        )
        waiting = sum(state.stage is Stage.WAITING for state in self.states)
        told = closing_words(metrics, folder, len(sheets), waiting, list(exports))
        return "\n".join([told, *unsigned_words(self.unsigned)])

    def _gather(self, folder: Path, seen: Look) -> tuple[list[ManifestRow], list[str], dict[str, Any]]:
        """Release images and sheets, and return the rows, the sheets, and the metrics.

        What was read for them is forgotten, since a large release has no room for it beside its tables.
        """
        left_out = spend_tracker_of(self.store.root, self.work, self.target.campaign.budget_usd).left_out()
        of_state = Entries(self.target, self.store, left_out, self.states, calls=seen.calls)
        released = self._release_images(folder, of_state, seen)
        sheets = self._write_sheets(folder)
        rows = sorted([*seen.kept, *self._rows(of_state, released)], key=lambda one: (one.row.catalog_row, one.place))
        entries = [one.row for one in rows]
        metrics = metrics_of(entries, of_state.asked, of_state.rewrites)
        asked_usd = None if metrics["asked_cost_unknown"] else metrics["cost_usd_judge"] + metrics["cost_usd_rewrite"]
        metrics |= self._forecast(entries, asked_usd)
        metrics |= {**self._judge(seen.part.inventory, of_state), **self._remedies(entries, of_state)}
        kept = keep_rows(rows, self.work) if self.target.scope == ALL else None
        remember(self.target, seen.part, self.states, seen.stamps, kept)
        self.unlooked = seen.forget()
        for state in self.states:
            state.measured = {}
        return entries, sheets, metrics

    def _rows(self, of_state: Entries, released: Mapping[str, Mapping[str, Released]]) -> Iterator[KeptRow]:
        """Yield the rows of the requests that needed a look."""
        places = Counter[int]()
        for state in self.states:
            entry = of_state.entry(state, released.get(state.request.name, {}))
            yield KeptRow(entry, places[entry.catalog_row], of_state.closed_at(state))
            places[entry.catalog_row] += 1

    def _judge(self, inventory: Inventory, of_state: Entries) -> dict[str, Any]:
        """Return what the judge cost, and how far it agrees with people; nothing if nobody is asked."""
        campaign = self.target.campaign
        if not campaign.validation.asked.askers:
            return {}
        asked = of_state.asked
        agreed = agreement(self.states, inventory, policy_of(campaign), read_reviews(REVIEWS))
        costs = {"calls": asked.calls, "cost_usd": float(asked.billed_usd), "cost_unknown": asked.cost_unknown}
        return {"judge": {**costs, **agreed}}

    def _write_page(
        self, path: Path, entries: Sequence[ManifestRow], metrics: Mapping[str, Any], sheets: Sequence[str]
    ) -> None:
        campaign = self.target.campaign
        write_contact_sheet(
            path,
            entries,
            metrics,
            title=campaign.report.title or campaign.campaign,
            thumbnails=self._thumbnails(),
            max_thumbnails=campaign.report.max_thumbnails,
            variables=list(campaign.variables),
            sheets=sheets,
        )

    def _write_sidecars(self, entries: Sequence[ManifestRow], folder: Path) -> None:
        metadata = self.target.campaign.metadata
        if metadata.sidecar == "json":
            write_sidecars(entries, folder, with_prompt=metadata.prompt == "embed")
        else:
            (folder / SCHEMA).unlink(missing_ok=True)

    def _remedies(self, entries: Sequence[ManifestRow], of_state: Entries) -> dict[str, Any]:
        """Return what each remedy came to; nothing if none followed a rejection."""
        tally = of_state.rewrites
        usd = None if tally.cost_unknown else float(tally.billed_usd)
        found = remedies(entries, usd, decided_by_people(self.states))
        return {"remedies": found} if found else {}

    def _forecast(self, entries: Sequence[ManifestRow], asked_usd: float | None) -> dict[str, Any]:
        """Return the forecast of the full run after a smaller run; otherwise nothing.

        Args:
            entries: The rows.
            asked_usd: What calls to judge and rewrite cost; None if that is unknown.
        """
        if self.target.scope not in (PILOT, SMALL):
            return {}
        campaign, raw = self.target.campaign, self.store.raw
        everything = self.target.everything
        known = {state.request.name: state.request for state in self.states}  # with what they are made from
        to_make = Counter(
            one.model or one.recipe.model
            for one in (known.get(one.name, one) for one in everything)
            if not any(raw.find(recipe.key()) for recipe in one.recipes)
        )
        paces = {label: pace for label, n in to_make.items() if (pace := pace_of(label, campaign, n))}
        made = Counter(entry.model_label or entry.model for entry in entries if entry.made and not entry.cached)
        began = datetime.fromisoformat(self.target.made_at)
        run = RunTime((datetime.now(UTC) - began).total_seconds(), made)
        found = forecast(entries, len(everything), to_make, paces, run, asked_usd=asked_usd)
        return {"forecast": found.as_dict() if found else None}

    def _release_images(self, folder: Path, of_state: Entries, seen: Look) -> Mapping[str, Mapping[str, Released]]:
        """Release every finished image under its names and remove all other files. Reopen requests with damaged images.

        Returns:
            The files by request name and then by output.
        """
        images = folder / IMAGES
        images.mkdir(parents=True, exist_ok=True)
        wanted = {
            images / name: ReleaseFile(state, output)
            for state in self.states
            if state.stage is Stage.DONE
            for output, name in self.target.file_names.of(state.request).items()
        }
        expected = names_in_images(self.target, self.states) | seen.kept_files()
        for name in names_in(images) - expected:
            (images / name).unlink()
        campaign = self.target.campaign
        placing = Placing(self.store.finished, campaign.metadata, self._placed, signing_of(campaign, self.store))
        released: dict[str, dict[str, Released]] = {}
        damaged: dict[str, State] = {}
        for path, one, result in placing.place_all(wanted, of_state.generated_at):
            if isinstance(result, Released):
                if result.unsigned is not None:
                    self.unsigned[path.name] = result.unsigned
                released.setdefault(one.state.request.name, {})[one.output] = result
            else:
                print(f"imagemake: {result}; run again to postprocess it again", file=sys.stderr)
                damaged[one.state.request.name] = one.state
        self._reopen(damaged, images)
        self._placed.save()
        return released

    def _reopen(self, damaged: Mapping[str, State], images: Path) -> None:
        """Remove all files of requests whose finished images are damaged."""
        for state in damaged.values():
            for name in names_in_images(self.target, [state]):
                (images / name).unlink(missing_ok=True)
            state.stage, state.finished, state.why = Stage.POSTPROCESS, None, RebuildReason.DAMAGED.because()

    def _write_sheets(self, folder: Path) -> list[str]:
        """Write the sheets of the released images, and return their paths in the release folder."""
        wanted = sheets_of(self.target, self.states)
        memory = ReleasedBefore(self.work / "released" / f"{self.target.scope}-sheets.json")
        sheets = Sheets(self.store.finished, folder / SHEETS, memory, xmp=self.target.campaign.metadata.xmp)
        damaged = sheets.write_all(wanted)
        self._reopen(damaged, folder / IMAGES)
        return [
            f"{SHEETS}/{name}"
            for name, (_, states) in wanted.items()
            if damaged.keys().isdisjoint(one.request.name for one in states)
        ]

    def _write_exports(self, folder: Path, entries: Sequence[ManifestRow]) -> dict[str, list[str]]:
        """Write the exports, and return the files of each."""
        before = exported_before(folder)
        if not before and not self.target.campaign.release.exports:
            return {}
        memory = ReleasedBefore(self.work / "released" / f"{self.target.scope}-exports.json", folder / EXPORTS)
        exports = Exports(folder, memory, self._placed)
        files = exports.write_all(entries, self.target.campaign, self.target.scope, before)
        self._placed.save()  # hard links changed when the images were last changed
        return files

    def _thumbnails(self) -> Thumbnails:
        finished = self.store.finished
        shown: dict[str, tuple[StoredFile, ContentStore]] = {n: (one, finished) for n, one in self.unlooked.items()}
        for state in self.states:
            name = state.request.name
            if state.finished:
                shown[name] = state.finished, finished
            elif state.raw:
                shown[name] = state.raw, self.store.raw
            for place, past in enumerate(state.past):
                if past.raw:
                    shown[f"{name}@{place}"] = past.raw, self.store.raw
        sent = {digest for state in self.states for digest in state.recipe.files}
        kept = self.store.references.index() if sent else {}
        for digest in sent & kept.keys():
            shown[reference_name(digest)] = kept[digest], self.store.references
        return Thumbnails(ThumbnailCache(thumbnails_folder(self.work)), shown)

    def _write_review(self, path: Path) -> None:
        # The same columns as config/reviews.csv, so that users can copy a row there and add their decision.
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, "name", "verdict", "reasons"])
        for state in self.states:
            if state.stage in (Stage.REVIEW, Stage.REJECTED):
                reasons = "; ".join(map(str, state.reasons))
                row = [state.key, *[""] * (len(COLUMNS) - 1), state.request.name, VERDICTS[state.stage], reasons]
                writer.writerow([safe_cell(cell) for cell in row])
        write_whole(path, text.getvalue().encode())
