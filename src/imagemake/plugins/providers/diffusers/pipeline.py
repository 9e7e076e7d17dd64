"""A pipeline in memory: loaded once, set up for what is asked, and called for several images at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.plugins.providers.diffusers.device import Device, dtype_of
from imagemake.plugins.providers.diffusers.ladder import Rung
from imagemake.plugins.providers.failures import FailureKind, ProviderError

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.plugins.providers.diffusers.order import Order, Setup


class StoppedBetweenSteps(Exception):  # noqa: N818 - it is no error: the run was told to stop
    """The run was told to stop."""


class StalePipeline(Exception):  # noqa: N818 - the pipeline only has to be loaded again
    """Sequential offloading takes weights apart, so nothing else can be done with this pipeline any more."""


class Pipeline:
    """A pipeline in memory.

    Args:
        folder: Where it is.
        setup: How to load it; of this, only LoRAs, scheduler, and tiling can change later.
        device: Where it runs.

    Raises:
        ProviderError: `FailureKind.STOP`, if it cannot be loaded.
    """

    def __init__(self, folder: Path, setup: Setup, device: Device) -> None:
        import torch
        from diffusers import DiffusionPipeline

        _log_less()
        self.device = device
        self._torch = torch
        try:
            self._base: Any = DiffusionPipeline.from_pretrained(
                folder, dtype=dtype_of(setup.dtype), variant=setup.variant, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError, TypeError, AttributeError, ImportError, KeyError, RuntimeError) as error:
            what = f"{folder}: this pipeline cannot be loaded: {_first_line(error)}"
            remedy = "Check that its download is complete, and that the versions of diffusers and transformers fit it."
            raise ProviderError(what, FailureKind.STOP, code="not_loaded", remedy=remedy) from error
        self._base.set_progress_bar_config(disable=True)
        self.loaded = (setup.model, setup.dtype, setup.variant)
        self._task = self._base
        self._placed: tuple[Any, ...] = ()
        scheduler = getattr(self._base, "scheduler", None)
        self._own_scheduler: Any = type(scheduler)
        self._scheduler_config = getattr(scheduler, "config", None)
        self._scheduler: tuple[Any, ...] = ("", ())
        self._loras: tuple[tuple[str, float], ...] = ()

    @property
    def words(self) -> str:
        """What makes the images: the versions on which their bits depend."""
        kind, (_, dtype, _) = type(self._base).__name__, self.loaded
        return f"{kind}, diffusers {version('diffusers')}, torch {self._torch.__version__}, {self.device.card}, {dtype}"

    def make(
        self, orders: Sequence[Order], rung: Rung, lora_files: Mapping[str, Path], on_step: Callable[[int, int], None]
    ) -> list[Image | ProviderError]:
        """Make several images by one call of the pipeline.

        Args:
            orders: Of one kin.
            rung: How to run the model.
            lora_files: The file of each LoRA.
            on_step: Called after each step with its number and the number of all; it may raise to stop.

        Returns:
            An image, or why there is none, for each order.

        Raises:
            ProviderError: If the pipeline cannot make them.
            StoppedBetweenSteps: If `on_step` raises it.
            StalePipeline: If it must be loaded again for this.
            Exception: Whatever the pipeline raises, such as when memory runs out.
        """
        first = orders[0]
        self._use_task(first)
        is_apart = bool(self._placed) and self._placed[0].offload == "sequential"
        if is_apart and (self._placed, self._loras) != ((rung, type(self._task)), first.setup.loras):
            raise StalePipeline
        self._use_scheduler(first.setup)
        self._use_loras(first.setup.loras, lora_files)
        self._place(rung)
        try:
            made = self._task(**self._arguments(orders), **self._watch(on_step))
        finally:
            if rung.offload != "no":
                self._task.maybe_free_model_hooks()
        images = getattr(made, "images", None)
        if images is None or len(images) != len(orders):
            what = f"{type(self._task).__name__} returns no image for each prompt"
            raise _cannot(what, "Use a pipeline that makes images.")
        flagged = getattr(made, "nsfw_content_detected", None) or [False] * len(orders)
        return [_refused() if flag else image for image, flag in zip(images, flagged, strict=True)]

    def _arguments(self, orders: Sequence[Order]) -> dict[str, Any]:
        first, takes = orders[0], self._parameters(self._task)
        seeds = [self._torch.Generator("cpu").manual_seed(order.recipe.seed) for order in orders]
        given: dict[str, Any] = {"generator": seeds, "output_type": "pil", **first.call}
        unknown = [name for name in first.call if name not in takes]
        if unknown:
            known = ", ".join(sorted(takes))
            raise _cannot(f"{type(self._task).__name__} has no parameter {unknown[0]!r}; it has {known}", "Remove it.")
        if "prompt" in takes:
            given["prompt"] = [order.recipe.prompt for order in orders]
        elif "batch_size" in takes:  # a pipeline without prompts
            given["batch_size"] = len(orders)
        if first.recipe.negative_prompt is not None:
            if "negative_prompt" not in takes:
                what = f"{type(self._task).__name__} takes no negative prompt"
                raise _cannot(what, "Remove negative_prompt.")
            given["negative_prompt"] = [order.recipe.negative_prompt for order in orders]
        given |= self._pictures(orders)
        if first.size is not None and "height" in takes and "width" in takes:
            given["width"], given["height"] = first.size
        elif first.size is not None and not first.recipe.references:
            raise _cannot(f"{type(self._task).__name__} makes images of one size only", "Remove size.")
        return given

    def _pictures(self, orders: Sequence[Order]) -> dict[str, Any]:
        first, takes = orders[0], self._parameters(self._task)
        if not first.pictures:
            return {}
        if len(first.pictures) > 1 and self._task is not self._base:
            raise _cannot(f"{type(self._task).__name__} takes one reference image", "Remove the others.")
        # Several references of one image are a list for the pipelines that take them; such images are made one by one.
        given: dict[str, Any] = {"image": [picture for order in orders for picture in order.pictures]}
        if first.mask is not None:
            given["mask_image"] = [order.mask for order in orders]
            if "height" in takes and "width" in takes:
                given["width"], given["height"] = first.pictures[0].size
        return given

    def _watch(self, on_step: Callable[[int, int], None]) -> dict[str, Any]:
        if "callback_on_step_end" not in self._parameters(self._task):
            return {}

        def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step(step + 1, int(getattr(pipeline, "num_timesteps", 0) or 0))
            return tensors

        return {"callback_on_step_end": after_step}

    def _use_task(self, order: Order) -> None:
        """Choose the pipeline for text, for an image, or for a part of one; they share all models."""
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting

        recipe, takes = order.recipe, self._parameters(self._base)
        if recipe.mask is not None:
            task, is_it = AutoPipelineForInpainting, "mask_image" in takes
        elif recipe.references:
            task, is_it = AutoPipelineForImage2Image, "image" in takes
        else:
            task, is_it = None, True
        if is_it or task is None:
            self._task = self._base
            return
        try:
            self._task = task.from_pipe(self._base)
        except ValueError as error:
            what = f"{type(self._base).__name__} takes no {'mask' if recipe.mask else 'reference images'}"
            raise _cannot(what, "Remove them, or use another pipeline.") from error
        self._task.set_progress_bar_config(disable=True)

    def _use_scheduler(self, setup: Setup) -> None:
        import diffusers

        wanted = (setup.scheduler, setup.scheduler_options)
        if wanted != self._scheduler and self._scheduler_config is not None:
            kind: Any = getattr(diffusers, setup.scheduler, None) if setup.scheduler else self._own_scheduler
            if not _derives(kind, diffusers.SchedulerMixin):
                raise _cannot(f"diffusers has no scheduler {setup.scheduler!r}", "Name another class.")
            self._base.scheduler = kind.from_config(self._scheduler_config, **dict(setup.scheduler_options))
            self._scheduler = wanted
        if self._task is not self._base and self._scheduler_config is not None:
            self._task.scheduler = self._base.scheduler

    def _use_loras(self, loras: tuple[tuple[str, float], ...], files: Mapping[str, Path]) -> None:
        if loras == self._loras:
            return
        if not hasattr(self._base, "load_lora_weights"):
            raise _cannot(f"{type(self._base).__name__} takes no LoRA", "Remove loras.")
        self._base.remove_all_hooks()  # else loading a LoRA would offload again, to any card
        # Taken out as a whole, so that no image depends on what was made before it.
        self._base.unload_lora_weights()
        self._loras, self._placed = (), ()
        for name, _ in loras:
            self._base.load_lora_weights(files[name].parent, weight_name=files[name].name, adapter_name=name)
        if loras:
            self._base.set_adapters([name for name, _ in loras], [weight for _, weight in loras])
        self._loras = loras

    def _place(self, rung: Rung) -> None:
        """Bring the models where they run. Hooks of offloading belong to the pipeline of one task."""
        wanted = (rung, type(self._task))
        if wanted == self._placed:
            return
        self._placed = ()
        if vae := getattr(self._task, "vae", None):
            for part, is_on in (("tiling", rung.tiled), ("slicing", rung != Rung("no", tiled=False))):
                if switch := getattr(vae, f"{'enable' if is_on else 'disable'}_{part}", None):
                    switch()
        self._task.remove_all_hooks()
        if rung.offload == "no":
            self._task.to(self.device.name)
        elif rung.offload == "model":
            self._task.enable_model_cpu_offload(device=self.device.name)
        else:
            self._task.enable_sequential_cpu_offload(device=self.device.name)
        self._placed = wanted

    @staticmethod
    def _parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(type(pipeline).__call__).parameters


def _log_less() -> None:
    """Keep bars of progress and hints to developers out of the log of the job."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
    of_transformers.set_verbosity_error()


def _derives(kind: object, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _cannot(what: str, remedy: str) -> ProviderError:
    return ProviderError(what, FailureKind.CONFIGURATION, code="wrong_parameter", remedy=remedy)


def _refused() -> ProviderError:
    return ProviderError("the pipeline's safety checker found it unsafe", FailureKind.REFUSED, code="unsafe_image")
