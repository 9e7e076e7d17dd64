"""Writes a release: the finished images under their names, and all tables and reports about the requests."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagemake.plan.batches import policy_of
from imagemake.plan.inventory import Inventory
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.reviews import REVIEWS, read_reviews
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.remember import remember
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.release.chunk_summary import Summary
from imagemake.release.credentials.signing import signing_of
from imagemake.release.exports.write import Exports
from imagemake.release.images_folder import note_images
from imagemake.release.manifest.chunks.chunk import Chunk, cut
from imagemake.release.manifest.chunks.kept import keep, sweep
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.chunks.sorted_rows import SortedRows
from imagemake.release.manifest.entries import Entries
from imagemake.release.manifest.sidecars import SCHEMA, files_of, write_sidecars
from imagemake.release.manifest.tables import columns_of, write_tables
from imagemake.release.metrics.agreement import agreement
from imagemake.release.metrics.forecast import RunTime, forecast
from imagemake.release.metrics.metrics import metrics_of_sums, write_metrics
from imagemake.release.metrics.pace import pace_of
from imagemake.release.metrics.remedies import RemedySums, remedies_of
from imagemake.release.metrics.sums import Sums, label_of
from imagemake.release.missing import missing_counts
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing
from imagemake.release.record import exported_before, names_in, names_in_images, sheets_of, write_record
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.release.report.contact_sheet import Page, write_contact_sheet
from imagemake.release.report.thumbnails import ReleaseThumbnails
from imagemake.release.review_list import write_review_list
from imagemake.release.sheets.write import Sheets
from imagemake.release.summary import closing_words, unsigned_words
from imagemake.release.unchanged import Look, look, look_at_all
from imagemake.store.layout import (
    ALL,
    EXPORTS,
    IMAGES,
    PAGE,
    PILOT,
    SHEETS,
    SMALL,
    chunks_folder,
    pieces_folder,
    released_file,
    results_folder,
)
from imagemake.store.store import Store
from imagemake.store.whole.shared_work import spend_tracker_of

PARTS = 256  # files of the record of released images


@dataclass(slots=True)
class Release:
    """Writes one release.

    Attributes:
        target: The requests and the campaign.
        store: The store with the finished images.
        work: The folder of tables and thumbnails.
        states: The state of each request that needed a look; `write` looks it up.
        unsigned: Why a file could not be signed, by file name.
        n_settled: Number of the other requests.
    """

    target: Target
    store: Store
    work: Path
    states: list[State] = field(default_factory=list)
    unsigned: dict[str, str] = field(default_factory=dict)
    n_settled: int = 0
    _placed: ReleasedBefore = field(init=False)
    _pieces: Pieces = field(init=False)

    def write(self) -> str:
        """Write all files of the release, its record last, and return the message for the user."""
        self._begin()
        try:
            return self._write(look(self.target, self.store, self.work, self._placed))
        except NotRememberedError:  # something that must be read is missing or damaged
            self._begin()
            return self._write(look_at_all(self.target, self.store, self.work))

    def _begin(self) -> None:
        scope = self.target.scope
        self._placed = ReleasedBefore(released_file(self.work, scope), n_parts=PARTS)
        self._pieces = Pieces(pieces_folder(self.work, scope))
        self.states, self.unsigned, self.n_settled = [], {}, 0

    def _write(self, seen: Look) -> str:
        scope, campaign = self.target.scope, self.target.campaign
        folder, rows_folder = results_folder(scope), chunks_folder(self.work, scope)
        left_out = spend_tracker_of(self.store.root, self.work, campaign.budget_usd).left_out()
        self.states = [state for group in seen.groups for state in group]
        of_state = Entries(self.target, self.store, left_out, self.states, calls=seen.calls)
        released = self._release_images(folder, of_state, seen)
        sheets = self._write_sheets(folder)
        chunks, summaries = self._chunks(seen, of_state, released, rows_folder)
        kept = keep(chunks, rows_folder)
        metrics = self._metrics(seen, of_state, chunks, summaries)
        remember(self.target, seen.part, self.states, seen.stamps, kept if scope == ALL else None)
        self.n_settled, shown, names = seen.part.n_settled, seen.part.shown(self.states), seen.part.target.names
        page = Page(
            title=campaign.report.title or campaign.campaign,
            metrics=metrics,
            thumbnails=ReleaseThumbnails(self.store, self.work, campaign),
            max_thumbnails=campaign.report.max_thumbnails,
            variables=list(campaign.variables),
            sheets=sheets,
        )
        write_contact_sheet(folder / PAGE, chunks, [one.facts for one in summaries], page, self._pieces)
        write_review_list(folder / "review.csv", (one.reviews for one in summaries))
        write_metrics(metrics, folder / "metrics.json")
        self._write_sidecars(chunks, folder)
        write_tables(
            chunks,
            columns_of((one.found for one in summaries), campaign.postprocess.more_outputs),
            self._pieces,
            folder / "manifest.csv",
            folder / "manifest.parquet",
            schema_path=folder / "manifest.schema.json",
            measures=campaign.validation.identities(),
        )
        missing = missing_counts(self.states, names)
        exports = self._write_exports(folder, chunks)
        write_record(
            self.target,
            self.states,
            self.store,
            self.work,
            self.unsigned,
            missing=missing,
            exports=exports,
            n_settled=self.n_settled,
            shown=shown,
        )
        note_images(self.work, scope, kept)
        self._pieces.sweep()
        sweep(chunks, kept, rows_folder)
        waiting = sum(state.stage is Stage.WAITING for state in self.states)
        told = closing_words(metrics, folder, len(sheets), waiting, list(exports))
        return "\n".join([told, *unsigned_words(self.unsigned)])

    def _chunks(
        self, seen: Look, of_state: Entries, released: Mapping[str, Mapping[str, Released]], folder: Path
    ) -> tuple[list[Chunk], list[Summary]]:
        """Return the chunks of the release with what is known of each, but without their rows."""
        rows = SortedRows()
        for state in self.states:
            rows.add(of_state.entry(state, released.get(state.request.name, {})))
        chunks, summaries = [], []
        for chunk in cut(rows, folder) if seen.before is None else seen.before.with_rows(list(rows)):
            chunks.append(chunk)
            summaries.append(Summary.of(chunk, self._pieces))
            chunk.forget()
        return chunks, summaries

    def _metrics(
        self, seen: Look, of_state: Entries, chunks: Sequence[Chunk], summaries: Sequence[Summary]
    ) -> dict[str, Any]:
        sums, remedies, cached = Sums(), RemedySums(), Counter[str]()
        for chunk, summary in zip(chunks, summaries, strict=True):
            sums.add(summary.sums)
            for name, counts in summary.remedies.items():
                remedies.setdefault(name, Counter()).update(counts)
            existed = summary.sums.cached(self.target.made_at)
            cached.update(existed if existed is not None else summary.sums.cached(self.target.made_at, chunk.rows()))
            chunk.forget()
        metrics = metrics_of_sums(sums, cached, of_state.asked, of_state.rewrites)
        asked_usd = None if metrics["asked_cost_unknown"] else metrics["cost_usd_judge"] + metrics["cost_usd_rewrite"]
        metrics |= self._forecast(chunks, asked_usd)
        return metrics | self._judge(seen.part.inventory, of_state) | self._remedies(remedies, of_state)

    def _judge(self, inventory: Inventory, of_state: Entries) -> dict[str, Any]:
        """Return what the judge cost, and how far it agrees with people; nothing if nobody is asked."""
        campaign = self.target.campaign
        if not campaign.validation.asked.askers:
            return {}
        asked = of_state.asked
        agreed = agreement(self.states, inventory, policy_of(campaign), read_reviews(REVIEWS))
        costs = {"calls": asked.calls, "cost_usd": float(asked.billed_usd), "cost_unknown": asked.cost_unknown}
        return {"judge": {**costs, **agreed}}

    def _write_sidecars(self, chunks: Sequence[Chunk], folder: Path) -> None:
        metadata = self.target.campaign.metadata
        if metadata.sidecar == "json":
            write_sidecars(chunks, folder, self._pieces, with_prompt=metadata.prompt == "embed")
        else:
            (folder / SCHEMA).unlink(missing_ok=True)

    def _remedies(self, sums: RemedySums, of_state: Entries) -> dict[str, Any]:
        """Return what each remedy came to; nothing if none followed a rejection."""
        tally = of_state.rewrites
        usd = None if tally.cost_unknown else float(tally.billed_usd)
        found = remedies_of(sums, usd)
        return {"remedies": found} if found else {}

    def _forecast(self, chunks: Sequence[Chunk], asked_usd: float | None) -> dict[str, Any]:
        """Return the forecast of the full run after a smaller run; otherwise nothing.

        Args:
            chunks: The rows.
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
        rows = [row for chunk in chunks for row in chunk.rows()]
        new = (row for row in rows if row.made and (row.raw_digest is None or row.closed_at >= self.target.made_at))
        made = Counter(map(label_of, new))
        began = datetime.fromisoformat(self.target.made_at)
        run = RunTime((datetime.now(UTC) - began).total_seconds(), made)
        found = forecast(rows, len(everything), to_make, paces, run, asked_usd=asked_usd)
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
        gone = self._gone(images, seen)
        for name in gone:
            (images / name).unlink(missing_ok=True)
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
        if seen.files is None:
            self._placed.update(images / name for name in gone)
        else:
            self._placed.save()
        return released

    def _gone(self, images: Path, seen: Look) -> set[str]:
        """Return the names of the files that are no part of the release any more."""
        expected = names_in_images(self.target, self.states)
        if seen.files is not None:
            return names_in(images) - expected - seen.files
        assert seen.before is not None
        return {name for row in seen.before.dropped() for name in files_of(row, with_sidecar=True)} - expected

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

    def _write_exports(self, folder: Path, chunks: Sequence[Chunk]) -> dict[str, list[str]]:
        """Write the exports, and return the files of each."""
        before = exported_before(folder)
        if not before and not self.target.campaign.release.exports:
            return {}
        memory = ReleasedBefore(self.work / "released" / f"{self.target.scope}-exports.json", folder / EXPORTS)
        exports = Exports(folder, memory, self._placed)
        places = {state.request.name: place for place, state in enumerate(self.states)}
        rows = sorted((row for chunk in chunks for row in chunk.rows()), key=lambda row: places[row.name])
        files = exports.write_all(rows, self.target.campaign, self.target.scope, before)
        self._placed.update()  # hard links changed when the images were last changed
        return files
