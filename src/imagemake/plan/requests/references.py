"""Reference images and masks: those of each row, by the campaign's templates or the row's own cells.

A reference image is a file, or another image of the campaign, whose digest is known once it is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagemake.config.placeholders import Template
from imagemake.config.references import OWN_IMAGE, ImageReference
from imagemake.images.source_files import BadSourceImageError, SourceImages
from imagemake.plan.requests.names import BadValueError, Namer, safe_name
from imagemake.plan.requests.wording import Columns, Report, Wording

REFERENCES = "references"
MASK = "mask"
SEPARATOR = ";"
APPROVED = "approved:"  # in a cell, before the name of an image that a person must approve first


class Attached(NamedTuple):
    """What is sent with a prompt.

    Attributes:
        references: Paths of the reference images, in order; ``image:`` and a name for other images of the campaign.
        digests: SHA-256 of the content of each; for an image of the campaign that is not accepted yet, its path.
        mask: Path of the mask.
        mask_digest: SHA-256 of its content.
        parents: Names of the other images of the campaign among the reference images.
        approved: Names of those that a person must approve first.
    """

    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    mask: str | None = None
    mask_digest: str | None = None
    parents: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()

    def without(self, name: str) -> Attached:
        """Return it without the image of a name, and without a mask for it."""
        places = [place for place, path in enumerate(self.references) if path != OWN_IMAGE + name]
        has_mask = places[:1] == [0]  # it is for the first reference image
        return Attached(
            references=tuple(self.references[place] for place in places),
            digests=tuple(self.digests[place] for place in places),
            mask=self.mask if has_mask else None,
            mask_digest=self.mask_digest if has_mask else None,
            parents=tuple(one for one in self.parents if one != name),
            approved=tuple(one for one in self.approved if one != name),
        )

    def with_digests(self, of_parents: Mapping[str, str]) -> Attached:
        """Return it with the digests of the other images of the campaign, by their names."""
        pairs = zip(self.references, self.digests, strict=True)
        return self._replace(
            digests=tuple(
                of_parents[path.removeprefix(OWN_IMAGE)] if path.startswith(OWN_IMAGE) else digest
                for path, digest in pairs
            )
        )


NOTHING = Attached()


class _Named(NamedTuple):
    """A path and its source: the column that decides it, the campaign's key, or both for a template."""

    path: str
    column: str = ""
    key: str = ""
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """One of the campaign's templates.

    Attributes:
        wording: The template of a path, or of ``image:`` and a name.
        decides: The column that decides what it comes to; empty without one.
        namer: Makes the name, as images are named; None for a path.
        needs_approval: Whether a person must approve the image of that name first.
    """

    wording: Wording
    decides: str
    namer: Namer | None
    needs_approval: bool

    @classmethod
    def read(cls, use: str, one: str | ImageReference, columns: Columns) -> _Place:
        text = OWN_IMAGE + one.image if isinstance(one, ImageReference) else one
        wording = Wording.read(use, text, columns)
        template, namer = wording.template, None
        if text.startswith(OWN_IMAGE) and use != MASK:
            first, *others = template.literals
            namer = Namer(Template((first.removeprefix(OWN_IMAGE).lstrip(), *others), template.fields))
        fields = template.fields
        decides = next((name for name in fields if name not in columns.may_be_empty), next(iter(fields), ""))
        return cls(wording, decides, namer, isinstance(one, ImageReference) and one.after == "approval")

    def path(self, values: Mapping[str, str]) -> str:
        """Return the path for a row's values.

        Raises:
            BadValueError: If a value cannot be part of a name.
        """
        return OWN_IMAGE + self.namer.name(values) if self.namer else self.wording.template.render(values).strip()


def _in_cell(text: str) -> _Named:
    """Return the reference image in a cell; names of images may be written as in the name's template."""
    for start in (OWN_IMAGE, APPROVED):
        if text.startswith(start):
            path = OWN_IMAGE + safe_name(text.removeprefix(start).strip())
            return _Named(path, REFERENCES, needs_approval=start == APPROVED)
    return _Named(text, REFERENCES)


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
        self,
        references: Sequence[str | ImageReference],
        mask: str | None,
        columns: Columns,
        files: SourceImages,
        report_key: Report,
    ) -> None:
        self._columns, self._files, self._report_key = columns, files, report_key
        self._references = [_Place.read(f"{REFERENCES}[{i}]", one, columns) for i, one in enumerate(references)]
        self._mask = [_Place.read(MASK, mask, columns)] if mask else []
        self.wordings = tuple(place.wording for place in (*self._references, *self._mask))
        used = {name for wording in self.wordings for name in wording.template.fields}
        # As with prompts, a column that a template uses is a value like any other.
        self._own = {name: name in columns.known and name not in used for name in (REFERENCES, MASK)}
        self._has_masks = bool(self._mask) or self._own[MASK]
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

    def are_of_row(self, values: Mapping[str, str]) -> bool:
        """Return whether a cell of the row names its reference images, and not a template of the campaign."""
        return self._own[REFERENCES] and bool(values[REFERENCES])

    def _named(
        self, column: str, places: Sequence[_Place], values: Mapping[str, str], report: Report
    ) -> list[_Named] | None:
        if self._own[column] and (cell := values[column]):
            if column == MASK:
                return [_Named(cell, column)]
            return [_in_cell(part) for part in map(str.strip, cell.split(SEPARATOR)) if part]
        named = []
        for place in places:
            wording = place.wording
            if wording.unknown or wording.report_empty(values, self._columns, report):
                return None
            try:
                path = place.path(values)
            except BadValueError as error:
                column_of_value, fault = error.args
                what = f"column {column_of_value!r} has a value that {fault}, but {wording.use} uses it in a name."
                report(column_of_value, what, "Correct the value, or use another column.")
                return None
            if path != OWN_IMAGE:
                named.append(_Named(path, place.decides, wording.use, place.needs_approval))
        return named

    def _look_up(self, values: Mapping[str, str], report: Report) -> Attached | None:
        named = self._named(REFERENCES, self._references, values, report)
        masks = self._named(MASK, self._mask, values, report) if self._has_masks else []
        if named is None or masks is None:
            return None
        digests = [one.path if one.path.startswith(OWN_IMAGE) else self._digest(one, report) for one in named]
        mask_digests = [self._digest(one, report) for one in masks]
        if masks and not named and None not in mask_digests:
            what = f"there is a mask, {masks[0].path!r}, but no reference image for it."
            self._report(masks[0], what, f"Name the image under {REFERENCES}, or remove the mask.", report)
            return None
        if None in digests or None in mask_digests:
            return None
        return Attached(
            references=tuple([one.path for one in named]),
            digests=tuple([digest for digest in digests if digest]),
            mask=masks[0].path if masks else None,
            mask_digest=mask_digests[0] if masks else None,
            parents=tuple([one.path.removeprefix(OWN_IMAGE) for one in named if one.path.startswith(OWN_IMAGE)]),
            approved=tuple([one.path.removeprefix(OWN_IMAGE) for one in named if one.needs_approval]),
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
