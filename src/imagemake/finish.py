"""From accepted pictures to finished ones: the steps of the campaign, kept by the content that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.batch import Failure, Item
from imagemake.fingerprint import fingerprint
from imagemake.planning.compared import Wanted, values_of
from imagemake.planning.verdict import Status, judge
from imagemake.postprocess import Step, step_class
from imagemake.store import DamagedError, Store
from imagemake.wanted.campaign import Postprocess, Validation

if TYPE_CHECKING:
    from imagemake.pictures.thumbnail_cache import ThumbnailCache

FINISH_VERSION = 1  # raised when the same picture and steps may give other bytes
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}


def finishing_digest(postprocess: Postprocess) -> str:
    """Return the digest of everything that turns a raw picture into a finished one."""
    return fingerprint({"finish": FINISH_VERSION, **postprocess.model_dump(mode="json")})


def finish_key(raw_digest: str, finishing: str) -> str:
    """Return what a finished picture is found by.

    Args:
        raw_digest: SHA-256 of the raw picture.
        finishing: From `finishing_digest`.
    """
    return hashlib.sha256(f"{finishing} {raw_digest}".encode()).hexdigest()


class Finisher:
    """Finishes the good pictures of a batch.

    Args:
        postprocess: Steps and output format.
        validation: What is good, for pictures whose verdict the plan did not know yet.
        store: Where raw pictures are, and finished ones go.
        thumbnails: Gets a small picture of each.
    """

    def __init__(
        self, postprocess: Postprocess, validation: Validation, store: Store, thumbnails: ThumbnailCache
    ) -> None:
        self._steps: list[Step] = []
        for step in postprocess.steps:
            kind = step_class(step.name)
            self._steps.append(kind(kind.Settings.model_validate(step.settings)))
        self._output = postprocess.output
        self._finishing = finishing_digest(postprocess)
        self._validation = validation
        self._checks = validation.all_checks()
        self._store = store
        self._thumbnails = thumbnails

    def finish_batch(self, items: Sequence[Item]) -> list[Item]:
        """Finish a batch's pictures.

        Returns:
            The items in their order: good ones with the finished picture or the reason why there is none, the others as
            they were.
        """
        return [self._finish(item) if self._is_wanted(item) else item for item in items]

    def _is_wanted(self, item: Item) -> bool:
        if item.raw is None:
            return False
        if item.finish_key is not None:  # the plan knew its verdict, perhaps a person's
            return True
        checks = self._checks.of(item.variables, item.model or item.recipe.model)
        verdict = judge(
            values_of(item.measures, checks, Wanted(item.recipe.prompt, item.variables)),
            item.recipe.parameters,
            checks,
            formats=self._validation.formats,
            size_as_requested=self._validation.size == "requested",
        )
        return verdict.status is Status.ACCEPTED

    def _finish(self, item: Item) -> Item:
        from imagemake.pictures.thumbnail import thumbnail_of
        from imagemake.postprocess.encode import Unfinishable, finish

        raw = item.raw
        assert raw is not None
        key = finish_key(raw.digest, self._finishing)
        item = replace(item, finish_key=key)
        held = self._store.finished.find(key)
        if held is not None:
            return replace(item, finished=held)
        try:
            data = finish(self._store.raw.read(raw), self._steps, self._output)
        except DamagedError as error:
            # Not this picture's fault: without a finish key, the next plan looks at it again.
            return replace(item, raw=None, finish_key=None, failure=Failure("damaged", str(error)))
        except Unfinishable as error:
            return replace(item, failure=Failure("postprocess", str(error)))
        finished = self._store.finished.put(key, data, durable=False, extension=EXTENSIONS[self._output.format])
        self._thumbnails.put(finished.digest, thumbnail_of(data))
        return replace(item, finished=finished)
