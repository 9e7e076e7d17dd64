"""What a campaign wants, as types: ``config/config.yaml`` is exactly this, and its reference page is made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from imagemake.alerts import Alerts
from imagemake.budget import Budget
from imagemake.limits import Limits
from imagemake.measures import ALWAYS_READ
from imagemake.models import ModelFacts
from imagemake.planning.checks import DEFAULT_CHECKS, Check, Checks, limits_of, over_defaults
from imagemake.planning.consistency import Consistency
from imagemake.planning.state import NearDuplicates
from imagemake.problems import UserError
from imagemake.recipe import LARGEST_EXACT_INTEGER, SEED_BITS
from imagemake.wanted.chosen import Chosen, Measures, Quantity, ReasonCode, Step, chosen_measure
from imagemake.wanted.comparisons import comparable
from imagemake.wanted.config_problems import TAGS, Mistake, dotted, mistake, mistakes, problems_of
from imagemake.wanted.credentials import C2pa
from imagemake.wanted.metadata import Metadata
from imagemake.wanted.model_settings import ModelRule, ModelSettings, as_in_model
from imagemake.wanted.places import Publish, SharedStore
from imagemake.wanted.settings import MAIN, Cell, ColumnName, Section, TemplateText, Text, Values
from imagemake.wanted.sheets import Sheet
from imagemake.wanted.stages import Gates, Pilot, Small

CONFIG = "config/config.yaml"
CATALOG_SUFFIXES = (".csv", ".json", ".jsonl")
_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}
_LABEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_FIRST_OF_ENCODING = ("format", "quality", "most_kb", "background")  # part of every finished picture's key

Format = Literal["jpeg", "png", "webp", "avif"]
Combination = Mapping[ColumnName, Values]


def _catalog_path(path: str) -> str:
    if PurePath(path).suffix.lower() not in CATALOG_SUFFIXES:
        raise mistake(f"{path!r} is no catalog.", f"Give a file that ends in one of {', '.join(CATALOG_SUFFIXES)}.")
    return path


def _patterns(raw: Any) -> Any:
    patterns = raw if isinstance(raw, list | tuple) else str(raw).split(",")
    return tuple(stripped for pattern in patterns if (stripped := str(pattern).strip()))


def _sensible(check: Check) -> Check:
    limits = list(limits_of(check))
    if not limits:
        raise mistake("the check decides nothing.", "Give it reject, review, or both.")
    for keys, limit in limits:
        name = dotted(keys)
        if limit.min is None and limit.max is None:
            raise mistake(f"{name} has no limit.", f"Give {name} a min, a max, or both.")
        if limit.min is not None and limit.max is not None and limit.min > limit.max:
            raise mistake(f"{name} has a min of {limit.min:g} above its max of {limit.max:g}.", "Exchange them.")
    for place, override in enumerate(check.overrides):
        if not override.when:
            what = f"overrides[{place}].when is empty: these ranges would be those of every picture."
            raise mistake(what, "Write them as the check's own, or say when.")
        if override.reject is None and override.review is None:
            raise mistake(f"overrides[{place}] changes nothing.", "Give it reject, review, or both.")
    return check


def _in_words(checks: Mapping[str, Check]) -> str:
    return "; ".join(f"{name} {check.model_dump_json(exclude_defaults=True)}" for name, check in checks.items())


class Seed(Section):
    """Where seeds come from: give one of the two."""

    fixed: Annotated[int, Field(ge=0, lt=2**SEED_BITS)] | None = Field(
        None,
        description="One seed for every picture, a whole number from 0 to 2^31 - 1. Take 1 has exactly this seed; "
        "later takes have seeds that are derived from it.",
    )
    derived: Annotated[int, Field(ge=0, le=LARGEST_EXACT_INTEGER)] | None = Field(
        None,
        description="A seed of its own for every picture, derived from this whole number, the values of the columns "
        "that name uses (but model), and the take: neither the order of rows nor an edited prompt changes it. Another "
        "number here gives other seeds everywhere.",
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Seed:
        if (self.fixed is None) == (self.derived is None):
            raise mistake("a seed is either fixed or derived.", "Write seed: {fixed: 7} or seed: {derived: 0}.")
        return self


class Attempts(Section):
    """What happens after a picture is rejected."""

    most: int = Field(3, ge=1, description="Attempts a request gets, the first included; each one is paid for.")
    patches: Mapping[ReasonCode, Text] = Field(
        default_factory=dict,
        description="Text appended to the prompt of the attempts that follow a rejection, by its reason: a check "
        "(tone.contrast), a whole measure (tone), near_duplicate, consistency, refused (by the provider), or review "
        "(a person). A check's own patch goes before its measure's.",
        examples=[{"tone": "Bright, even studio light."}],
    )


class Candidates(Section):
    """Several pictures of each attempt, of which the best one goes on."""

    n: int = Field(1, ge=1, le=16, description="Pictures of each attempt, with seeds of their own; each is paid for.")
    best: Mapping[Quantity, float] = Field(
        default_factory=dict,
        description="What makes a good picture the best one: weights by measure.quantity, in the unit of the quantity; "
        "a negative one counts against it. One that a person approved comes before all others.",
        examples=[{"sharpness.focus": 1.0, "tone.contrast": 0.5}],
    )

    @model_validator(mode="after")
    def _says_what_is_best(self) -> Candidates:
        if self.n > 1 and not self.best:
            raise mistake(f"n is {self.n}, but best says nothing.", "Say by which quantities the best one is chosen.")
        return self


class Validation(Section):
    """Which pictures are good enough. Changing this costs no call to a provider."""

    formats: Annotated[tuple[Format, ...], Strict(False)] = Field(
        ("jpeg", "png", "webp"), min_length=1, description="File formats that are accepted from a provider."
    )
    size: Literal["requested", "any"] = Field(
        "requested",
        description="requested: the picture must have the width and height, in pixels, that parameters.size asks for; "
        "any: whatever comes is fine.",
    )
    measures: Measures = Field(
        default_factory=dict,
        description="Settings of measures, by name. A measure that only checks name needs no entry here; "
        "one that is here is read even if no check uses it.",
    )
    checks: Annotated[Mapping[Quantity, Annotated[Check, AfterValidator(_sensible)]], AfterValidator(comparable)] = (
        Field(
            default_factory=dict,
            description="Ranges of what is still good, in the unit of the quantity, by measure.quantity. Outside of "
            "reject, the picture is rejected and tried again; outside of review, a person decides. These come on top "
            f"of checks that are always made, unless one of the same name is given here: {_in_words(DEFAULT_CHECKS)}.",
            examples=[{"tone.contrast": {"reject": {"min": 0.02}, "review": {"min": 0.05}}}],
        )
    )
    near_duplicates: Annotated[
        Annotated[NearDuplicates, Tag(TAGS[True])] | Annotated[Literal[False], Tag(TAGS[False])],
        Discriminator(lambda value: TAGS[value is not False]),
    ] = Field(
        default_factory=NearDuplicates,
        description="Compares all pictures of a release with each other, and rejects what looks like another; "
        "false does not. Where `model` is a variable, those of each model are compared by themselves.",
    )

    consistency: Consistency | None = Field(
        None,
        description="Compares the colors of each picture with those of its group, at no cost: nothing is read again. "
        "Null does not.",
        examples=[{"by": ["product"], "max_distance": 8}],
    )

    def measures_needed(self) -> tuple[Chosen, ...]:
        """Return the measures to read from every picture, by name: those listed, and those that a decision needs."""
        names = {*ALWAYS_READ, *self.measures, *(check.partition(".")[0] for check in self.checks)}
        return tuple(self.measures.get(name) or chosen_measure(name) for name in sorted(names))

    def all_checks(self) -> Checks:
        """Return the checks to make: those that are always made, and the campaign's own over them."""
        return Checks(over_defaults(self.checks))

    def columns_needed(self) -> tuple[str, ...]:
        """Return the columns whose values a verdict needs: compared ones, and those that override ranges."""
        compared = {check.variable for check in self.checks.values() if check.variable is not None}
        return tuple(sorted(compared.union(self.all_checks().columns)))


