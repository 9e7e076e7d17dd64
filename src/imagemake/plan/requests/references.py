"""Reference images and masks: the files of each row, by the campaign's templates or the row's own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagemake.images.source_files import BadSourceImageError, SourceImages
from imagemake.plan.requests.wording import Columns, Report, Wording

REFERENCES = "references"
MASK = "mask"
SEPARATOR = ";"


class Attached(NamedTuple):
    """What is sent with a prompt.

    Attributes:
        references: Paths of the reference images, in order.
        digests: SHA-256 of the content of each.
        mask: Path of the mask.
        mask_digest: SHA-256 of its content.
    """

    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    mask: str | None = None
    mask_digest: str | None = None


NOTHING = Attached()


@dataclass(frozen=True, slots=True)
class _Named:
    """A path and its source: the column that decides it, the campaign's key, or both for a template."""

    path: str
    column: str = ""
    key: str = ""


class References:
    """Finds the files of each row.

    Args:
        references: The campaign's templates of paths.
        mask: The campaign's template of the mask's path.
        columns: The columns that placeholders can name.
        files: Looks up images.
        report_key: Called with each mistake in a key of the campaign that does not depend on the row.
    """

    def __init__(
        self, references: Sequence[str], mask: str | None, columns: Columns, files: SourceImages, report_key: Report
    ) -> None:
        self._columns, self._files, self._report_key = columns, files, report_key
        self._references = [Wording.read(f"{REFERENCES}[{i}]", text, columns) for i, text in enumerate(references)]
        self._mask = [Wording.read(MASK, mask, columns)] if mask else []
        self.wordings = (*self._references, *self._mask)
        used = {name for wording in self.wordings for name in wording.template.fields}
        # As with prompts, a column that a template uses is a value like any other.
        self._own = {name: name in columns.known and name not in used for name in (REFERENCES, MASK)}
        self._is_absent = not self.wordings and not any(self._own.values())
        decide = used & set(columns.known) | {name for name, is_own in self._own.items() if is_own}
        self._decide = tuple(name for name in columns.known if name in decide)
        self._known: dict[tuple[str, ...], Attached] = {}

    def of(self, values: Mapping[str, str], report: Report) -> Attached:
        """Return the files of a row; after a reported mistake, they must not be used."""
        if self._is_absent:
            return NOTHING
        chosen = tuple([values[name] for name in self._decide])
        attached = self._known.get(chosen)  # thousands of rows may share their files
        if attached is None:
            attached = self._look_up(values, report)
            if attached is None:
                return NOTHING
            self._known[chosen] = attached
        return attached

    def _named(
        self, column: str, wordings: Sequence[Wording], values: Mapping[str, str], report: Report
    ) -> list[_Named] | None:
        if self._own[column] and (cell := values[column]):
            parts = [cell] if column == MASK else [part.strip() for part in cell.split(SEPARATOR)]
            return [_Named(part, column) for part in parts if part]
        named = []
        for wording in wordings:
            if wording.unknown or wording.report_empty(values, self._columns, report):
                return None
            fields = wording.template.fields
            decides = next((name for name in fields if name not in self._columns.may_be_empty), next(iter(fields), ""))
            named.append(_Named(wording.template.render(values).strip(), decides, wording.use))
        return named

    def _look_up(self, values: Mapping[str, str], report: Report) -> Attached | None:
        named = self._named(REFERENCES, self._references, values, report)
        masks = self._named(MASK, self._mask, values, report)
        if named is None or masks is None:
            return None
        digests = [self._digest(one, report) for one in named]
        mask_digests = [self._digest(one, report) for one in masks]
        if masks and not named and None not in mask_digests:
            what = f"there is a mask, {masks[0].path!r}, but no reference image for it."
            self._report(masks[0], what, f"Name the image under {REFERENCES}, or remove the mask.", report)
            return None
        if None in digests or None in mask_digests:
            return None
        return Attached(
            references=tuple(one.path for one in named),
            digests=tuple(digest for digest in digests if digest),
            mask=masks[0].path if masks else None,
            mask_digest=mask_digests[0] if masks else None,
        )

    def _digest(self, named: _Named, report: Report) -> str | None:
        try:
            return self._files.get(named.path).digest
        except BadSourceImageError as error:
            self._report(named, error.what, error.remedy, report)
            return None

    def _report(self, named: _Named, what: str, remedy: str, report: Report) -> None:
        if not named.column:
            self._report_key(named.key, what, remedy)
        elif named.key:
            report(named.column, f"in {named.key} of {self._columns.config}, {what}", remedy)
        else:
            report(named.column, f"in column {named.column!r}, {what}", remedy)
