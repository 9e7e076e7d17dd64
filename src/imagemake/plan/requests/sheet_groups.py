"""Which images go on which sheet, the name of its file, and whether it can be made at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.placeholders import parse_template
from imagemake.core.problems import Problem
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.plan.requests.file_names import NAME
from imagemake.plan.requests.names import BadValueError, Namer, folded
from imagemake.plan.requests.sheet_layout import most_side_px, size_px

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.outputs import Sheet
    from imagemake.plan.requests.request import Request

SHEET = "sheet"
MOST_PIXELS = 64_000_000  # 256 MB of memory while it is drawn


@dataclass(frozen=True, slots=True)
class SheetGroup:
    """One sheet.

    Attributes:
        label: The campaign's label of this kind of sheet.
        sheet: The settings of this kind.
        stem: File name without extension.
        requests: The requests on it, sorted by name.
    """

    label: str
    sheet: Sheet
    stem: str
    requests: Sequence[Request]

    @property
    def file_name(self) -> str:
        """Name of the image."""
        return f"{self.stem}{self.sheet.suffix}"

    @property
    def boxes_name(self) -> str:
        """Name of the file with the position of each image."""
        return f"{self.stem}.json"


def sheet_groups(campaign: Campaign, requests: Iterable[Request]) -> list[SheetGroup]:
    """Divide requests into sheets, in the order of the campaign's kinds and of the groups' values.

    Raises:
        BadValueError: If a value cannot be part of a file name.
    """
    if not campaign.postprocess.sheets:
        return []
    ordered = sorted(requests, key=lambda request: request.name)
    found = []
    for label, sheet in campaign.postprocess.sheets.items():
        namer = Namer(parse_template(sheet.template))
        groups: dict[tuple[str, ...], list[Request]] = {}
        for request in ordered:
            groups.setdefault(tuple(request.variables[column] for column in sheet.by), []).append(request)
        for values, members in sorted(groups.items()):
            stem = namer.name({SHEET: label, **dict(zip(sheet.by, values, strict=True))})
            found.append(SheetGroup(label, sheet, stem, members))
    return found


def sheet_problems(campaign: Campaign, requests: Sequence[Request], where: str) -> Iterator[Problem]:
    """Find mistakes in the columns, outputs, names, and sizes of sheets, before anything is made.

    Args:
        campaign: The campaign.
        requests: All of its requests.
        where: The campaign's file, to name in problems.
    """
    if not campaign.postprocess.sheets or not requests:
        return
    wrong = [
        problem
        for label, sheet in campaign.postprocess.sheets.items()
        for problem in _unknown(f"{where}, postprocess.sheets.{label}", sheet, campaign, requests[0])
    ]
    yield from wrong
    if wrong:
        return
    try:
        groups = sheet_groups(campaign, requests)
    except BadValueError as error:
        column, fault = error.args
        what = f"the name of a sheet uses {{{column}}}, and one of its values {fault}."
        yield Problem(f"{where}, postprocess.sheets", what, "Correct the value, or use another column in the name.")
        return
    yield from _shared(groups, where)
    for group in groups:
        yield from _too_large(group, where)


def _unknown(place: str, sheet: Sheet, campaign: Campaign, request: Request) -> Iterator[Problem]:
    columns = list(request.variables)
    outputs = list(campaign.postprocess.outputs())
    if sheet.output not in outputs:
        remedy = f"{did_you_mean(sheet.output, outputs)} Known outputs: {', '.join(outputs)}.".strip()
        yield Problem(f"{place}.output", f"unknown output {shown(sheet.output)}.", remedy)
    for column in sheet.by:
        if column not in columns:
            remedy = f"{did_you_mean(column, columns)} Known names: {', '.join(columns)}.".strip()
            yield Problem(f"{place}.by", f"{column!r} is neither a column of the catalog nor a variable.", remedy)
    for key, text, known in (("caption", sheet.caption, [NAME, *columns]), ("name", sheet.name, [SHEET, *sheet.by])):
        for field in parse_template(text or "").fields:
            if field not in known:
                remedy = f"{did_you_mean(field, known)} Known names: {', '.join(dict.fromkeys(known))}.".strip()
                yield Problem(f"{place}.{key}", f"unknown placeholder {{{field}}}.", remedy)


def _shared(groups: Iterable[SheetGroup], where: str) -> Iterator[Problem]:
    first: dict[str, SheetGroup] = {}
    for group in groups:
        other = first.setdefault(folded(group.stem), group)
        if other is not group or not group.stem:
            rows = f"rows {other.requests[0].row} and {group.requests[0].row}"
            what = f"two sheets would be named {group.stem!r}, for example those of {rows}."
            remedy = "Use {sheet} and all columns of `by` in the name. If values differ only in characters that file "
            remedy += "names cannot contain, add another column."
            yield Problem(f"{where}, postprocess.sheets.{group.label}", what, remedy)


def _too_large(group: SheetGroup, where: str) -> Iterator[Problem]:
    width_px, height_px = size_px(len(group.requests), group.sheet)
    most_px = most_side_px(group.sheet)
    if width_px * height_px <= MOST_PIXELS and max(width_px, height_px) <= most_px:
        return
    what = f"{group.file_name}, with {len(group.requests):,} images, would have {width_px:,} x {height_px:,} px. The "
    what += f"limit is {MOST_PIXELS // 1_000_000} million px, and {most_px:,} px per side for {group.sheet.format}."
    remedy = "Make the cells smaller, or add columns to `by` for smaller groups."
    yield Problem(f"{where}, postprocess.sheets.{group.label}", what, remedy)
