"""Providers that run a model in the job's own process, on a GPU or the CPU of this machine."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ReferenceProvider


class LocalProvider(ReferenceProvider):
    """A provider that loads a model once per job, and makes several images at once.

    Each image is a call of its own, with its own record in the journal. The provider gathers the calls in flight.

    Each job has one model and asks Snakemake for one GPU, unless ``model.local.device`` is the CPU. On machines with
    NVIDIA cards, it has a card of its own, which CUDA_VISIBLE_DEVICES names before the provider is made.
    """

    paid: ClassVar[bool] = False
    uses_files: ClassVar[bool] = True

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """How many calls keep the model busy: those of one batch, and those of the next."""

    @abstractmethod
    def kin(self, recipe: Recipe) -> str:
        """Return what recipes have in common that the model can make at once; they are requested one after another."""

    @abstractmethod
    def stop(self) -> None:
        """Give up what is being made, as soon as the model can: the run was told to stop, and nothing was paid for."""
