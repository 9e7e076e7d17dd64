"""Writes a release: the finished images under their names, and all tables and reports about the requests."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagemake.plan.gates import next_stage
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.remember import remember
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.release.chunk_summary import Summary
from imagemake.release.contents import names_in_images, names_of_files, sheets_of
from imagemake.release.credentials.signing import signing_of
from imagemake.release.exports.write import Exports
from imagemake.release.figures import Figures
from imagemake.release.images_folder import note_images
from imagemake.release.manifest.chunks.chunk import Chunk, cut
from imagemake.release.manifest.chunks.kept import keep, sweep
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.chunks.sorted_rows import SortedRows
from imagemake.release.manifest.entries import Entries
from imagemake.release.manifest.sidecars import SCHEMA, write_sidecars
from imagemake.release.manifest.tables import columns_of, write_tables
from imagemake.release.metrics.metrics import write_metrics
from imagemake.release.missing import missing_counts
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing
from imagemake.release.record import exported_before, names_in, write_record
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.release.report.contact_sheet import Page, write_contact_sheet
from imagemake.release.report.thumbnails import ReleaseThumbnails
from imagemake.release.review_list import write_review_list
from imagemake.release.sheets.write import Sheets
from imagemake.release.short_names import ShortNames, Spellings
from imagemake.release.summary import closing_words, unsigned_words
from imagemake.release.unchanged import Look, look, look_at_all
from imagemake.store.layout import (
    ALL,
    EXPORTS,
    IMAGES,
    PAGE,
    SHEETS,
    chunks_folder,
    pieces_folder,
    released_file,
    results_folder,
)
from imagemake.store.store import Store
from imagemake.store.whole.shared_work import spend_tracker_of

PARTS = 256  # files of the record of released images
AT_ONCE = 1_000  # images whose XMP packets are in memory


@dataclass(slots=True)
class Release:
    """Writes one release.

    Attributes:
        target: The requests and the campaign.
        store: The store with the finished images.
        work: The folder of tables and thumbnails.
        states: The state of each request that was looked at as one; `write` looks it up.
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
        known = seen.states if seen.settling is None else None
        of_state = Entries(self.target, self.store, left_out, known, calls=seen.calls, also_about=seen.also_about)
        rows, sheets = self._rows(folder, of_state, seen)
        chunks, summaries = self._chunks(rows, seen, rows_folder)
        kept = keep(chunks, rows_folder)
        images = seen.images_with(rows, kept, campaign)
        figures = Figures(self.target, self.store, self.states, of_state.asked, of_state.rewrites)
        metrics = figures.of(chunks, summaries, seen.part.inventory)
        del of_state, rows  # they take much of the memory
        remember(self.target, seen.part, self.states, seen.stamps, kept if scope == ALL else None)
        self.n_settled, shown, names = seen.part.n_settled, seen.part.shown(self.states), seen.part.target.names
        models = seen.part.models(self.states)
        del seen.part
        for state in self.states:
            state.measured = {}
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
        images = write_record(
            self.target,
            self.states,
            self.store,
            self.work,
            self.unsigned,
            missing=missing,
            exports=exports,
            n_settled=self.n_settled,
            shown=shown,
            models=models,
            images=images,
        )
        note_images(self.work, scope, kept, images)
        self._pieces.sweep()
        sweep(chunks, kept, rows_folder)
        waiting = sum(state.stage is Stage.WAITING for state in self.states)
        then = next_stage(campaign, scope)
        told = closing_words(metrics, folder, len(sheets), waiting, list(exports), then=then)
        return "\n".join([told, *unsigned_words(self.unsigned)])

    def _rows(self, folder: Path, of_state: Entries, seen: Look) -> tuple[SortedRows, list[str]]:
        """Release the images of what needed a look, and return the rows, and the paths of the sheets in the folder.

        Some images are released at a time, since the XMP packets of many take much of the memory. Only sheets need all
        of them before the first row, since they can find an image damaged.
        """
        images, rows = folder / IMAGES, SortedRows()
        images.mkdir(parents=True, exist_ok=True)
        signing = signing_of(self.target.campaign, self.store)
        placing = Placing(self.store.finished, self.target.campaign.metadata, self._placed, signing)
        names = self._release_settled(images, rows, of_state, placing, seen)
        self.states = seen.states
        gone = self._gone(images, seen, names)
        for name in gone:
            (images / name).unlink(missing_ok=True)
        before: dict[str, dict[str, Released]] = {}
        for start in range(0, len(self.states), AT_ONCE):
            states = self.states[start : start + AT_ONCE]
            released = self._release_images(images, states, of_state, placing)
            if self.target.campaign.postprocess.sheets:
                before |= released
            else:
                rows.add_all(of_state.entry(state, released.get(state.request.name)) for state in states)
        if seen.files is None:
            self._placed.update(images / name for name in gone)
        else:
            self._placed.save()
        sheets = self._write_sheets(folder)
        if self.target.campaign.postprocess.sheets:
            rows.add_all(of_state.entry(state, before.get(state.request.name)) for state in self.states)
        return rows, sheets

    def _release_settled(
        self, images: Path, rows: SortedRows, of_state: Entries, placing: Placing, seen: Look
    ) -> ShortNames:
        """Release the images of settled requests that no release has rows of yet, and return the names of all files."""
        if seen.settling is None:
            return ShortNames()
        found, before = ShortNames(), Spellings(images)
        for states in seen.settled():
            names = names_in_images(self.target, states)
            for other in before.others(names):  # one file on some file systems
                other.unlink(missing_ok=True)
            released = self._release_images(images, states, of_state, placing)
            if any(state.stage is not Stage.DONE for state in states):
                raise NotRememberedError  # a finished image is damaged
            rows.add_all(of_state.entry(state, released.get(state.request.name)) for state in states)
            found.add_all(names)
        opened = [state.request for state in seen.states]
        rows.drop(request.name for request in opened)
        found.drop(names_of_files(self.target, opened))
        return found

    def _chunks(self, rows: SortedRows, seen: Look, folder: Path) -> tuple[list[Chunk], list[Summary]]:
        """Return the chunks of the release with what is known of each, but without their rows."""
        chunks, summaries = [], []
        for chunk in cut(rows, folder) if seen.before is None else seen.before.with_rows(list(rows)):
            chunks.append(chunk)
            summaries.append(Summary.of(chunk, self._pieces))
            chunk.forget()
        return chunks, summaries

    def _write_sidecars(self, chunks: Sequence[Chunk], folder: Path) -> None:
        metadata = self.target.campaign.metadata
        if metadata.sidecar == "json":
            write_sidecars(chunks, folder, self._pieces, with_prompt=metadata.prompt == "embed")
        else:
            (folder / SCHEMA).unlink(missing_ok=True)

    def _release_images(
        self, images: Path, states: Sequence[State], of_state: Entries, placing: Placing
    ) -> dict[str, dict[str, Released]]:
        """Release the finished images of some requests under their names. Reopen requests with damaged images.

        Returns:
            The files by request name and then by output.
        """
        wanted = {
            images / name: ReleaseFile(state, output)
            for state in states
            if state.stage is Stage.DONE
            for output, name in self.target.file_names.of(state.request).items()
        }
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
        return released

    def _gone(self, images: Path, seen: Look, settled: ShortNames) -> set[str]:
        """Return the names of the files that are no part of the release any more; `settled` has some that are."""
        expected = names_in_images(self.target, self.states)
        if seen.files is not None:
            others = seen.files
            return {one for one in names_in(images) if not (one in expected or one in others or one in settled)}
        return seen.dropped(with_sidecar=True) - expected

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
