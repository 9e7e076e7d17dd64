"""Makes the rows of the manifest from the states of requests and the journal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from imagemake.config.asked import REWRITE
from imagemake.config.checks import Checks
from imagemake.config.fields import MAIN
from imagemake.config.references import OWN_IMAGE
from imagemake.core.recipe import Json, canonical_json
from imagemake.plan.asked_about import asked_about
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import short_hex
from imagemake.plan.state import Past, Stage, State
from imagemake.plan.target import Target
from imagemake.release.manifest.calls import BROUGHT, CallsByKey
from imagemake.release.manifest.row import OF_OUTPUT, EarlierAttempt, ManifestRow, OutputFile, Value, Verdict
from imagemake.release.released_files import Released
from imagemake.stages.validate.answers import values_of_answers
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.store.answers import half_of
from imagemake.store.journal import Call, Outcome, read_calls
from imagemake.store.layout import IMAGES
from imagemake.store.ledger import Tally
from imagemake.store.store import Store, StoredFile

VERDICTS: Mapping[Stage, Verdict] = {
    Stage.DONE: "accepted",
    Stage.REVIEW: "review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused",
    Stage.KEPT: "failed",
    Stage.HELD: "failed",
}

_FILE = attrgetter(*OF_OUTPUT)


class Entries:
    """Makes the rows of the manifest.

    Args:
        target: The requests and the campaign.
        store: The store with finished images and the journal.
        left_out: Keys that did not fit into the budget.
        states: Where the requests stand; without them, no calls to models about images and prompts are counted. None
            if that is not known yet.
        calls: The calls for them; by default, those of the whole journal.
        also_about: What `asked_about` yields of other requests whose calls to models are to be counted, shortened.

    Raises:
        NotRememberedError: If calls to models are to be counted about requests that are not known yet.

    Attributes:
        asked: Sum of the calls that asked about the images and prompts of these, earlier attempts included.
        rewrites: Sum of those that asked for their prompts.
    """

    def __init__(
        self,
        target: Target,
        store: Store,
        left_out: Collection[str],
        states: Iterable[State] | None = (),
        *,
        calls: Iterable[Call] | None = None,
        also_about: Collection[int] = (),
    ) -> None:
        self._left_out = left_out
        self._target = target
        self._store = store
        self._calls = CallsByKey()
        self.asked, self.rewrites = Tally(), Tally()
        about = None if states is None else {half_of(one) for state in states for one in asked_about(state)}
        for call in read_calls(store.journal_folder) if calls is None else calls:
            if "kind" not in call.sent:
                self._calls.add(call)
            elif about is None:
                raise NotRememberedError
            elif half_of(call.sent["key"]) in about or short_hex(call.sent["key"]) in also_about:
                (self.rewrites if call.sent["kind"] == REWRITE else self.asked).add(call)

    @cached_property
    def _checks(self) -> Checks:
        return self._target.campaign.validation.all_checks()

    def generated_at(self, state: State) -> str | None:
        """Return when the raw image of the shown attempt arrived; None if the journal does not say."""
        calls = self._calls.of(state.key)
        if state.raw is None:
            return None
        return (calls.closed.get("origin") or {}).get("generated_at") if calls.is_shared else calls.closed.get("at")

    def entry(self, state: State, released: Mapping[str, Released] | None = None) -> ManifestRow:
        """Return the row of one request.

        Args:
            state: The state of the request.
            released: Its released files, by output. By default, its finished images in the store.
        """
        verdict, reasons = self._verdict(state)
        calls = self._calls.of(state.key)
        closed = calls.closed
        gpu = closed.get("gpu") or {}
        files = self._files(state, released or {}) if verdict == "accepted" else {}
        main = files.pop(MAIN, None)
        request, recipe = state.request, state.recipe
        label = request.model or recipe.model
        checks = self._checks.of(request.variables, label)
        return ManifestRow(
            name=request.name,
            verdict=verdict,
            prompt=recipe.prompt,
            negative_prompt=recipe.negative_prompt,
            provider=recipe.provider,
            model=recipe.model,
            model_label=label,
            seed=recipe.seed,
            seed_use=closed.get("seed_use"),
            seed_used=closed.get("seed_used"),
            model_used=closed.get("model_used"),
            parameters={name: _in_cell(value) for name, value in recipe.parameters.items()},
            model_files=recipe.model_files,
            key=state.key,
            catalog_row=request.row,
            take=request.take,
            variables=request.variables,
            references=request.attached.references,
            reference_digests=tuple("" if one.startswith(OWN_IMAGE) else one for one in request.attached.digests),
            mask=request.attached.mask if recipe.mask == request.attached.mask_digest else None,
            mask_digest=recipe.mask,
            reasons=reasons,
            attempt=state.attempt,
            attempts=state.attempt + bool(calls.n or state.raw),
            made_by=state.made_by,
            note=state.note,
            request_id=closed.get("request_id"),
            generated_at=self.generated_at(state),
            seconds=closed.get("seconds"),
            gpu=gpu.get("card"),
            gpu_seconds=gpu.get("seconds"),
            energy_wh=gpu.get("energy_wh"),
            cost_usd=calls.cost_usd,
            unknown_calls=calls.unknown_calls,
            unknown_worst_usd=calls.unknown_worst_usd,
            **(dict(zip(OF_OUTPUT, _FILE(main), strict=True)) if main else {}),
            outputs=files,
            raw_digest=state.raw.digest if state.raw else None,
            measures={
                **values_of(state.measured, checks, Expected(recipe.prompt, request.variables)),
                **values_of_answers(state.questions, state.measured),
            },
            tries=calls.n,
            shared=calls.is_shared and state.raw is not None,
            history=tuple(self._earlier(past) for past in state.past),
            closed_at=str(closed.get("at", "")),
            by_people=by_people(state),
        )

    def _files(self, state: State, released: Mapping[str, Released]) -> dict[str, OutputFile]:
        names = self._target.file_names.of(state.request)
        return {
            output: self._file(names[output], stored, released.get(output)) for output, stored in state.files.items()
        }

    def _file(self, name: str, stored: StoredFile, released: Released | None) -> OutputFile:
        if released is not None and released.size_px is not None:
            width_px, height_px = released.size_px
        else:
            width_px, height_px = _size_px(self._store.finished.path(stored))
        return OutputFile(
            file=f"{IMAGES}/{name}",
            width_px=width_px,
            height_px=height_px,
            bytes=released.bytes if released else self._store.finished.path(stored).stat().st_size,
            digest=released.digest if released else stored.digest,
            finished_digest=stored.digest,
        )

    def _verdict(self, state: State) -> tuple[Verdict, tuple[str, ...]]:
        reasons = tuple(map(str, state.reasons))
        if state.stage in VERDICTS:
            return VERDICTS[state.stage], reasons
        calls = self._calls.of(state.key)
        if calls.outcome is not None and state.stage is Stage.GENERATE:
            outcome = calls.outcome
            if outcome not in (*BROUGHT, Outcome.WAITING):
                return "failed", (f"{outcome.value}: {calls.closed.get('message', 'no answer came; possibly billed')}",)
        if state.stage is Stage.WAITING:
            return "pending", reasons
        if state.key in self._left_out:
            return "pending", ("budget: it did not fit into the budget",)
        return "pending", (f"{state.stage.value}: {state.why}",)

    def _earlier(self, past: Past) -> EarlierAttempt:
        calls = self._calls.of(past.key)
        closed = calls.closed
        return EarlierAttempt(
            attempt=past.attempt,
            key=past.key,
            prompt=past.recipe.prompt,
            seed=past.recipe.seed,
            reasons=[str(reason) for reason in past.reasons],
            raw_digest=past.raw.digest if past.raw else None,
            cost_usd=calls.cost_usd,
            seconds=closed.get("seconds"),
            gpu_seconds=(closed.get("gpu") or {}).get("seconds"),
            energy_wh=(closed.get("gpu") or {}).get("energy_wh"),
            tries=calls.n,
            unknown_calls=calls.unknown_calls,
            unknown_worst_usd=calls.unknown_worst_usd,
            made_by=past.made_by,
            note=past.note,
        )


def by_people(state: State) -> tuple[bool, ...]:
    """Return what people decided about images that checks rejected, where the policy is `person`: who was approved."""
    found = [False for past in state.past if past.by_person]
    return (*found, state.is_accepted) if state.by_person else tuple(found)


def _in_cell(value: Json) -> Value:
    return value if isinstance(value, str | int | float | bool) else canonical_json(value).decode()


def _size_px(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as image:  # reads only the header; the file is our own
        return image.size
