"""The row model: each request is one row of the manifest, and each fact about it is one field.

Everything else follows from these fields: the order and types of the columns in CSV and Parquet, the JSON schemas of
manifest and sidecars, and the table in docs/reference/manifest.md. To add a column, add a field here and its value in
`imagemake.release.manifest.entries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from imagemake.release.manifest.columns import DIGEST, Column, Group, columns_of, groups_of

# Raise the second number when a column is added, the first when one is removed or its meaning changes.
MANIFEST_VERSION = "2.0"

Value = str | int | float | bool
Verdict = Literal["accepted", "rejected", "review", "refused", "failed", "pending"]


class EarlierAttempt(TypedDict):
    """An attempt before the shown one. The cost is unknown if `cost_usd` is None or absent."""

    attempt: int
    key: str
    prompt: str
    seed: int
    reasons: Sequence[str]
    raw_digest: str | None
    cost_usd: NotRequired[float | None]
    seconds: NotRequired[float | None]
    gpu_seconds: NotRequired[float | None]
    energy_wh: NotRequired[float | None]
    tries: NotRequired[int]
    unknown_calls: NotRequired[int]
    unknown_worst_usd: NotRequired[float | None]
    made_by: NotRequired[str]
    note: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A released file. `ManifestRow` describes the fields: it has the same ones for the main output."""

    file: str
    width_px: int
    height_px: int
    bytes: int
    digest: str
    finished_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One request and its result.

    Attributes:
        outputs: The image in additional outputs, by label: columns such as ``output.web.file``.
        closed_at: When the call ended that the shown attempt is known by, ISO 8601 in UTC; empty without one. It is no
            column.

    The annotations describe all other fields.
    """

    name: Annotated[str, Column("The request's name, unique in a release")]
    file: Annotated[
        str | None, Column("Path of the released image in the release folder; empty if there is no image")
    ] = None
    verdict: Annotated[
        Verdict,
        Column(
            "accepted, or why not: review (awaiting review), rejected (every attempt failed validation), refused (by "
            "the provider), failed (by an error), pending (not made by this run)"
        ),
    ]
    reasons: Annotated[
        tuple[str, ...], Column("Why the image is not accepted; the text before the first colon is the reason's code")
    ] = ()
    prompt: Annotated[str, Column("The prompt that was sent for the shown attempt", in_sidecar="prompt")]
    negative_prompt: Annotated[str | None, Column("What the image must not show", in_sidecar="prompt")] = None
    provider: Annotated[str, Column("Registered name of the provider")]
    model: Annotated[str, Column("Model name with its version")]
    model_label: Annotated[
        str | None, Column("The campaign's name for the model: a label in more_models, or the model name")
    ] = None
    seed: Annotated[int, Column("Seed of the shown attempt")]
    seed_use: Annotated[
        str | None,
        Column("What became of the seed: sent, not sent (the API takes none), or set by the server; empty if unknown"),
    ] = None
    seed_used: Annotated[int | None, Column("The seed that the server named in its response")] = None
    model_used: Annotated[str | None, Column("The version of the model that the response named")] = None
    key: Annotated[str, Column("Key of the shown attempt: SHA-256 of its recipe", pattern=DIGEST)]
    attempt: Annotated[int, Column("Number of the shown attempt, from 0; pages and commands count from 1")] = 0
    attempts: Annotated[int, Column("Number of attempts that were made")] = 0
    made_by: Annotated[
        str,
        Column(
            "What led to the shown attempt after a rejection: patch (another seed, and a patch if there is one), "
            "regenerate (another seed), rewrite, repair (the rejected image was sent back), next_model, or review (a "
            "person asked for it); empty for the first attempt"
        ),
    ] = ""
    note: Annotated[str, Column("Why the shown attempt was patched and not rewritten; empty otherwise")] = ""
    catalog_row: Annotated[int, Column("Row of the catalog, as counted in the file")]
    take: Annotated[int, Column("Number of the take, from 1")] = 1
    references: Annotated[tuple[str, ...], Column("Paths of the reference images that were sent, in order")] = ()
    reference_digests: Annotated[tuple[str, ...], Column("SHA-256 of each reference image's content")] = ()
    mask: Annotated[str | None, Column("Path of the mask that was sent; empty for a repair's own mask")] = None
    mask_digest: Annotated[str | None, Column("SHA-256 of the mask that was sent, also of a repair's own")] = None
    request_id: Annotated[str | None, Column("The provider's ID of the call")] = None
    generated_at: Annotated[str | None, Column("When the raw image arrived, in UTC", kind="time")] = None
    seconds: Annotated[float | None, Column("Duration of the call for the shown attempt", unit="s")] = None
    gpu: Annotated[str | None, Column("The GPU that made the shown attempt's raw image, if a job watched it")] = None
    gpu_seconds: Annotated[
        float | None, Column("How long that image kept GPUs busy; empty if that was not measured", unit="s")
    ] = None
    energy_wh: Annotated[float | None, Column("What the GPU used meanwhile; empty if unknown", unit="Wh")] = None
    cost_usd: Annotated[
        float | None, Column("Cost of all answered calls for the shown attempt; empty if unknown", unit="USD")
    ] = None
    spent_usd: Annotated[
        float | None, Column("Cost of all attempts together; empty if the cost of one is unknown", unit="USD")
    ] = field(init=False, default=None)
    unknown_calls: Annotated[
        int, Column("Number of calls without an answer; each may have been billed in addition to the cost")
    ] = 0
    unknown_worst_usd: Annotated[
        float | None, Column("Most that the calls without an answer can have cost; empty if unknown", unit="USD")
    ] = None
    width_px: Annotated[int | None, Column("Width of the released image", unit="px")] = None
    height_px: Annotated[int | None, Column("Height of the released image", unit="px")] = None
    bytes: Annotated[int | None, Column("Size of the released file", unit="B")] = None
    digest: Annotated[str | None, Column("SHA-256 of the released file", pattern=DIGEST)] = None
    finished_digest: Annotated[
        str | None, Column("SHA-256 of the same image in the store, without XMP", pattern=DIGEST)
    ] = None
    raw_digest: Annotated[
        str | None,
        Column("SHA-256 of the shown attempt's raw image; empty if there is none", pattern=DIGEST),
    ] = None
    tries: Annotated[int, Column("Number of calls ever made for the shown attempt's key")] = 0
    shared: Annotated[
        bool, Column("Whether the raw image came from the team store, so that someone else paid for it")
    ] = False
    history: Annotated[
        tuple[EarlierAttempt, ...], Column("Earlier attempts, oldest first: a list of objects", kind="json")
    ] = ()
    variables: Annotated[
        Mapping[str, str], Group("variable", "Value of a placeholder: a column of the catalog, or a variable")
    ] = field(default_factory=dict)
    parameters: Annotated[
        Mapping[str, Value],
        Group("parameter", "A parameter that was sent; lists and mappings as JSON"),
    ] = field(default_factory=dict)
    model_files: Annotated[
        Mapping[str, Value],
        Group("model_file", "SHA-256 of a file or folder of yours that the model was made of, such as weights"),
    ] = field(default_factory=dict)
    measures: Annotated[
        Mapping[str, Value],
        Group("measure", "A quantity that was measured in the raw image; docs/reference/measures.md lists the units"),
    ] = field(default_factory=dict)
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    closed_at: str = ""
    by_people: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        """Add up what all attempts cost."""
        costs = [earlier.get("cost_usd") for earlier in self.history]
        if self.made:
            costs.append(self.cost_usd)
        known = [cost for cost in costs if cost is not None]
        spent_usd = round(sum(known), 9) if len(known) == len(costs) else None
        object.__setattr__(self, "spent_usd", spent_usd)

    @property
    def made(self) -> bool:
        """Whether the provider was called for the shown attempt."""
        return self.tries > 0 or self.raw_digest is not None

    def facts(self) -> dict[str, Any]:
        """Return all fields by name; their values are not copied."""
        return dict(zip(_FIELDS, _VALUES(self), strict=True))


COLUMNS = columns_of(ManifestRow)
GROUPS = groups_of(ManifestRow)
# Columns of each additional output, such as `output.web.file`.
OF_OUTPUT = tuple(one.name for one in fields(OutputFile))
_FIELDS = tuple(one.name for one in fields(ManifestRow))
_VALUES = attrgetter(*_FIELDS)
