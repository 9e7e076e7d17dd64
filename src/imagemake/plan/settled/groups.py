"""What puts requests of several rows together: if one of them changes, all of its group are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from imagemake.config.placeholders import parse_template
from imagemake.plan.requests.export_paths import ExportPath, rendered, values_of
from imagemake.plan.requests.export_problems import PRODUCT
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.requests.names import BadValueError, Namer, folded
from imagemake.plan.requests.sheet_groups import SHEET
from imagemake.plan.settled.sections import short

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.exports import Export
    from imagemake.config.outputs import Sheet
    from imagemake.plan.requests.request import Request

Kind = Callable[["Request"], Iterator[str]]


class Groups:
    """Finds the groups of a campaign's requests: names of files and sheets, products, colors, and families.

    Args:
        campaign: The campaign.
    """

    def __init__(self, campaign: Campaign) -> None:
        self._kinds: list[Kind] = [_family]
        self._file_names = FileNames(campaign)
        if not self._file_names.is_plain:
            self._kinds.append(self._files)
        if consistency := campaign.validation.consistency:
            self._kinds.append(partial(_colors, consistency.by))
        for label, sheet in campaign.postprocess.sheets.items():
            self._kinds.append(partial(_sheet, label, sheet, Namer(parse_template(sheet.template))))
        for label, export in campaign.release.exports.items():
            self._kinds.append(partial(_export, label, export))

    def of(self, request: Request) -> list[int]:
        """Return the digests of a request's groups, shortened."""
        with suppress(BadValueError):  # reported once all requests are checked
            return [short(f"{place} {name}") for place, kind in enumerate(self._kinds) for name in kind(request)]
        return []

    def _files(self, request: Request) -> Iterator[str]:
        yield from map(folded, self._file_names.of(request).values())


def _family(request: Request) -> Iterator[str]:
    yield from map(folded, (request.name, *request.parents))


def _colors(by: tuple[str, ...], request: Request) -> Iterator[str]:
    yield repr([request.variables.get(column) for column in by])


def _sheet(label: str, sheet: Sheet, namer: Namer, request: Request) -> Iterator[str]:
    values = {column: request.variables[column] for column in sheet.by}
    yield folded(namer.name({SHEET: label, **values}))
    yield repr([label, values])


def _export(label: str, export: Export, request: Request) -> Iterator[str]:
    values = values_of(request.variables, request.name, request.take)
    if "path" in export.model_fields_set:
        yield repr([label, folded(ExportPath(export.path).of(values))])
    if export.format in PRODUCT:
        column, _ = PRODUCT[export.format]
        yield repr([label, column, rendered(export.columns[column], values)])
