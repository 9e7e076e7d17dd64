"""From accepted pictures to finished ones: the steps of the campaign, kept by the content that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.batch import Failure, Item
from imagemake.fingerprint import fingerprint
from imagemake.planning.compared import Wanted, values_of
from imagemake.planning.step_check import check_steps
from imagemake.planning.verdict import Status, judge
from imagemake.postprocess import Step, step_class
from imagemake.store import DamagedError, Store
from imagemake.wanted.campaign import Postprocess, Validation
from imagemake.wanted.chosen import Chosen

if TYPE_CHECKING:
    from imagemake.pictures.thumbnail_cache import ThumbnailCache

MOST_FINISHED_PIXELS = 150_000_000  # steps make larger pictures than those that are taken from a provider
FINISH_VERSION = 1  # raised when the same picture and steps may give other bytes
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}


def finishing_digest(postprocess: Postprocess) -> str:
    """Return the digest of everything that turns a raw picture into a finished one."""
    content = {"finish": FINISH_VERSION, **postprocess.model_dump(mode="json")}
    for step in content["steps"]:
        for setting in getattr(step_class(step["name"]), "names_only", ()):
            del step["settings"][setting]
    return fingerprint(content)


def finish_key(raw_digest: str, finishing: str) -> str:
    """Return what a finished picture is found by.

    Args:
        raw_digest: SHA-256 of the raw picture.
        finishing: From `finishing_digest`.
    """
    return hashlib.sha256(f"{finishing} {raw_digest}".encode()).hexdigest()


def load_steps(chosen: Iterable[Chosen]) -> list[Step]:
    """Make the steps of a campaign.

    Raises:
        UserError: If something that one of them needs is not where this job runs.
    """
    chosen = tuple(chosen)
    check_steps(chosen)
    kinds = [(step_class(step.name), step.settings) for step in chosen]
    return [kind(kind.Settings.model_validate(settings)) for kind, settings in kinds]


class Finisher:
    """Finishes the good pictures of a batch.

    Args:
        postprocess: Steps and output format.
        validation: What is good, for pictures whose verdict the plan did not know yet.
        store: Where raw pictures are, and finished ones go.
        thumbnails: Gets a small picture of each.

    Raises:
        UserError: If something that a step needs is not where this job runs.
    """

    def __init__(
        self, postprocess: Postprocess, validation: Validation, store: Store, thumbnails: ThumbnailCache
    ) -> None:
        self._steps = load_steps(postprocess.steps)
        self._output = postprocess.output
        self._finishing = finishing_digest(postprocess)
        self._validation = validation
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
        checks = self._validation.all_checks()
        verdict = judge(
            values_of(item.measures, checks, Wanted(item.recipe.prompt, item.variables)),
            item.recipe.parameters,
            checks,
            formats=self._validation.formats,
            size_as_requested=self._validation.size == "requested",
        )
        return verdict.status is Status.ACCEPTED

    def _finish(self, item: Item) -> Item:
        from imagemake.pictures.picture import Undecodable
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
        # Without a thumbnail, the report makes its own, or shows none.
        with suppress(Undecodable):
            self._thumbnails.put(finished.digest, thumbnail_of(data, most_pixels=MOST_FINISHED_PIXELS))
        return replace(item, finished=finished)
