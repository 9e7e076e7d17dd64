"""Any pipeline of diffusers, from a local folder or from the cache of the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import Json, Recipe
from imagemake.plugins.providers import Connection, ImageResponse, ProviderError, SeedUse, ServerCheck
from imagemake.plugins.providers.diffusers.device import Device, device_of
from imagemake.plugins.providers.diffusers.files import PIPELINE, files_of_pipeline, lora_file, pipeline_folder
from imagemake.plugins.providers.diffusers.order import Order, order_of
from imagemake.plugins.providers.diffusers.worker import Made, Worker
from imagemake.plugins.providers.failures import FailureKind
from imagemake.plugins.providers.gathering import Gatherer
from imagemake.plugins.providers.local import LocalProvider
from imagemake.plugins.weights import digest_of_content, remembered


class DiffusersProvider(LocalProvider):
    """Makes images with a pipeline of diffusers."""

    packages: ClassVar[Mapping[str, str]] = {
        name: name for name in ("torch", "diffusers", "transformers", "accelerate", "peft")
    }
    determinism: ClassVar[str | None] = "seeded"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._worker: Worker | None = None
        self._gatherer: Gatherer[Order, Made] = Gatherer(self._make, self._most)

    @classmethod
    def model_files(
        cls, model: str, files: Mapping[str, str], parameters: Mapping[str, Json], *, present: bool = False
    ) -> Mapping[str, str]:
        """Return the digests of the pipeline and of the LoRAs in use.

        Raises:
            NotReadyError: If one is missing, or a parameter is wrong.
        """
        try:
            setup = order_of(Recipe("diffusers", model, "", 0, parameters)).setup
        except ProviderError as error:
            raise NotReadyError(f"{error}.", error.remedy) from None

        def pipeline() -> str:
            return digest_of_content(files_of_pipeline(pipeline_folder(model, files), setup.variant))

        def lora(use: str) -> str:
            return digest_of_content({"lora": lora_file(use, files)})

        of_pipeline = [model, files.get(PIPELINE), setup.variant]
        found = {PIPELINE: remembered(of_pipeline, pipeline, present=present)}
        for use, _ in setup.loras:
            found[use] = remembered(["lora", files.get(use)], partial(lora, use), present=present)
        return found

    @cached_property
    def _device(self) -> Device:
        wanted = self.connection.local.get("device")
        try:
            return device_of(str(wanted) if wanted else None)
        except ImportError as error:
            remedy = "Install it where the job runs: pip install 'imagemake[diffusers]'"
            raise ProviderError(f"{error}", FailureKind.STOP, code="no_packages", remedy=remedy) from None

    @property
    def in_flight(self) -> int:
        """See `LocalProvider.in_flight`."""
        return 2 * self._largest_batch

    @property
    def _largest_batch(self) -> int:
        return self.connection.local.get("batch") or self._device.batch

    def kin(self, recipe: Recipe) -> str:
        """See `LocalProvider.kin`."""
        try:
            return order_of(recipe).kin
        except ProviderError:
            return ""

    def seed_use(self, model: str) -> SeedUse:
        """Each image has a generator of its own with its seed."""
        return SeedUse.SENT

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Make one image, together with others that wait.

        Raises:
            ProviderError: If it cannot be made.
        """
        return await self.generate_from(recipe, {})

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Make one image from a reference image, or in the transparent part of a mask.

        Raises:
            ProviderError: If it cannot be made.
        """
        from imagemake.plugins.providers.diffusers.pictures import png_of, with_pictures

        order = order_of(recipe)
        if images:
            order = await asyncio.to_thread(with_pictures, order, images)
        made = await self._gatherer.ask(order.kin, order)
        png = await asyncio.to_thread(png_of, made.image)  # the model goes on meanwhile
        return ImageResponse(png, usage=made.usage, model=made.words, seconds=made.seconds)

    async def check(self, model: str) -> ServerCheck:
        """Say which pipeline there is, and where it would run. Nothing is loaded.

        Raises:
            ProviderError: `FailureKind.STOP`, if something is missing.
        """
        return ServerCheck(await asyncio.to_thread(self._looked_up, model))

    def _looked_up(self, model: str) -> str:
        folder, device = self._folder(model), self._device
        free = f" with {device.free_bytes() / 2**30:.1f} GiB free" if device.free_bytes() else ""
        return f"the pipeline is in {folder}, and runs on {device.name} ({device.card}{free})"

    def _folder(self, model: str) -> Path:
        try:
            return pipeline_folder(model, self.connection.files)
        except NotReadyError as error:
            raise ProviderError(error.what, FailureKind.STOP, code="no_pipeline", remedy=error.remedy) from None

    def stop(self) -> None:
        """End between two steps: what is not made now is made by the next run."""
        if self._worker is not None:
            self._worker.stop()
        self._gatherer.refuse(ProviderError("stopped before it was made", FailureKind.UNAVAILABLE, code="stopped"))

    async def close(self) -> None:
        """Wait for the thread of the model."""
        await asyncio.to_thread(self._gatherer.close)

    def _most(self, order: Order) -> int:
        return self._own_worker().most(order)

    def _make(self, orders: Sequence[Order]) -> list[Made | BaseException]:
        return self._own_worker().make(orders)

    def _own_worker(self) -> Worker:
        if self._worker is None:
            offload = str(self.connection.local.get("offload", "auto"))
            self._worker = Worker(
                self._folder, self.connection.files, self._device, batch=self._largest_batch, offload=offload
            )
        return self._worker
