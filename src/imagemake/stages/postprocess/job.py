"""From accepted images to finished ones: the steps of the campaign, kept by the content that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.config.fields import MAIN
from imagemake.config.outputs import Postprocess
from imagemake.config.validation import Validation
from imagemake.core.fingerprint import fingerprint
from imagemake.images.formats import FORMATS
from imagemake.plugins.steps import Step, step_class
from imagemake.stages.postprocess.branches import Branch, postprocess_all
from imagemake.stages.postprocess.check import check_steps
from imagemake.stages.postprocess.encode import PostprocessError
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Status, judge
from imagemake.store.items import FailureReason, FurtherFile, Item, ItemFailure, of_output
from imagemake.store.store import DamagedError, Store

if TYPE_CHECKING:
    from imagemake.store.thumbnails import ThumbnailCache

MOST_FINISHED_PIXELS = 150_000_000  # steps make larger images than those that are taken from a provider
POSTPROCESS_VERSION = 1  # raised when the same image and steps may give other bytes


def postprocess_digests(postprocess: Postprocess) -> dict[str, str]:
    """Return, by output, the digest of everything that turns a raw image into that output's file.

    Where a step is written, among the common ones or the output's own, makes no difference.
    """
    return {
        label: fingerprint(
            {
                "finish": POSTPROCESS_VERSION,
                "steps": [_decisive(step) for step in postprocess.steps_of(label)],
                "output": output.encoding,
            }
        )
        for label, output in postprocess.outputs().items()
    }


def _decisive(step: ChosenPlugin) -> dict[str, Any]:
    """Return what of a step decides pixels: what its files are called does not."""
    content = step.model_dump(mode="json")
    for setting in step_class(step.name).paths:
        del content["settings"][setting]
    return content


def output_keys(raw_digest: str, step_digests: Mapping[str, str]) -> dict[str, str]:
    """Return what the finished images of a raw one are found by, by output.

    Args:
        raw_digest: SHA-256 of the raw image.
        step_digests: From `postprocess_digests`.
    """
    return {
        label: hashlib.sha256(f"{digest} {raw_digest}".encode()).hexdigest() for label, digest in step_digests.items()
    }


def load_steps(postprocess: Postprocess) -> dict[str, Step]:
    """Make the steps of a campaign, by `_identity`: one of each kind, so that outputs share its work and its models.

    Raises:
        UserError: If something that one of them needs is not where this job runs.
    """
    check_steps(postprocess)
    kinds = {_identity(step): (step_class(step.name), step.settings) for step in postprocess.steps_by_place().values()}
    return {identity: kind(kind.Settings.model_validate(settings)) for identity, (kind, settings) in kinds.items()}


def _identity(step: ChosenPlugin) -> str:
    return fingerprint(step.model_dump(mode="json"))


class Postprocessor:
    """Finishes the good images of a batch.

    Args:
        postprocess: Steps and outputs.
        validation: What is good, for images whose verdict the plan did not know yet.
        store: Where raw images are, and finished ones go.
        thumbnails: Gets a small image of each.

    Raises:
        UserError: If something that a step needs is not where this job runs.
    """

    def __init__(
        self, postprocess: Postprocess, validation: Validation, store: Store, thumbnails: ThumbnailCache
    ) -> None:
        steps = load_steps(postprocess)
        self._branches = {
            label: Branch([steps[_identity(chosen)] for chosen in postprocess.steps_of(label)], output)
            for label, output in postprocess.outputs().items()
        }
        self._step_digests = postprocess_digests(postprocess)
        self._validation = validation
        self._checks = validation.all_checks()
        self._store = store
        self._thumbnails = thumbnails

    def postprocess_batch(self, items: Sequence[Item]) -> list[Item]:
        """Finish a batch's images.

        Returns:
            The items in their order: good ones with the finished image or the reason why there is none, the others as
            they were.
        """
        return [self._finish(item) if self._is_wanted(item) else item for item in items]

    def _is_wanted(self, item: Item) -> bool:
        if item.raw is None:
            return False
        if item.output_key is not None:  # the plan knew its verdict, perhaps a person's
            return True
        checks = self._checks.of(item.variables, item.model or item.recipe.model)
        verdict = judge(
            values_of(item.measures, checks, Expected(item.recipe.prompt, item.variables)),
            item.recipe.parameters,
            checks,
            formats=self._validation.formats,
            size_as_requested=self._validation.size == "requested",
        )
        return verdict.status is Status.ACCEPTED

    def _finish(self, item: Item) -> Item:
        assert item.raw is not None
        keys = output_keys(item.raw.digest, self._step_digests)
        found = {label: FurtherFile(key, self._store.finished.find(key)) for label, key in keys.items()}
        missing = {label: self._branches[label] for label, one in found.items() if one.stored is None}
        if missing:
            try:
                data = self._store.raw.read(item.raw)
            except DamagedError as error:
                # Not this image's fault: without an output key, the next plan looks at it again.
                return replace(item, raw=None, output_key=None, failure=ItemFailure(FailureReason.DAMAGED, str(error)))
            for label, made in postprocess_all(data, missing).items():
                found[label] = self._kept(label, keys[label], made)
        failure = next((of_output(label, one.failure) for label, one in found.items() if one.failure), None)
        main = found.pop(MAIN)
        return replace(item, output_key=main.key, finished=main.stored, further=found, failure=failure)

    def _kept(self, label: str, key: str, made: bytes | PostprocessError) -> FurtherFile:
        from imagemake.images.decoded import Undecodable
        from imagemake.images.thumbnail import thumbnail_of

        if isinstance(made, PostprocessError):
            return FurtherFile(key, failure=ItemFailure(FailureReason.POSTPROCESS, str(made)))
        extension = FORMATS[self._branches[label].output.format].extension
        stored = self._store.finished.put(key, made, durable=False, extension=extension)
        if label == MAIN:
            # Without a thumbnail, the report makes its own, or shows none.
            with suppress(Undecodable):
                self._thumbnails.put(stored.digest, thumbnail_of(made, most_pixels=MOST_FINISHED_PIXELS))
        return FurtherFile(key, stored)
