"""The types of ``config/config.yaml``. Its reference page and its JSON schema are generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict, model_validator

from imagemake.config.asked import Asker
from imagemake.config.attempts import Attempts, Candidates, Remedy, Seed
from imagemake.config.checks import DOUBTFUL_MASK, MASK_DOUBT
from imagemake.config.exports import ReleaseSettings, ReportSettings
from imagemake.config.fields import CONFIG, Cell, ColumnName, Patterns, Section, TemplateText, Text, Values
from imagemake.config.model import ModelSettings
from imagemake.config.models import ModelFacts
from imagemake.config.outputs import Postprocess
from imagemake.config.prompts import Prompts
from imagemake.config.provenance import C2pa, Metadata
from imagemake.config.references import ImageReference
from imagemake.config.remotes import Publish, SharedStore
from imagemake.config.run import Alerts, Budget, Limits, Monitor
from imagemake.config.several_models import ModelRule, as_in_model
from imagemake.config.spelled import plain_config
from imagemake.config.stages import Gates, Pilot, Small
from imagemake.config.validation import Validation
from imagemake.core.mistakes import Mistake, mistake, mistakes, problems_of, validated
from imagemake.core.problems import UserError

CATALOG_SUFFIXES = (".csv", ".json", ".jsonl")

Combination = Mapping[ColumnName, Values]


def _catalog_path(path: str) -> str:
    if PurePath(path).suffix.lower() not in CATALOG_SUFFIXES:
        remedy = (
            f"Use a file that ends in one of {', '.join(CATALOG_SUFFIXES)}; in a spreadsheet, export as 'CSV UTF-8'."
        )
        raise mistake(f"{path!r} is not a catalog.", remedy)
    return path


class Campaign(Section):
    """The whole of ``config/config.yaml``."""

    campaign: Text = Field(
        description="Name of the campaign. It appears in the report and the journal.", examples=["Autumn mugs"]
    )
    catalog: Annotated[Text, AfterValidator(_catalog_path)] = Field(
        description="Path of the catalog, relative to the project: .csv, .json, or .jsonl, with one row per subject.",
        examples=["config/catalog.csv"],
    )
    prompt: TemplateText = Field(
        description="Prompt template. {column} is replaced by the row's value in that column, or by a variable; write "
        "{{ and }} for braces. The rendered prompt has at most 32,000 characters.",
        examples=["Product photo of {product} on a white background, {angle}, {color}, high detail."],
    )
    prompts: Prompts = Field(default_factory=Prompts, description="What is checked about prompts before they cost.")
    negative_prompt: TemplateText | None = Field(
        None,
        description="What images must not show, for models that accept negative prompts; placeholders as in prompt.",
    )
    references: Annotated[tuple[TemplateText | ImageReference, ...], Strict(False)] = Field(
        (),
        description="Paths of reference images, relative to the project; placeholders as in prompt. PNG, JPEG, or "
        "WebP. Every request sends them in this order. Their content is part of the key: a changed file generates the "
        "images that use it again; a renamed one does not. `image:NAME` is another image of the campaign, which is "
        "made first; `{image: NAME, after: approval}` waits until a person approves it. An image does not refer to "
        "itself: for the image of that name, the reference is left out.",
        examples=[["config/references/style.png", "image:{sku}_hero"]],
    )
    mask: TemplateText | None = Field(
        None,
        description="Path of a mask, as in references: a PNG of the size of the first reference image, transparent "
        "where the model may change it. Its content is part of the key.",
        examples=["config/references/{sku}-mask.png"],
    )
    name: TemplateText = Field(
        description="File name of each image, without extension; placeholders as in prompt, and {take}. Characters "
        "that file systems reject become a dash. Names must be unique. Derived seeds depend on the columns used here: "
        "naming by other columns generates other images.",
        examples=["{sku}_{color}"],
    )
    variables: Mapping[ColumnName, Values] = Field(
        default_factory=dict,
        description="Values to combine with every row: each row gets one image per combination. Use a variable like a "
        "column.",
        examples=[{"color": ["red", "teal"], "angle": ["front view", "side view"]}],
    )
    defaults: Mapping[ColumnName, Cell] = Field(
        default_factory=dict,
        description="Values for empty cells, by column. An empty text allows the cell to be empty.",
        examples=[{"material": "ceramic"}],
    )
    exclude: Annotated[tuple[Combination, ...], Strict(False)] = Field(
        (),
        description="Combinations to leave out. Each item gives values of variables, and of columns to select rows. An "
        "image that matches all of them is left out. A list matches any of its values.",
        examples=[[{"color": "red", "angle": ["back view", "top view"]}, {"sku": "M-7", "color": "teal"}]],
    )
    include: Annotated[tuple[Combination, ...], Strict(False)] = Field(
        (),
        description="Combinations to add after exclude, also with values that variables does not list. Each item gives "
        "every variable a value, and can give values of columns to select rows. A list adds each of its values. An "
        "existing combination is not added twice.",
        examples=[[{"sku": "M-7", "color": "gold", "angle": "front view"}]],
    )
    takes: int = Field(
        1,
        ge=1,
        description="Images per combination, each with its own seed. If more than 1, _{take} is appended to names "
        "without {take}. Takes count from 1.",
    )
    max_requests: int = Field(
        1_000_000,
        ge=1,
        description="Most images that a campaign may request: rows times combinations times takes. It stops a mistake "
        "before anything is planned.",
    )
    seed: Seed = Field(Seed(derived=0), description="Where seeds come from.")
    only: Patterns = Field(
        (),
        description="Generate only images whose names match one of these patterns; * matches anything, ? one "
        "character. A list, or text with commas, as in snakemake --config only='M-7_*,M-8_*'.",
        examples=[["M-7_*"]],
    )
    model: ModelSettings = Field(
        default_factory=ModelSettings, description="The provider and model that make the images."
    )
    more_models: Mapping[Text, ModelSettings] = Field(
        default_factory=dict,
        description="Other models, by a label of your choice. A column or variable `model`, or a rule in model_rules, "
        "selects one. What an entry leaves out is taken from model, unless the entry names a provider or a preset.",
        examples=[
            {
                "fast": {"name": "gpt-image-1-mini"},
                "flux": {"provider": "openai", "name": "flux-dev", "base_url": "http://localhost:8000/v1"},
            }
        ],
    )
    model_rules: Annotated[tuple[ModelRule, ...], Strict(False)] = Field(
        (),
        description="Rules that select another model for some requests. The first match decides. A value in the column "
        "or variable `model` overrides all rules.",
        examples=[[{"when": {"category": "mugs"}, "model": "fast"}]],
    )
    budget_usd: Budget = Field(
        default_factory=Budget,
        description="The most to spend, including calls in flight. Images that do not fit are left out, with that "
        "reason.",
    )
    limits: Limits = Field(default_factory=Limits, description="Rates, retries, and waiting times of calls.")
    attempts: Attempts = Field(default_factory=Attempts, description="What happens after an image is rejected.")
    candidates: Candidates = Field(
        default_factory=Candidates,
        description="Several images per attempt, of which the best one is used. A request waits for all of them.",
    )
    validation: Validation = Field(default_factory=Validation, description="Which images are accepted.")
    postprocess: Postprocess = Field(default_factory=Postprocess, description="How accepted images are postprocessed.")
    release: ReleaseSettings = Field(
        default_factory=ReleaseSettings, description="What a release contains besides its images."
    )
    metadata: Metadata = Field(default_factory=Metadata, description="What each released image says about its origin.")
    c2pa: C2pa | None = Field(
        None,
        description="Content credentials (C2PA): the certificate that signs released images. Without this section, "
        "nothing is signed. Needs `pip install 'imagemake[c2pa]'`.",
    )
    pilot: Pilot = Field(default_factory=Pilot, description="The small run before the full one.")
    small: Small = Field(default_factory=Small, description="The run between the pilot and the full one.")
    gates: Gates = Field(
        default_factory=Gates, description="What a stage must reach before a later one may generate images."
    )
    batch_size: int = Field(
        500,
        ge=1,
        description="Most images per job. Small runs are split evenly into 4 to 8 jobs per stage, one per core, "
        "with at least 120 images each. Starting a job takes about a second.",
    )
    job_minutes: float | None = Field(
        None,
        gt=0,
        description="How long a job should take, in minutes, by what earlier calls and jobs took; for clusters, where "
        "each job waits in a queue. Jobs still have at most batch_size images. Until calls and jobs were timed, such "
        "as in a pilot, batch_size alone decides.",
        examples=[30],
    )
    alerts: Alerts = Field(
        default_factory=Alerts, description="Messages about a run, sent to email, Slack, a webhook, and so on."
    )
    monitor: Monitor = Field(
        default_factory=Monitor, description="Metrics for Prometheus, and traces for OpenTelemetry."
    )
    report: ReportSettings = Field(default_factory=ReportSettings, description="The contact sheet of a release.")
    store: SharedStore = Field(
        default_factory=SharedStore, description="A store that a team shares: its images are fetched, not paid for."
    )
    publish: Publish = Field(
        default_factory=Publish, description="Where and how `imagemake publish` uploads a release."
    )
    models: Mapping[str, Mapping[str, ModelFacts]] = Field(
        default_factory=dict,
        description="Facts that add to or correct the built-in model table, by provider and then by model: prices in "
        "USD, sizes in pixels, and so on. Facts are never part of a key.",
        examples=[{"openai": {"my-model": {"prices": {"as_of": "2026-11-01", "usd_per_image": 0.02}}}}],
    )

    @property
    def askers(self) -> list[Asker]:
        """All models that are asked about images and prompts, or for prompts."""
        rewriter = self.attempts.rewrite.asker() if self.attempts.rewrite else None
        others = [one for one in (self.prompts.asker, rewriter) if one is not None]
        return [*self.validation.asked.askers, *others]

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
            remedy = "Add its measure to validation.measures: {" + unread[0].partition(".")[0] + ": {}}."
            raise mistakes([Mistake(("candidates", "best"), what, remedy)])
        return self

    @model_validator(mode="after")
    def _has_next_models(self) -> Campaign:
        codes = [code for code, remedy in self.attempts.policy.items() if remedy is Remedy.NEXT_MODEL]
        if codes and all(len(rule.model) == 1 for rule in self.model_rules):
            what = "no request has a next model."
            remedy = "List several in order of preference: model_rules: [{model: [FIRST, NEXT]}]."
            raise mistakes([Mistake(("attempts", "policy", code), what, remedy) for code in codes])
        return self

    @model_validator(mode="after")
    def _batches_have_a_disk(self) -> Campaign:
        """Submissions of batches are kept under locks of a disk."""
        waiting: list[tuple[str, ...]] = [
            ("more_models", label) for label, one in self.more_models.items() if one.mode != "sync"
        ]
        waiting += [("model",)] if self.model.mode != "sync" else []
        waiting += [("validation", "measures", one.name) for one in self.validation.asked.askers if one.in_batches]
        if waiting and self.store.whole is not None:
            what = (
                "with the store in a bucket (store.share: everything), batches of the provider are refused: "
                "locks of a disk keep two jobs from paying for one batch."
            )
            remedy = "Set mode: sync. Half the price needs store.share: images, and jobs that share a disk."
            raise mistakes([Mistake((*where, "mode"), what, remedy) for where in waiting])
        return self

    @model_validator(mode="after")
    def _labels_are_their_own(self) -> Campaign:
        if self.model.name in self.more_models:
            where = ("more_models", self.model.name)
            raise mistakes([Mistake(where, "this is the name of the main model.", "Choose another label.")])
        return self


def load_campaign(config: Mapping[str, Any], *, where: str = CONFIG) -> Campaign:
    """Validate a configuration that Snakemake or a YAML parser read.

    Args:
        config: Plain data.
        where: The file to name in errors.

    Raises:
        UserError: With every mistake at once, each with its key, value, and remedy.
    """
    found = validated(Campaign, plain_config(config))
    if isinstance(found, list):
        raise UserError(problems_of(found, where))
    return _with_doubtful_masks_reviewed(found)


def _with_doubtful_masks_reviewed(campaign: Campaign) -> Campaign:
    checks = campaign.validation.checks
    steps = campaign.postprocess.steps_by_place().values()
    cuts_out = any(step.name == "remove_background" and not step.settings.get("model") for step in steps)
    if MASK_DOUBT in checks or not cuts_out:
        return campaign
    validation = campaign.validation.model_copy(update={"checks": {**checks, MASK_DOUBT: DOUBTFUL_MASK}})
    return campaign.model_copy(update={"validation": validation})
