"""Makes images in the thread of the model, and less at once when memory runs out."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.core.text import counted
from imagemake.plugins.providers.diffusers.device import Device, is_out_of_memory
from imagemake.plugins.providers.diffusers.files import files_of_pipeline, lora_file
from imagemake.plugins.providers.diffusers.ladder import Ladder, rungs_of
from imagemake.plugins.providers.diffusers.memory import known_of, remember
from imagemake.plugins.providers.diffusers.pipeline import Pipeline, StalePipeline, StoppedBetweenSteps
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.weights import digest_of_content

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.plugins.providers.diffusers.order import Order

TELL_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class Made:
    """An image and how it was made.

    Attributes:
        image: The picture.
        words: The versions on which its bits depend.
        usage: What it took, for the journal.
        seconds: Its share of the time that the model took.
    """

    image: Image
    words: str
    usage: Mapping[str, Any]
    seconds: float


class Worker:
    """Makes images with one pipeline in memory. All but `stop` is called in one thread.

    Args:
        folder_of: Returns the folder of a model's pipeline.
        files: The files in ``model.files``, by what they are.
        device: Where the model runs.
        batch: Most images at once.
        offload: As in ``model.local``.
        load: Loads a pipeline.
    """

    def __init__(
        self,
        folder_of: Callable[[str], Path],
        files: Mapping[str, str],
        device: Device,
        *,
        batch: int,
        offload: str,
        load: Callable[[Path, Any, Device], Pipeline] = Pipeline,
    ) -> None:
        self._folder_of, self._files, self._device = folder_of, files, device
        self._batch, self._offload, self._load = batch, offload, load
        self._pipeline: Pipeline | None = None
        self._checked: set[tuple[str, ...]] = set()
        self._ladders: dict[str, Ladder] = {}
        self._stopping = threading.Event()
        self._told_at = 0.0

    def stop(self) -> None:
        """End between two steps. Called from any thread."""
        self._stopping.set()

    def most(self, order: Order) -> int:
        """Return how many images of an order's kin to make at once."""
        return 1 if len(order.pictures) > 1 else self._ladder(order).batch

    def make(self, orders: Sequence[Order]) -> list[Made | BaseException]:
        """Make images of one kin. An image that cannot be made has its error instead."""
        done: list[Made | BaseException] = []
        while len(done) < len(orders):
            left = orders[len(done) :]
            if self._stopping.is_set():
                stopped = ProviderError("stopped between two steps", FailureKind.UNAVAILABLE, code="stopped")
                return [*done, *[stopped] * len(left)]
            try:
                done += self._some(left[: self.most(left[0])])
            except StoppedBetweenSteps:
                continue
            except ProviderError as error:
                return [*done, *[error] * len(left)]
        return done

    def _some(self, orders: Sequence[Order]) -> list[Made | BaseException]:
        """Make some images at once; none if memory ran out and there is something else to try."""
        ladder, first = self._ladder(orders[0]), orders[0]
        if ladder.is_exhausted:
            raise self._too_large("as for an image before")
        try:
            pipeline = self._ready(first)
            if self._stopping.is_set():
                raise StoppedBetweenSteps
            started = time.monotonic()
            self._device.begin_peak()
            loras = {name: lora_file(name, self._files) for name, _ in first.setup.loras}
            images = pipeline.make(orders, ladder.way, loras, self._on_step(len(orders)))
        except StalePipeline:
            self._pipeline = None
            return []
        except (ProviderError, StoppedBetweenSteps):
            raise
        except Exception as error:
            if not is_out_of_memory(error):
                raise _broken(error) from error
            what = str(error).splitlines()[0]
        else:
            seconds = (time.monotonic() - started) / len(orders)
            usage = {"batch": len(orders), "peak_bytes": self._device.peak_bytes(), "offload": ladder.way.offload}
            usage = {name: value for name, value in usage.items() if value not in (None, "no")}
            tiled = ", VAE in tiles" if ladder.way.tiled else ""
            ladder.went_well(len(orders))
            self._keep(first, ladder)
            return [
                one if isinstance(one, BaseException) else Made(one, pipeline.words + tiled, usage, seconds)
                for one in images
            ]
        # Outside of `except`, whose traceback would keep the tensors alive.
        self._device.let_go()
        self._climb(orders, ladder, what)
        return []

    def _climb(self, orders: Sequence[Order], ladder: Ladder, what: str) -> None:
        before, n = ladder.way, len(orders)
        if not ladder.ran_out(n):
            raise self._too_large(what)
        self._keep(orders[0], ladder)
        words = f"next: {ladder.batch:,} at once"
        if ladder.way != before:
            words = f"next: one at once, with offload: {ladder.way.offload}"
            words += ", and the VAE in tiles, which changes pixels slightly" if ladder.way.tiled else ""
        _tell(f"memory ran out for {counted(n, 'image')} at once; {words}")

    def _too_large(self, what: str) -> ProviderError:
        message = f"memory ran out for a single image on {self._device.card}: {what}. Ask for a smaller size or for "
        message += "dtype: float16, or end other programs that use the memory"
        return ProviderError(message, FailureKind.NOT_RETRYABLE, code="out_of_memory")

    def _ready(self, order: Order) -> Pipeline:
        """Return the pipeline, loaded at its first use, after a check that its files are those of the plan."""
        setup = order.setup
        folder = self._folder_of(setup.model)
        self._check_files(order, folder)
        wanted = (setup.model, setup.dtype, setup.variant)
        if self._pipeline is None or self._pipeline.loaded != wanted:
            self._pipeline = None
            self._device.let_go()
            started = time.monotonic()
            self._pipeline = self._load(folder, setup, self._device)
            _tell(f"loaded {setup.model} in {time.monotonic() - started:.1f} s: {self._pipeline.words}")
        return self._pipeline

    def _check_files(self, order: Order, folder: Path) -> None:
        known = order.recipe.model_files
        question = tuple(sorted(known.values()))
        if question in self._checked or not known:
            return
        try:
            now = {"pipeline": digest_of_content(files_of_pipeline(folder, order.setup.variant))}
            now |= {use: digest_of_content({"lora": lora_file(use, self._files)}) for use, _ in order.setup.loras}
        except NotReadyError as error:
            raise ProviderError(error.what, FailureKind.STOP, code="no_files", remedy=error.remedy) from None
        if changed := sorted(use for use in known if known[use] != now.get(use)):
            what = f"model.files has changed since the image was planned: {', '.join(changed)}"
            remedy = "Run snakemake again, or bring the earlier files back."
            raise ProviderError(what, FailureKind.STOP, code="files_changed", remedy=remedy)
        self._checked.add(question)

    def _ladder(self, order: Order) -> Ladder:
        name = self._name(order)
        if name not in self._ladders:
            rungs = rungs_of(self._offload, order.setup.vae_tiling, has_gpu=self._device.has_own_memory)
            ladder = Ladder(rungs, self._batch)
            ladder.remember(known_of(name), self._free_bytes)
            self._ladders[name] = ladder
        return self._ladders[name]

    def _name(self, order: Order) -> str:
        """Return what decides how much memory an image takes: pipeline, size, and card."""
        pipeline = order.recipe.model_files.get("pipeline", order.setup.model)
        sizes = [order.size or [picture.size for picture in order.pictures], order.mask is None]
        return fingerprint([pipeline, order.setup.dtype, order.setup.vae_tiling, sizes, self._device.card])

    @cached_property
    def _free_bytes(self) -> int:
        """Memory that was free before anything was loaded."""
        return self._device.free_bytes()

    def _keep(self, order: Order, ladder: Ladder) -> None:
        if ladder.ever_ran_out:
            remember(self._name(order), ladder.as_dict(self._free_bytes))

    def _on_step(self, n: int) -> Callable[[int, int], None]:
        def on_step(step: int, steps: int) -> None:
            if self._stopping.is_set():
                raise StoppedBetweenSteps
            if time.monotonic() - self._told_at >= TELL_EVERY_S:
                self._told_at = time.monotonic()
                _tell(f"step {step} of {steps or '?'} of {counted(n, 'image')}")

        return on_step


def _tell(words: str) -> None:
    print(f"{words}.", file=sys.stderr, flush=True)


def _broken(error: Exception) -> ProviderError:
    what = f"the pipeline failed: {type(error).__name__}: {(str(error).strip() or '?').splitlines()[0]}"
    return ProviderError(what, FailureKind.CONFIGURATION, code="pipeline_failed", remedy="See the log of the job.")
