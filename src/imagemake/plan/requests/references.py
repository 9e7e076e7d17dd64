"""Reference images and masks: which files go with a row, by the campaign's templates or the row's own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagemake.images.source_files import BadSourceImageError, SourceImages
from imagemake.plan.requests.wording import Columns, Tell, Wording

REFERENCES = "references"
MASK = "mask"
SEPARATOR = ";"


class Attached(NamedTuple):
    """What is sent with a prompt.

    Attributes:
        references: Paths of the reference images, in their order.
        digests: SHA-256 of each one's content.
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
    """A path, and where it is written: the column that decides it, the campaign's key, or both for a template."""

    path: str
    column: str = ""
    key: str = ""


class References:
    """Says which files go with a row.

    Args:
        references: The campaign's templates of paths.
        mask: The campaign's template of the mask's path.
        columns: What placeholders can name.
        files: Where images are looked up.
        tell_key: Told what is wrong with a key of the campaign, whatever the row.
    """

    def __init__(
        self, references: Sequence[str], mask: str | None, columns: Columns, files: SourceImages, tell_key: Tell
    ) -> None:
        self._columns, self._files, self._tell_key = columns, files, tell_key
        self._references = [Wording.read(f"{REFERENCES}[{i}]", text, columns) for i, text in enumerate(references)]
        self._mask = [Wording.read(MASK, mask, columns)] if mask else []
        self.wordings = (*self._references, *self._mask)
        used = {name for wording in self.wordings for name in wording.template.fields}
        # Like a prompt: a column that a template uses is a value like any other.
        self._own = {name: name in columns.known and name not in used for name in (REFERENCES, MASK)}
        self._is_absent = not self.wordings and not any(self._own.values())
        decide = used & set(columns.known) | {name for name, is_own in self._own.items() if is_own}
        self._decide = tuple(name for name in columns.known if name in decide)
        self._known: dict[tuple[str, ...], Attached] = {}

    def of(self, values: Mapping[str, str], tell: Tell) -> Attached:
        """Return what goes with a row; what is wrong is told, and the files are then of no use."""
        if self._is_absent:
            return NOTHING
        chosen = tuple([values[name] for name in self._decide])
        attached = self._known.get(chosen)  # thousands of rows can share their files
        if attached is None:
            attached = self._look_up(values, tell)
            if attached is None:
                return NOTHING
            self._known[chosen] = attached
        return attached

    def _named(
        self, column: str, wordings: Sequence[Wording], values: Mapping[str, str], tell: Tell
    ) -> list[_Named] | None:
        if self._own[column] and (cell := values[column]):
            parts = [cell] if column == MASK else [part.strip() for part in cell.split(SEPARATOR)]
            return [_Named(part, column) for part in parts if part]
        named = []
        for wording in wordings:
            if wording.unknown or wording.tell_empty(values, self._columns, tell):
                return None
            fields = wording.template.fields
            decides = next((name for name in fields if name not in self._columns.may_be_empty), next(iter(fields), ""))
            named.append(_Named(wording.template.render(values).strip(), decides, wording.use))
        return named

    def _look_up(self, values: Mapping[str, str], tell: Tell) -> Attached | None:
        named = self._named(REFERENCES, self._references, values, tell)
        masks = self._named(MASK, self._mask, values, tell)
        if named is None or masks is None:
            return None
        digests = [self._digest(one, tell) for one in named]
        mask_digests = [self._digest(one, tell) for one in masks]
        if masks and not named and None not in mask_digests:
            what = f"there is a mask, {masks[0].path!r}, but no reference image that it is for."
            self._tell(masks[0], what, f"Name the image under {REFERENCES}, or take the mask out.", tell)
            return None
        if None in digests or None in mask_digests:
            return None
        return Attached(
            references=tuple(one.path for one in named),
            digests=tuple(digest for digest in digests if digest),
            mask=masks[0].path if masks else None,
            mask_digest=mask_digests[0] if masks else None,
        )

    def _digest(self, named: _Named, tell: Tell) -> str | None:
        try:
            return self._files.get(named.path).digest
        except BadSourceImageError as error:
            self._tell(named, error.what, error.remedy, tell)
            return None

    def _tell(self, named: _Named, what: str, remedy: str, tell: Tell) -> None:
        if not named.column:
            self._tell_key(named.key, what, remedy)
        elif named.key:
            tell(named.column, f"in {named.key}, as {self._columns.config} has it, {what}", remedy)
        else:
            tell(named.column, f"in column {named.column!r}, {what}", remedy)
