"""Mistakes in exports that are found before anything is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.config.exports import ALT_TEXT, FEEDS, WRITTEN
from imagemake.core.problems import Problem
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.plan.requests.export_paths import PROMPT, ExportPath, rendered, template_of, values_of
from imagemake.plan.requests.names import BadValueError, folded

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.chosen_plugins import ChosenPlugin
    from imagemake.config.exports import Export
    from imagemake.plan.requests.request import Request

# The column whose value images of one product share, and how many images a product can have.
PRODUCT = {"merchant": ("id", 11), "shopify": ("Handle", 250)}
_STAY_IN_PLACE = ("color", "overlay", "remove_background", "resize", "sharpen", "upscale")


def export_problems(campaign: Campaign, requests: Sequence[Request], where: str) -> Iterator[Problem]:
    """Find mistakes in the outputs, placeholders, paths, boxes, and products of exports.

    Args:
        campaign: The campaign.
        requests: All of its requests.
        where: The campaign's file, to name in problems.
    """
    for label, export in campaign.release.exports.items() if requests else ():
        place = f"{where}, release.exports.{label}"
        wrong = [*_unknown(place, export, campaign, requests[0]), *_boxes(place, export, campaign)]
        yield from wrong
        if not wrong:
            yield from _paths(place, export, campaign, requests)
            yield from _products(place, export, campaign, requests)


def _unknown(place: str, export: Export, campaign: Campaign, request: Request) -> Iterator[Problem]:
    outputs = campaign.postprocess.outputs()
    if export.output not in outputs:
        remedy = f"{did_you_mean(export.output, outputs)} Known outputs: {', '.join(outputs)}.".strip()
        yield Problem(f"{place}.output", f"unknown output {shown(export.output)}.", remedy)
        return
    if export.format == "merchant" and outputs[export.output].format == "avif":
        remedy = "Use an output that is JPEG, PNG, or WebP."
        yield Problem(f"{place}.output", "Merchant Center does not accept AVIF.", remedy)
    if export.format == "merchant" and not campaign.metadata.xmp:
        what = "Merchant Center requires that images made by AI say so in their metadata, and metadata.xmp is false."
        yield Problem(place, what, "Set metadata: {xmp: true}.")
    names = list(values_of(request.variables, "", 1))
    known = names if export.format in FEEDS else [*names, PROMPT]
    templates = [("caption", export.caption, [*names, PROMPT]), ("path", export.path, names)]
    templates += [(f"columns.{name}", text, known) for name, text in export.columns.items()]
    for key, text, allowed in templates:
        for field in template_of(text).fields:
            if field not in allowed:
                remedy = f"{did_you_mean(field, allowed)} Known names: {', '.join(allowed)}.".strip()
                yield Problem(f"{place}.{key}", f"unknown placeholder {{{field}}}.", remedy)
    if not ExportPath(export.path).is_whole:
        what = f"a part of the path {shown(export.path)} has no letter, digit, or placeholder."
        yield Problem(f"{place}.path", what, 'Write folders and a name, such as "{category}/{sku}".')
    if not export.columns:
        for name in WRITTEN.get(export.format, ()):
            if name in request.variables:
                remedy = "List the columns to export under other names, as columns."
                yield Problem(f"{place}.columns", f"the catalog has a column {name!r}, as {export.format} has.", remedy)


def _boxes(place: str, export: Export, campaign: Campaign) -> Iterator[Problem]:
    if export.format != "coco":
        return
    measured = {measure.name for measure in campaign.validation.measures_needed()}
    for name in export.boxes:
        if name not in measured:
            what = f"{name!r} is not read from the images."
            yield Problem(f"{place}.boxes", what, f"Add it to validation.measures: {{{name}: {{}}}}.")
    if export.output in campaign.postprocess.outputs():
        for step in campaign.postprocess.steps_of(export.output):
            if not _stays_in_place(step):
                what = f"the step {step.name!r} moves what is in the image, but boxes are of the provider's image."
                yield Problem(f"{place}.output", what, "Use an output with from_raw: true and without this step.")


def _stays_in_place(step: ChosenPlugin) -> bool:
    return step.name in _STAY_IN_PLACE and step.settings.get("fit") != "cover"


def _paths(place: str, export: Export, campaign: Campaign, requests: Sequence[Request]) -> Iterator[Problem]:
    if "path" not in export.model_fields_set:
        return
    path, first = ExportPath(export.path), dict[str, "Request"]()
    for request in requests:
        row = f"{campaign.catalog}, row {request.row}"
        values = values_of(request.variables, request.name, request.take)
        try:
            name = path.of(values)
        except BadValueError as error:
            column, fault = error.args
            what = f"{place}.path cannot name the file of {request.name!r}: column {column!r} {fault}."
            yield Problem(row, what, "Correct the value, or use another column in the path.")
            continue
        other = first.setdefault(folded(name), request)
        if other is not request:
            what = f"{request.name!r} would be the file {name!r} of {place}, like {other.name!r} (row {other.row})."
            yield Problem(row, what, "Make the path different for each image, for example with {name}.")


def _products(place: str, export: Export, campaign: Campaign, requests: Sequence[Request]) -> Iterator[Problem]:
    if export.format not in PRODUCT:
        return
    column, most = PRODUCT[export.format]
    first: dict[str, tuple[dict[str, str], int]] = {}
    numbers = Counter[str]()
    differing: dict[str, dict[str, None]] = {}  # products by the columns in which their images differ
    for request in requests:
        values = values_of(request.variables, request.name, request.take)
        cells = {name: rendered(text, values) for name, text in export.columns.items() if name != ALT_TEXT}
        product = cells[column]
        if not product.strip():
            what = f"{place}.columns.{column} is empty."
            yield Problem(f"{campaign.catalog}, row {request.row}", what, "Fill in the columns that it uses.")
            continue
        known, _ = first.setdefault(product, (cells, request.row))
        if known != cells:
            for name in (name for name in cells if cells[name] != known[name]):
                differing.setdefault(name, {})[product] = None
        numbers[product] += 1
    for name, products in differing.items():
        one, *others = products
        more = f", and so do those of {len(others):,} more" if others else ""
        what = f"images of one {column} have one row, but those of {one!r} (row {first[one][1]}) differ in it{more}."
        yield Problem(f"{place}.columns.{name}", what, f"Use columns that are the same for all images of one {column}.")
    for product, number in numbers.items():
        if number > most:
            what = f"{place}: {product!r} has {number:,} images, but {export.format} takes up to {most}."
            yield Problem(f"{campaign.catalog}, row {first[product][1]}", what, f"Use another column for {column}.")
