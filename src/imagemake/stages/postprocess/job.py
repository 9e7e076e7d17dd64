"""Postprocesses the accepted images of a batch. The store keeps finished images by raw image and steps."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.config.fields import MAIN
from imagemake.config.outputs import Postprocess
from imagemake.config.validation import Validation
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import UserError
from imagemake.images.decoded import DECODER_VERSION
from imagemake.images.formats import FORMATS
from imagemake.plugins.steps import Step, step_class
from imagemake.plugins.weights import with_weights
from imagemake.stages.postprocess.branches import Branch, postprocess_all
from imagemake.stages.postprocess.check import check_steps
from imagemake.stages.postprocess.encode import PostprocessError
from imagemake.stages.validate.answers import still_to_ask, values_of_answers
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Status, judge
from imagemake.store.items import FailureReason, FurtherFile, Item, ItemFailure, of_output
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.store import DamagedError, Store

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage
    from imagemake.store.thumbnails import ThumbnailCache

MAX_FINISHED_PIXELS = 150_000_000  # steps can make larger images than a provider may send
POSTPROCESS_VERSION = 1  # increase it if the same pixels and steps may give different bytes


def postprocess_digests(postprocess: Postprocess) -> dict[str, str]:
    """Return, by output, the digest of all settings that turn a raw image into the output's file.

    It makes no difference whether a step is listed in the common steps or in the steps of the output.
    """
    return {
        label: fingerprint(
            {
                "finish": POSTPROCESS_VERSION,
                "decoder": DECODER_VERSION,
                "steps": [_decisive(step) for step in postprocess.steps_of(label)],
                "output": output.encoding,
            }
        )
        for label, output in postprocess.outputs().items()
    }


def _decisive(step: ChosenPlugin) -> dict[str, Any]:
    """Return what of a step affects pixels; names of files do not, but their content does."""
    content = step.model_dump(mode="json")
    return {**content, "settings": with_weights(step_class(step.name), step.name, content["settings"])}


def output_keys(raw_digest: str, step_digests: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the finished images of a raw image, by output.

    Args:
        raw_digest: SHA-256 of the raw image.
        step_digests: Digests from `postprocess_digests`.
    """
    return {
        label: hashlib.sha256(f"{digest} {raw_digest}".encode()).hexdigest() for label, digest in step_digests.items()
    }


def load_steps(postprocess: Postprocess) -> dict[str, Step]:
    """Create the steps of a campaign, by `_identity`. Equal steps are created once, so outputs share work and models.

    Raises:
        UserError: If a package or file that a step needs is missing.
    """
    check_steps(postprocess)
    kinds = {_identity(step): (step_class(step.name), step.settings) for step in postprocess.steps_by_place().values()}
    return {identity: kind(kind.Settings.model_validate(settings)) for identity, (kind, settings) in kinds.items()}


def _identity(step: ChosenPlugin) -> str:
    return fingerprint(step.model_dump(mode="json"))


def early_finish(
    postprocess: Postprocess, validation: Validation, store: Store, thumbnails: ThumbnailCache
) -> Callable[[Item, DecodedImage], None] | None:
    """Return `Postprocessor.finish_early`, or None where packages for it are missing: measuring may need fewer."""
    try:
        return Postprocessor(postprocess, validation, store, thumbnails).finish_early
    except UserError:
        return None


class Postprocessor:
    """Postprocesses the accepted images of a batch.

    Args:
        postprocess: Steps and outputs.
        validation: Checks, for images whose verdict the plan did not know yet.
        store: Store of raw and finished images.
        thumbnails: Cache that gets a thumbnail per finished image.

    Raises:
        UserError: If a package or file that a step needs is missing.
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

    def postprocess_batch(self, items: Sequence[Item], progress: JobProgress | None = None) -> list[Item]:
        """Postprocess the images of a batch.

        Args:
            items: Items with their raw images and measures.
            progress: Takes the progress of the job; None if nobody reads it.

        Returns:
            The items in order. Accepted items have the finished image or a failure; other items are unchanged.
        """
        progress = progress or no_progress()
        results, counts = [], Counter[str]()
        for item in items:
            status = self._status(item)
            result = self._finish(item) if status is Status.ACCEPTED else item
            results.append(result)
            counts["done"] += result.finished is not None
            counts["failed"] += status is Status.ACCEPTED and result.failure is not None
            counts["review"] += status is Status.REVIEW
            progress.update(**counts)
        progress.end()
        return results

    def finish_early(self, item: Item, image: DecodedImage) -> None:
        """Put the finished files of an accepted image into the store, where `postprocess_batch` finds them.

        Whoever has decoded an image calls this, so that it is decoded once. Failures are left to `postprocess_batch`,
        which records them.

        Args:
            item: The item with its measures.
            image: The decoded image; it must not be used afterward.
        """
        if item.raw is None or self._status(item) is not Status.ACCEPTED:
            return
        keys = output_keys(item.raw.digest, self._step_digests)
        missing = {label: self._branches[label] for label, key in keys.items() if not self._store.finished.find(key)}
        for label, made in postprocess_all(image.pil, missing).items():
            self._kept(label, keys[label], made)

    def _status(self, item: Item) -> Status | None:
        """Return the verdict on an image; None if there is none."""
        if item.raw is None:
            return None
        if item.output_key is not None:  # the plan knew that it is accepted, by checks or by a reviewer
            return Status.ACCEPTED
        checks = self._checks.of(item.variables, item.model or item.recipe.model)
        asked = self._validation.asked.wanted(item.own_prompt or item.recipe.prompt, item.variables, item.questions)
        values = values_of(item.measures, checks, Expected(item.recipe.prompt, item.variables))
        verdict = judge(
            values | values_of_answers(asked, item.measures),
            item.recipe.parameters,
            checks,
            formats=self._validation.formats,
            size_as_requested=self._validation.size == "requested",
        )
        if verdict.status is not Status.REJECTED and still_to_ask(asked, item.measures):
            return None
        return verdict.status

    def _finish(self, item: Item) -> Item:
        assert item.raw is not None
        keys = output_keys(item.raw.digest, self._step_digests)
        found = {label: FurtherFile(key, self._store.finished.find(key)) for label, key in keys.items()}
        missing = {label: self._branches[label] for label, one in found.items() if one.stored is None}
        if missing:
            try:
                data = self._store.raw.read(item.raw)
            except DamagedError as error:
                # The damage is unrelated to the steps. Without an output key, the next plan tries again.
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
            # If there is no thumbnail, the report creates one or shows none.
            with suppress(Undecodable):
                self._thumbnails.put(stored.digest, thumbnail_of(made, most_pixels=MAX_FINISHED_PIXELS))
        return FurtherFile(key, stored)
