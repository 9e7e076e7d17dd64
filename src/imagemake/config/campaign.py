"""What a campaign wants, as types: ``config/config.yaml`` is exactly this, and its reference page is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from imagemake.config.attempts import Attempts, Candidates, Seed
from imagemake.config.fields import Cell, ColumnName, Section, TemplateText, Text, Values
from imagemake.config.model import ModelRule, ModelSettings, as_in_model
from imagemake.config.models import ModelFacts
from imagemake.config.outputs import Postprocess
from imagemake.config.provenance import C2pa, Metadata
from imagemake.config.remotes import Publish, SharedStore
from imagemake.config.run import Alerts, Budget, Limits
from imagemake.config.stages import Gates, Pilot, Small
from imagemake.config.validation import Validation
from imagemake.core.mistakes import Mistake, mistake, mistakes, problems_of
from imagemake.core.problems import UserError

CONFIG = "config/config.yaml"
CATALOG_SUFFIXES = (".csv", ".json", ".jsonl")

Combination = Mapping[ColumnName, Values]


def _catalog_path(path: str) -> str:
    if PurePath(path).suffix.lower() not in CATALOG_SUFFIXES:
        raise mistake(f"{path!r} is no catalog.", f"Give a file that ends in one of {', '.join(CATALOG_SUFFIXES)}.")
    return path


def _patterns(raw: Any) -> Any:
    patterns = raw if isinstance(raw, list | tuple) else str(raw).split(",")
    return tuple(stripped for pattern in patterns if (stripped := str(pattern).strip()))


class ReportSettings(Section):
    """The contact sheet of a release."""

    title: Text | None = Field(None, description="Heading of the contact sheet; null is the campaign's name.")
    max_thumbnails: int = Field(
        2000, ge=0, description="Images the sheet shows at most, those that need attention first."
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
        description="Prompt of every image. {column} stands for the row's value in that column, or for a variable; "
        "{{ and }} are braces. At most 32,000 characters once the values are in.",
        examples=["Product photo of {product} on a white background, {angle}, {color}, high detail."],
    )
    negative_prompt: TemplateText | None = Field(
        None, description="What images must not show, for models that take it; placeholders as in prompt."
    )
    references: Annotated[tuple[TemplateText, ...], Strict(False)] = Field(
        (),
        description="Paths of the reference images that every request sends with its prompt, in their order, from "
        "the project's folder; placeholders as in prompt. PNG, JPEG or WebP. Their content is part of every key: a "
        "changed image makes its users anew, a renamed one nothing.",
        examples=[["config/references/style.png", "config/references/{sku}.png"]],
    )
    mask: TemplateText | None = Field(
        None,
        description="Path of a mask, as in references: a PNG as large as the first reference image, and transparent "
        "where that may be changed. Its content is part of every key.",
        examples=["config/references/{sku}-mask.png"],
    )
    name: TemplateText = Field(
        description="File name of every image, without extension; placeholders as in prompt, and {take}. What no "
        "file system likes becomes a dash. No two images can share a name. The columns used here decide derived "
        "seeds, so naming by other columns makes other images.",
        examples=["{sku}_{color}"],
    )
    variables: Mapping[ColumnName, Values] = Field(
        default_factory=dict,
        description="Values that every row is crossed with: each row gets one image for each combination of them. "
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
        "rows; an image that has all of them is left out. A list means any of its values.",
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
        description="Images of each combination, with seeds of their own. With more than one, _{take} is added to "
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
        description="Make only images whose names match one of these patterns, where * stands for anything and ? for "
        "one character: a list, or a text with commas, as in snakemake --config only='M-7_*,M-8_*'.",
        examples=[["M-7_*"]],
    )
    model: ModelSettings = Field(default_factory=ModelSettings, description="Who makes the images.")
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
    attempts: Attempts = Field(default_factory=Attempts, description="What happens after an image is rejected.")
    candidates: Candidates = Field(
        default_factory=Candidates,
        description="Several images of each attempt, of which the best one goes on. A request waits until all of "
        "them are there.",
    )
    validation: Validation = Field(default_factory=Validation, description="Which images are good enough.")
    postprocess: Postprocess = Field(default_factory=Postprocess, description="How accepted images are finished.")
    metadata: Metadata = Field(
        default_factory=Metadata, description="What goes with each released image, to say where it came from."
    )
    c2pa: C2pa | None = Field(
        None,
        description="Content credentials (C2PA): the certificate that released images are signed with. Without this "
        "section nothing is signed and nothing claimed. `pip install 'imagemake[c2pa]'`.",
    )
    pilot: Pilot = Field(default_factory=Pilot, description="The small run before the large one.")
    small: Small = Field(default_factory=Small, description="The run between the pilot and the full one.")
    gates: Gates = Field(
        default_factory=Gates, description="What a stage must have come to before a later one may make images."
    )
    batch_size: int = Field(
        500,
        ge=1,
        description="Images one job handles at most; small runs are divided evenly, into 8 jobs a stage where that "
        "leaves 20 images or more to each. Starting a job costs about a second.",
    )
    alerts: Alerts = Field(
        default_factory=Alerts, description="Messages about a run, to mail, Slack, a webhook and so on."
    )
    report: ReportSettings = Field(default_factory=ReportSettings, description="The contact sheet of a release.")
    store: SharedStore = Field(
        default_factory=SharedStore, description="Images that a team shares, so that nobody pays for them twice."
    )
    publish: Publish = Field(default_factory=Publish, description="Where `imagemake publish` puts a release, and how.")
    models: Mapping[str, Mapping[str, ModelFacts]] = Field(
        default_factory=dict,
        description="What is known about models that this version does not know or knows wrongly, by provider and "
        "then by model: prices in USD, sizes in pixels, and so on. Facts are never part of a key.",
        examples=[{"openai": {"my-model": {"prices": {"as_of": "2026-11-01", "usd_per_image": 0.02}}}}],
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
            what = f"{', '.join(unread)} is not read from every image."
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