def _label(label: str) -> str:
    if not re.fullmatch(_LABEL, label):
        raise mistake(
            f"{label[:80]!r} is no label.", "Take at most 40 letters a to z, digits, _ and -, a letter or digit first."
        )
    return label


def _output_label(label: str) -> str:
    if label == MAIN:
        raise mistake(f"{MAIN!r} is the output that postprocess.output describes.", "Choose another label.")
    return label


Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"})]
OutputLabel = Annotated[Label, AfterValidator(_output_label)]


class Output(Section):
    """The files of a release."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (), description="Further steps for this output alone, after those of `postprocess.steps`."
    )
    format: Format = Field("jpeg", description="File format of finished pictures: jpeg (.jpg), png, webp, or avif.")
    quality: int = Field(90, ge=1, le=100, description="Quality of JPEG, WebP and AVIF, 1 to 100; PNG has none.")
    most_kb: int | None = Field(
        None,
        ge=1,
        description="Largest file, in units of 1,000 bytes, for JPEG, WebP and AVIF: the quality is lowered from "
        "`quality` as far as it takes, and a picture that is still too large is not released.",
    )
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = Field(
        "#ffffff", description="What transparency becomes in JPEG, which has none: a color as #rrggbb."
    )
    name: TemplateText = Field(
        "{name}",
        description="File name, without extension. {name} is the picture's own name, {output} the label of the output "
        "(main for this one), {take} the take; columns and variables as in prompt. What no file system likes becomes a "
        "dash. No two files can share a name.",
        examples=["{name}-1600"],
    )

    @model_validator(mode="after")
    def _can_be_smaller(self) -> Output:
        if self.most_kb is not None and self.format == "png":
            raise mistake(
                "PNG has no quality that could be lowered.", "Take most_kb out, or choose jpeg, webp or avif."
            )
        return self

    @property
    def suffix(self) -> str:
        """What the files' names end in, with its dot."""
        return _SUFFIXES[self.format]

    @property
    def encoding(self) -> dict[str, Any]:
        """How files are written, as plain data; a later version's fields are left out where they are not used."""
        used = {
            field
            for field, about in Output.model_fields.items()
            if field in _FIRST_OF_ENCODING or getattr(self, field) != about.default
        }
        return self.model_dump(mode="json", include=used - {"steps", "name"})


