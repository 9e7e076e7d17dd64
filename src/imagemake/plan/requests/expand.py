"""From a campaign and the rows of its catalog to requests: every wanted image, with its name and recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePath

from imagemake.config.campaign import Campaign
from imagemake.config.fields import CONFIG, TAKE
from imagemake.config.models import load_models
from imagemake.config.parameters import PREFIX, fault_of_name, fault_of_value, parameter_from
from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import SEED_BITS, Recipe, derive_seed
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.images.source_files import SourceImages
from imagemake.plan.requests.abilities import Abilities
from imagemake.plan.requests.bounds import check_number, within_bound
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.combinations import Combinations
from imagemake.plan.requests.export_problems import export_problems
from imagemake.plan.requests.families import family_problems, with_approvals
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.requests.model_choice import MODEL, ModelChoice
from imagemake.plan.requests.model_files import ModelFiles
from imagemake.plan.requests.names import BadValueError, Namer
from imagemake.plan.requests.references import References
from imagemake.plan.requests.request import Parameters, Request, Route
from imagemake.plan.requests.shared_names import shared_names
from imagemake.plan.requests.sheet_groups import sheet_problems
from imagemake.plan.requests.wording import Columns, Prompts, Wording

RESERVED_COLUMNS = {
    "prompt": "The prompt template of this row; it replaces the campaign's. If the campaign's template uses "
    "`{prompt}`, this is a value like any other.",
    "negative_prompt": "The same for the negative prompt.",
    "seed": "The seed of this row's images, like `seed.fixed`.",
    MODEL: "The model of this row's images; it replaces `model` and model_rules. Use a label of more_models, or the "
    "name of a model on the same server as `model`.",
    "references": "Paths of this row's reference images, separated by `;`; they replace the campaign's `references`. "
    "If those use `{references}`, this is a value like any other. In JSON, you can also use a list.",
    "mask": "The same for the path of the mask.",
    f"{PREFIX}*": "A parameter of the model, such as `parameters.size`; it replaces the model's own. "
    "`true`, `false`, plain numbers, and JSON lists and objects are read as such.",
}
_SEED = re.compile(r"0|[1-9][0-9]{0,9}")


def expand(
    campaign: Campaign, rows: Sequence[Row], *, where: str = CONFIG, files: SourceImages | None = None
) -> list[Request]:
    """Return every request of a campaign.

    Args:
        campaign: The campaign.
        rows: The catalog's rows, all with the same columns.
        where: The campaign's file, to name in problems.
        files: Looks up reference images and masks; by default in the current folder.

    Returns:
        The requests, in the order of the rows, the variables' values, and the takes.

    Raises:
        UserError: If there are mistakes; it lists all of them.
    """
    check_number(campaign, len(rows), where)
    expansion = _Expansion(campaign, list(rows[0].values) if rows else [], where, files or SourceImages())
    requests = within_bound((request for row in rows for request in expansion.of_row(row)), campaign, where)
    problems = [*expansion.problems, *expansion.combinations.never_used(), *expansion.models.never_used()]
    if not expansion.naming.unknown:
        problems += shared_names(requests, campaign, expansion.naming.template.fields, where)
    if not requests and not problems:
        problems.append(Problem(where, "the campaign requests no images.", "Exclude fewer combinations."))
    if not problems:
        problems += FileNames(campaign).problems(requests, campaign, where)
        problems += sheet_problems(campaign, requests, where)
        problems += export_problems(campaign, requests, where)
        problems += family_problems(requests, campaign)
    if problems:
        raise UserError(problems)
    return with_approvals(requests)


def requests_unchecked(campaign: Campaign, rows: Sequence[Row], files: SourceImages) -> list[Request]:
    """Return the requests of some rows, which may have mistakes."""
    expansion = _Expansion(campaign, list(rows[0].values), CONFIG, files)
    return [request for row in rows for request in expansion.of_row(row)]


def rows_of_rules(campaign: Campaign, rows: Iterable[Row], *, files: SourceImages) -> Iterator[int]:
    """Yield the number of each row to which a rule applies that applied to none before."""
    expansion: _Expansion | None = None
    for row in rows if campaign.exclude or campaign.include or campaign.model_rules else ():
        expansion = expansion or _Expansion(campaign, list(row.values), CONFIG, files)
        n_unused = expansion.n_unused
        if n_unused == 0:
            return
        for _ in expansion.of_row(row):
            pass
        if expansion.n_unused < n_unused:
            yield row.number


class _Expansion:
    """A campaign's templates and rules, read once. It collects problems in order, each once."""

    def __init__(self, campaign: Campaign, columns: Sequence[str], where: str, files: SourceImages) -> None:
        self.problems: dict[Problem, None] = {}
        self._campaign, self._where, self._row = campaign, where, 0
        known = dict.fromkeys([*columns, *campaign.variables, *campaign.defaults])
        vocabulary = Columns(known, {*campaign.variables, *campaign.defaults}, PurePath(where).name)
        with_take = Columns({**known, TAKE: None}, {*vocabulary.may_be_empty, TAKE}, vocabulary.config)
        self._columns = vocabulary
        self.naming = Wording.read("name", campaign.name, with_take)
        if campaign.takes > 1 and TAKE not in self.naming.template.fields:
            self.naming = Wording.read("name", f"{campaign.name}_{{{TAKE}}}", with_take)
        self._namer = Namer(self.naming.template)
        self.models = ModelChoice(campaign, [name for name in known if name not in campaign.variables], where)
        # Without the model: adding it to the name, to compare models, must not change the seeds of the first model.
        self._seed_columns = sorted({*self.naming.template.fields} - {TAKE, MODEL})
        self._prompt = Prompts("prompt", campaign.prompt, vocabulary, can_be_empty=False)
        self._negative = Prompts("negative_prompt", campaign.negative_prompt, vocabulary, can_be_empty=True)
        self.combinations = Combinations(
            campaign.variables,
            campaign.exclude,
            campaign.include,
            columns=[name for name in known if name not in campaign.variables],
            where=where,
        )
        self._abilities = Abilities(load_models(campaign.models), files.get, datetime.now(UTC).date())
        self._model_files = ModelFiles(campaign.model.name, self._report_key)
        self._references = References(campaign.references, campaign.mask, vocabulary, files, self._report_key)
        wordings = (self._prompt.common, self._negative.common, self.naming, *self._references.wordings)
        self._empty = dict.fromkeys([*campaign.defaults, *(name for w in wordings for name in w.unknown)], "")
        self._defaults = {name: text for name, text in campaign.defaults.items() if text}
        self._parameter_columns = [name for name in known if name.startswith(PREFIX)]
        self._parameters: dict[tuple[str, ...], Parameters] = {}
        self._check(columns, wordings)

    @property
    def n_unused(self) -> int:
        """Number of rules that applied to nothing so far."""
        return len(self.combinations.never_used()) + len(self.models.never_used())

    def of_row(self, row: Row) -> Iterator[Request]:
        """Yield the requests of one row; those with a problem only serve to find further problems."""
        self._row = row.number
        values = {**self._empty, **row.values} if self._empty else row.values
        if filled := {name: text for name, text in self._defaults.items() if not values[name]}:
            values = {**values, **filled}
        for choice in self.combinations.of(values):
            yield from self._takes({**values, **choice} if choice else values)  # a million rows take no copies

    def _takes(self, values: Mapping[str, str]) -> Iterator[Request]:
        prompt = self._prompt.render(values, self._report)
        negative = self._negative.render(values, self._report) or None
        labels = self.models.labels(values)
        label = labels[0]
        model = self.models.settings(label)
        if fault := self.models.misspelled(values.get(MODEL, "")):
            self._report(MODEL, *fault)
        parameters = self._parameters_for(values, label, model.parameters)
        model_files = self._model_files.of(label, model, parameters)
        sent = self._references.of(values, self._report)
        self.naming.report_empty(values, self._columns, self._report)
        for take in range(1, self._campaign.takes + 1):
            name = self._name({**values, TAKE: str(take)})
            attached = sent
            if name in sent.parents and not self._references.are_of_row(values):
                attached = sent.without(name)  # a template is for the images that are made from this one
            recipe = Recipe(
                model.provider,
                model.name,
                prompt,
                self._seed(values, take),
                parameters,
                negative_prompt=negative,
                endpoint=model.endpoint,
                references=attached.digests,
                mask=attached.mask_digest,
                model_files=model_files,
            )
            request = Request(name, recipe, self._row, values, take, label, attached)
            yield request if len(labels) == 1 else self._routed(request, labels)

    def _routed(self, request: Request, labels: Sequence[str]) -> Request:
        """Return a request with all its models, and the first one that can make it; the first of all if none can."""
        routes: list[Route] = []
        for label in labels:
            model = self.models.settings(label)
            parameters = self._parameters_for(request.variables, label, model.parameters)
            recipe = replace(
                request.recipe,
                provider=model.provider,
                model=model.name,
                parameters=parameters,
                endpoint=model.endpoint,
                model_files=self._model_files.of(label, model, parameters),
            )
            routes.append(Route(label, recipe, self._abilities.why_not(model, recipe, request.attached)))
        able = next((route for route in routes if not route.why_not), routes[0])
        return replace(request, routes=tuple(routes)).by(able)

    def _name(self, values: Mapping[str, str]) -> str:
        try:
            name = self._namer.name(values)
        except BadValueError as error:
            column, fault = error.args
            what = f"column {column!r} contains {shown(values[column])}, which {fault}, but the name uses {{{column}}}."
            self._report(column, what, "Correct the value, or use another column in the name.")
            return ""
        if not name:
            self._report("name", "the name of the image is empty.", "Use other columns in name.")
        return name

    def _seed(self, values: Mapping[str, str], take: int) -> int:
        fixed = self._campaign.seed.fixed
        if text := values.get("seed"):
            fixed = int(text) if _SEED.fullmatch(text) else -1
            if not 0 <= fixed < 2**SEED_BITS:
                self._report(
                    "seed", f"column 'seed' contains {shown(text)}.", "Write a whole number from 0 to 2147483647."
                )
                return 0
        if fixed is not None:
            return fixed if take == 1 else derive_seed("take", fixed, take)
        named_by = [part for name in self._seed_columns for part in (name, values[name])]
        return derive_seed(self._campaign.seed.derived, take, *named_by)

    def _parameters_for(self, values: Mapping[str, str], label: str, of_model: Parameters) -> Parameters:
        if not self._parameter_columns:
            return of_model
        cells = tuple(values[column] for column in self._parameter_columns)
        if (label, *cells) in self._parameters:
            return self._parameters[label, *cells]
        own = {
            c.removeprefix(PREFIX): parameter_from(t) for c, t in zip(self._parameter_columns, cells, strict=True) if t
        }
        faults = {name: fault for name, value in own.items() if (fault := fault_of_value(value))}
        for name, (what, remedy) in faults.items():
            self._report(PREFIX + name, f"in column {PREFIX + name!r}, {what}", remedy)
        parameters = {**of_model, **own}
        if not faults:
            self._parameters[label, *cells] = parameters
        return parameters

    def _report(self, column: str, what: str, remedy: str) -> None:
        if column in self._campaign.variables:
            place = f"{self._where}, variables.{column}"
        else:
            place = f"{self._campaign.catalog}, row {self._row}"
        self.problems[Problem(place, what, remedy)] = None

    def _report_key(self, key: str, what: str, remedy: str) -> None:
        self.problems[Problem(f"{self._where}, {key}", what, remedy)] = None

    def _check(self, columns: Sequence[str], wordings: Iterable[Wording]) -> None:
        """Find mistakes that do not depend on the rows."""
        found = [*self.combinations.problems, *self.models.problems]
        used = {name for wording in wordings for name in wording.template.fields}
        for wording in wordings:
            place = f"{self._where}, {wording.use.replace(' ', '_')}"
            found += [Problem(place, *self._columns.unknown(name)) for name in wording.unknown]
        for name in self._campaign.variables:
            if name in columns:
                what = f"{self._campaign.catalog} has a column of the same name."
                found.append(Problem(f"{self._where}, variables.{name}", what, "Rename one of them."))
        for name in self._campaign.defaults:
            useful = name in columns or name in used or name in RESERVED_COLUMNS or name.startswith(PREFIX)
            if name in self._campaign.variables or not useful:
                remedy = f"{did_you_mean(name, columns)} Remove it, or correct the column's name.".strip()
                found.append(Problem(f"{self._where}, defaults.{name}", "this default is never used.", remedy))
        for name in self._parameter_columns:
            if fault := fault_of_name(name.removeprefix(PREFIX)):
                place = self._campaign.catalog if name in columns else self._where
                found.append(Problem(f"{place}, column {name!r}", *fault))
        self.problems.update(dict.fromkeys(found))
