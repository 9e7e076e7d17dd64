"""The names of released files: one per output and image, all different, and none outside its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN, TAKE
from imagemake.config.placeholders import parse_template
from imagemake.core.problems import Problem
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.plan.requests.names import BadValueError, Namer, folded

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.requests.request import Request

NAME, OUTPUT = "name", "output"  # placeholders; they hide columns of the same name
_OWN_NAME = f"{{{NAME}}}"


class FileNames:
    """Names the files of a campaign's images.

    Args:
        campaign: The campaign, with valid templates of its outputs.
    """

    def __init__(self, campaign: Campaign) -> None:
        outputs = campaign.postprocess.outputs()
        self._suffixes = {label: output.suffix for label, output in outputs.items()}
        self._templates = {label: parse_template(output.name) for label, output in outputs.items()}
        own = [label for label, output in outputs.items() if output.name == _OWN_NAME]
        self._namers = {label: Namer(template) for label, template in self._templates.items() if label not in own}
        self.is_plain = len(outputs) == len(own) == 1

    def of(self, request: Request) -> dict[str, str]:
        """Return the file names of a request's image by output, the main one first.

        Raises:
            BadValueError: If a value cannot be part of a name.
        """
        if self.is_plain:
            return {MAIN: f"{request.name}{self._suffixes[MAIN]}"}
        names = {}
        for label, suffix in self._suffixes.items():
            stem = request.name
            if label in self._namers:
                stem = self._namers[label].name(_values(request, label))
            names[label] = f"{stem}{suffix}"
        return names

    def output_of(self, request: Request, file_name: str) -> str:
        """Return the output of a request's image that has this file name.

        Raises:
            StopIteration: If none has it.
        """
        return next(label for label, name in self.of(request).items() if name == file_name)

    def problems(self, requests: Sequence[Request], campaign: Campaign, where: str) -> Iterator[Problem]:
        """Find mistakes in the templates and in the values that they use, and names that two files would share.

        Args:
            requests: The requests, with unique names.
            campaign: The campaign that they belong to.
            where: The campaign's file, to name in problems.
        """
        if self.is_plain or not requests:
            return
        unknown = [*self._unknown(requests[0], where)]
        yield from unknown
        if not unknown:
            yield from self._bad_values(requests, campaign) or self._shared(requests, campaign, where)

    def _unknown(self, request: Request, where: str) -> Iterator[Problem]:
        known = [NAME, OUTPUT, TAKE, *request.variables]
        for label, template in self._templates.items():
            for field in dict.fromkeys(template.fields):
                if field not in known:
                    remedy = f"{did_you_mean(field, known)} Known names: {', '.join(dict.fromkeys(known))}.".strip()
                    yield Problem(f"{where}, {key_of(label)}.name", f"unknown placeholder {{{field}}}.", remedy)

    def _bad_values(self, requests: Sequence[Request], campaign: Campaign) -> list[Problem]:
        found: dict[Problem, None] = {}
        for request in requests:
            place = f"{campaign.catalog}, row {request.row}"
            for label, namer in self._namers.items():
                values = _values(request, label)
                for field in self._templates[label].fields:
                    if not values[field]:
                        what = f"column {field!r} is empty, but {key_of(label)}.name uses {{{field}}}."
                        found[Problem(place, what, f"Fill it in, or give it a default under defaults.{field}.")] = None
                try:
                    namer.name(values)
                except BadValueError as error:
                    column, fault = error.args
                    what = (
                        f"column {column!r} contains {shown(values[column])}, which {fault}, but {key_of(label)}.name "
                    )
                    what += f"uses {{{column}}}."
                    found[Problem(place, what, "Correct the value, or use another column in the name.")] = None
        return list(found)

    def _shared(self, requests: Sequence[Request], campaign: Campaign, where: str) -> Iterator[Problem]:
        first: dict[str, tuple[Request, str, str]] = {}
        alike: set[tuple[str, str]] = set()
        for request in requests:
            for label, name in self.of(request).items():
                other, other_label, other_name = first.setdefault(folded(name), (request, label, name))
                if (other, other_label) == (request, label):
                    continue
                remedy = f"Make {key_of(label)}.name in {where} different for each: {_OWN_NAME} is the name of the "
                remedy += f"image, {{{OUTPUT}}} the label of the output."
                if other is request:  # probably so for every image: report it once
                    if (other_label, label) not in alike:
                        alike.add((other_label, label))
                        what = (
                            f"this output and {key_of(other_label)} would both write {name!r}, and so for other images."
                        )
                        yield Problem(f"{where}, {key_of(label)}.name", what, remedy)
                    continue
                what = f"output {label!r} of {request.name!r} would be the file {name!r}, like output "
                what += f"{other_label!r} of {other.name!r} (row {other.row})"
                what += "." if name == other_name else f", {other_name!r}: many disks ignore case."
                yield Problem(f"{campaign.catalog}, row {request.row}", what, remedy)


def key_of(label: str) -> str:
    """Return the configuration key of an output."""
    return "postprocess.output" if label == MAIN else f"postprocess.more_outputs.{label}"


def _values(request: Request, label: str) -> dict[str, str]:
    return {**request.variables, NAME: request.name, OUTPUT: label, TAKE: str(request.take)}