class FurtherOutput(Output):
    """One more file of each picture."""

    name: TemplateText = Field(
        "{name}-{output}",
        description="File name, without extension, as in `postprocess.output.name`.",
        examples=["{name}-400"],
    )
    from_raw: bool = Field(
        False,
        description="true: the steps here begin with the picture as the provider made it, and not with what "
        "`postprocess.steps` made of it.",
    )


class Postprocess(Section):
    """How accepted pictures are finished. Changing this costs no call to a provider."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (),
        description="Steps in their order, each one a key with its settings. They are made once a picture, whatever "
        "the number of outputs.",
        examples=[[{"resize": {"width_px": 800}}]],
    )
    output: Output = Field(default_factory=Output, description="The files of a release.")
    more_outputs: Mapping[OutputLabel, FurtherOutput] = Field(
        default_factory=dict,
        description="Further files of each picture, by a label of your own, such as a thumbnail beside the large one. "
        "Changing one finishes only its files anew. A picture is released once all of its files are there.",
        examples=[{"web": {"steps": [{"resize": {"width_px": 400}}], "format": "webp", "quality": 80}}],
    )

    sheets: Mapping[Label, Sheet] = Field(
        default_factory=dict,
        description="Sprite sheets or contact sheets, by a label of your own: one picture a group, in `sheets/` of the "
        "release, with a JSON that says where each picture is on it. One is drawn again when a picture on it changed; "
        "this finishes no picture anew.",
        examples=[{"sprites": {"by": ["product"], "cell_width_px": 128, "cell_height_px": 128}}],
    )

    def outputs(self) -> dict[str, Output]:
        """Return all outputs by their labels, the main one first."""
        return {MAIN: self.output, **self.more_outputs}

    def steps_by_place(self) -> dict[str, Chosen]:
        """Return every step by where the configuration has it: ``postprocess.output.steps[0]``."""
        lists = {"steps": self.steps, "output.steps": self.output.steps}
        lists |= {f"more_outputs.{label}.steps": output.steps for label, output in self.more_outputs.items()}
        return {
            f"postprocess.{keys}[{place}]": step for keys, steps in lists.items() for place, step in enumerate(steps)
        }

    def steps_of(self, label: str) -> tuple[Chosen, ...]:
        """Return the steps from the raw picture to the files of an output."""
        output = self.outputs()[label]
        is_apart = isinstance(output, FurtherOutput) and output.from_raw
        return output.steps if is_apart else (*self.steps, *output.steps)


class Report(Section):
    """The contact sheet of a release."""

    title: Text | None = Field(None, description="Heading of the contact sheet; null is the campaign's name.")
    most_thumbnails: int = Field(
        2000, ge=0, description="Pictures the sheet shows at most, those that need attention first."
    )


class Campaign(Section):
    """Everything that ``config/config.yaml`` can say."""

    campaign: Text = Field(
        description="Name of the campaign, for the report and the journal.", examples=["Autumn mugs"]
    )
    catalog: Annotated[Text, AfterValidator(_catalog_path)] = Field(
        description="Path of the catalog, from the project's folder: .csv, .json, or .jsonl; one row a subject.",
        examples=["config/catalog.csv"],
    )
    prompt: TemplateText = Field(
        description="Prompt of every picture. {column} stands for the row's value in that column, or for a variable; "
        "{{ and }} are braces. At most 32,000 characters once the values are in.",
        examples=["Product photo of {product} on a white background, {angle}, {color}, high detail."],
    )
    negative_prompt: TemplateText | None = Field(
        None, description="What pictures must not show, for models that take it; placeholders as in prompt."
    )
    references: Annotated[tuple[TemplateText, ...], Strict(False)] = Field(
        (),
        description="Paths of the reference pictures that every request sends with its prompt, in their order, from "
        "the project's folder; placeholders as in prompt. PNG, JPEG or WebP. Their content is part of every key: a "
        "changed picture makes its users anew, a renamed one nothing.",
        examples=[["config/references/style.png", "config/references/{sku}.png"]],
    )
    mask: TemplateText | None = Field(
        None,
        description="Path of a mask, as in references: a PNG as large as the first reference picture, and transparent "
        "where that may be changed. Its content is part of every key.",
        examples=["config/references/{sku}-mask.png"],
    )
    name: TemplateText = Field(
        description="File name of every picture, without extension; placeholders as in prompt, and {take}. What no "
        "file system likes becomes a dash. No two pictures can share a name. The columns used here decide derived "
        "seeds, so naming by other columns makes other pictures.",
        examples=["{sku}_{color}"],
    )
    variables: Mapping[ColumnName, Values] = Field(
        default_factory=dict,
        description="Values that every row is crossed with: each row gets one picture for each combination of them. "
        "A variable is used like a column.",
        examples=[{"color": ["red", "teal"], "angle": ["front view", "side view"]}],
    )
    defaults: Mapping[ColumnName, Cell] = Field(
        default_factory=dict,
        description="What stands in for an empty cell, by column. An empty text says that the cell may stay empty.",
        examples=[{"material": "ceramic"}],
    )
    exclude: Annotated[tuple[Combination, ...], Strict(False)] = Field(
        (),
        description="Combinations to leave out. Each item names values of variables, and of columns to mean only some "
        "rows; a picture that has all of them is left out. A list means any of its values.",
        examples=[[{"color": "red", "angle": ["back view", "top view"]}, {"sku": "M-7", "color": "teal"}]],
    )
    include: Annotated[tuple[Combination, ...], Strict(False)] = Field(
        (),
        description="Combinations to add after exclude, also with values that variables does not list. Each item gives "
        "every variable a value, and can name values of columns to mean only some rows. A list means each of its "
        "values. One that is there already is not added twice.",
        examples=[[{"sku": "M-7", "color": "gold", "angle": "front view"}]],
    )
    takes: int = Field(
        1,
        ge=1,
        description="Pictures of each combination, with seeds of their own. With more than one, _{take} is added to "
        "names that do not use {take}; takes count from 1.",
    )
    seed: Seed = Field(Seed(derived=0), description="Where seeds come from.")
    only: Annotated[
        tuple[str, ...],
        Strict(False),
        BeforeValidator(_patterns),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field(
        (),
        description="Make only pictures whose names match one of these patterns, where * stands for anything and ? for "
        "one character: a list, or a text with commas, as in snakemake --config only='M-7_*,M-8_*'.",
        examples=[["M-7_*"]],
    )
    model: ModelSettings = Field(default_factory=ModelSettings, description="Who makes the pictures.")
    more_models: Mapping[Text, ModelSettings] = Field(
        default_factory=dict,
        description="Other models, by a label of your own that a column or variable `model`, or a rule of model_rules, "
        "can name. What an entry leaves out is as in model; one that gives a provider takes nothing from there.",
        examples=[
            {
                "fast": {"name": "gpt-image-1-mini"},
                "flux": {"provider": "openai", "name": "flux-dev", "base_url": "http://localhost:8000/v1"},
            }
        ],
    )
    model_rules: Annotated[tuple[ModelRule, ...], Strict(False)] = Field(
        (),
        description="Which requests another model than model makes. The first rule that holds decides; a value in the "
        "column or variable `model` comes before all of them.",
        examples=[[{"when": {"category": "mugs"}, "model": "fast"}]],
    )
    budget_usd: Budget = Field(
        default_factory=Budget,
        description="What may be spent, calls in flight included; what does not fit is left out with that reason.",
    )
    limits: Limits = Field(default_factory=Limits, description="How fast, and how often again.")
    attempts: Attempts = Field(default_factory=Attempts, description="What happens after a picture is rejected.")
    candidates: Candidates = Field(
        default_factory=Candidates,
        description="Several pictures of each attempt, of which the best one goes on. A request waits until all of "
        "them are there.",
    )
    validation: Validation = Field(default_factory=Validation, description="Which pictures are good enough.")
    postprocess: Postprocess = Field(default_factory=Postprocess, description="How accepted pictures are finished.")
    metadata: Metadata = Field(
        default_factory=Metadata, description="What goes with each released picture, to say where it came from."
    )
    c2pa: C2pa | None = Field(
        None,
        description="Content credentials (C2PA): the certificate that released pictures are signed with. Without this "
        "section nothing is signed and nothing claimed. `pip install 'imagemake[c2pa]'`.",
    )
    pilot: Pilot = Field(default_factory=Pilot, description="The small run before the large one.")
    small: Small = Field(default_factory=Small, description="The run between the pilot and the full one.")
    gates: Gates = Field(
        default_factory=Gates, description="What a stage must have come to before a later one may make pictures."
    )
    batch_size: int = Field(
        500,
        ge=1,
        description="Pictures one job handles at most; small runs are divided evenly, into 8 jobs a stage where that "
        "leaves 20 pictures or more to each. Starting a job costs about a second.",
    )
    alerts: Alerts = Field(
        default_factory=Alerts, description="Messages about a run, to mail, Slack, a webhook and so on."
    )
    report: Report = Field(default_factory=Report, description="The contact sheet of a release.")
    store: SharedStore = Field(
        default_factory=SharedStore, description="Pictures that a team shares, so that nobody pays for them twice."
    )
    publish: Publish = Field(default_factory=Publish, description="Where `imagemake publish` puts a release, and how.")
    models: Mapping[str, Mapping[str, ModelFacts]] = Field(
        default_factory=dict,
        description="What is known about models that this version does not know or knows wrongly, by provider and "
        "then by model: prices in USD, sizes in pixels, and so on. Facts are never part of a key.",
        examples=[{"openai": {"my-model": {"prices": {"as_of": "2026-11-01", "usd_per_picture": 0.02}}}}],
    )

    @model_validator(mode="before")
    @classmethod
    def _more_models_as_in_model(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "more_models" in data:
            return {**data, "more_models": as_in_model(data.get("model") or {}, data["more_models"])}
        return data

    @model_validator(mode="after")
    def _best_is_read(self) -> Campaign:
        read = [measure.name for measure in self.validation.measures_needed()]
        unread = [name for name in self.candidates.best if name.partition(".")[0] not in read]
        if unread:
            what = f"{', '.join(unread)} is not read from every picture."
            remedy = "Name its measure under validation.measures: {" + unread[0].partition(".")[0] + ": {}}."
            raise mistakes([Mistake(("candidates", "best"), what, remedy)])
        return self

    @model_validator(mode="after")
    def _labels_are_their_own(self) -> Campaign:
        if self.model.name in self.more_models:
            where = ("more_models", self.model.name)
            raise mistakes([Mistake(where, "this is the name of model itself.", "Choose another label.")])
        return self


def load_campaign(config: Mapping[str, Any], *, where: str = CONFIG) -> Campaign:
    """Check a configuration as Snakemake or a YAML parser read it.

    Args:
        config: Plain data.
        where: The file to name in problems.

    Raises:
        UserError: If anything is wrong: every mistake at once, each with its key, its value and a remedy.
    """
    try:
        return Campaign.model_validate(_plain(config))
    except ValidationError as error:
        raise UserError(problems_of(error, Campaign, where)) from error


def _plain(value: Any) -> Any:
    # Snakemake hands out mappings of its own kinds.
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
