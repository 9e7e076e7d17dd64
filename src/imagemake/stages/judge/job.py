"""Judge the images of a batch: ask what no answer is kept of, about images that other checks do not reject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imagemake.config.asked import Asked, Wanted
from imagemake.config.checks import Checks
from imagemake.config.job_settings import JobSettings
from imagemake.config.models import load_models
from imagemake.config.validation import Validation
from imagemake.core.text import counted
from imagemake.plugins.measures.judge import AUTO
from imagemake.stages.judge.asking import Means, ask_all
from imagemake.stages.judge.calls import Call, call_to_derive, calls_about
from imagemake.stages.judge.known import KnownAnswers
from imagemake.stages.validate.answers import still_to_ask
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Status, judge
from imagemake.store.items import FailureReason, Item, ItemFailure
from imagemake.store.progress import JobProgress

KIND_OF_QUESTIONS = "questions"


def judge_for_job(
    items: Sequence[Item],
    job_settings: JobSettings,
    *,
    job: str,
    calls: int,
    store: Path,
    work: Path,
    progress: JobProgress | None = None,
) -> list[Item]:
    """Ask about the images of a batch.

    Args:
        items: Items with their raw images and measures; those without pass through.
        job_settings: The campaign's sections ``campaign``, ``validation``, ``models``, ``budget_usd``, and ``limits``.
        job: Name for the journal file.
        calls: Concurrent calls.
        store: Folder of the store.
        work: Folder of the rates that jobs share.
        progress: Takes the progress of the job; None if nobody reads it.

    Returns:
        The items in order, with their answers among the measures. One whose questions got no answer has a failure.

    Raises:
        StoppedError: If no call can succeed until the user acts.
    """
    means = Means(
        job_settings.campaign,
        job_settings.limits,
        job_settings.budget_usd,
        load_models(job_settings.models),
        store,
        work,
        job,
        calls,
    )
    return _Judging(job_settings.validation, means, progress).of(items)


class _Judging:
    def __init__(self, validation: Validation, means: Means, progress: JobProgress | None) -> None:
        self._validation, self._means, self._progress = validation, means, progress
        self._asked: Asked = validation.asked
        self._checks: Checks = validation.all_checks()

    def of(self, items: Sequence[Item]) -> list[Item]:
        wanted = {place: self._wanted(item) for place, item in enumerate(items) if self._is_to_be_asked(item)}
        known = KnownAnswers(self._means.store)
        open_ones = {place: items[place] for place, missing in self._missing(items, wanted, known).items() if missing}
        failures = self._derive(open_ones, wanted, known)
        known = KnownAnswers(self._means.store)
        failures |= self._ask(items, wanted, known)
        known = KnownAnswers(self._means.store)
        judged = [
            self._with_answers(item, wanted[place], known, failures.get(place)) if place in wanted else item
            for place, item in enumerate(items)
        ]
        if self._progress is not None:
            failed = sum(judged[place].failure is not None for place in wanted)
            self._progress.end(done=len(items) - failed, failed=failed)
        return judged

    def _wanted(self, item: Item) -> list[Wanted]:
        return self._asked.wanted(item.own_prompt or item.recipe.prompt, item.variables, item.questions)

    def _is_to_be_asked(self, item: Item) -> bool:
        if item.raw is None:
            return False
        checks = self._checks.of(item.variables, item.model or item.recipe.model)
        verdict = judge(
            values_of(item.measures, checks, Expected(item.recipe.prompt, item.variables)),
            item.recipe.parameters,
            checks,
            formats=self._validation.formats,
            size_as_requested=self._validation.size == "requested",
        )
        return verdict.status is not Status.REJECTED

    @staticmethod
    def _missing(
        items: Sequence[Item], wanted: Mapping[int, Sequence[Wanted]], known: KnownAnswers
    ) -> dict[int, list[Wanted]]:
        found = {}
        for place, own in wanted.items():
            item = items[place]
            assert item.raw is not None
            missing = still_to_ask(own, item.measures)
            kept = known.about(item.raw.digest, missing, item.questions) if missing else {}
            found[place] = still_to_ask(missing, kept)
        return found

    def _derive(
        self, open_ones: Mapping[int, Item], wanted: Mapping[int, Sequence[Wanted]], known: KnownAnswers
    ) -> dict[int, ItemFailure]:
        """Derive questions from prompts of which none are kept."""
        judge_asker = next((asker for asker in self._asked.askers if asker.derives), None)
        if judge_asker is None:
            return {}
        by_place = {
            place: call_to_derive(item.name, one.text, judge_asker)
            for place, item in open_ones.items()
            for one in wanted[place]
            if one.scale == AUTO and not item.questions and known.derived(judge_asker.identity, one.text) is None
        }
        failed = ask_all(by_place.values(), {}, self._means, KIND_OF_QUESTIONS)
        return {place: failed[call.item.key] for place, call in by_place.items() if call.item.key in failed}

    def _ask(
        self, items: Sequence[Item], wanted: Mapping[int, Sequence[Wanted]], known: KnownAnswers
    ) -> dict[int, ItemFailure]:
        by_place: dict[int, list[Call]] = {}
        for place, missing in self._missing(items, wanted, known).items():
            if missing:
                by_place[place] = list(self._calls(items[place], missing, known))
        images = {item.raw.digest: item.raw for item in items if item.raw is not None}
        every = [call for calls in by_place.values() for call in calls]
        failed: dict[str, ItemFailure] = {}
        for kind in dict.fromkeys(call.asker.name for call in every):
            own = [call for call in every if call.asker.name == kind]
            failed |= ask_all(own, images, self._means, kind, self._progress)
        pairs = [(place, call.item.key) for place, calls in by_place.items() for call in calls]
        return {place: failed[key] for place, key in pairs if key in failed}

    def _calls(self, item: Item, missing: Sequence[Wanted], known: KnownAnswers) -> Iterator[Call]:
        assert item.raw is not None
        questions = known.open_questions(item.raw.digest, missing, item.questions)
        return calls_about(item.name, item.attempt, item.raw, questions, self._asked)

    @staticmethod
    def _with_answers(item: Item, wanted: Sequence[Wanted], known: KnownAnswers, failure: ItemFailure | None) -> Item:
        assert item.raw is not None
        missing = still_to_ask(wanted, item.measures)
        measures = {**item.measures, **known.about(item.raw.digest, missing, item.questions)}
        left = still_to_ask(wanted, measures)
        if not left:
            return replace(item, measures=measures)
        why = failure or ItemFailure(FailureReason.FAILED, "the calls brought no answer")
        words = f"{counted(len(left), 'question')} without an answer: {why.message}"
        return replace(item, measures=measures, failure=ItemFailure(why.reason, words))
