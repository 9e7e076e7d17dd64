"""The device that a model runs on: which one, how much memory is free there, and whether an error means too little."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.plugins.providers.failures import FailureKind, ProviderError

if TYPE_CHECKING:
    import torch

GPU_BATCH = 8
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # of MPS, and of the CPU


@dataclass(slots=True)
class Device:
    """A device.

    Attributes:
        name: As torch names it: ``cuda:1``, ``mps``, or ``cpu``.
        card: As people name it: ``NVIDIA H100 80GB HBM3``.
    """

    name: str
    card: str

    @property
    def has_own_memory(self) -> bool:
        """Whether parts of a model can wait in another memory, that of the machine."""
        return self.name.startswith(("cuda", "xpu"))

    @property
    def batch(self) -> int:
        """How many images are made at once unless the user says otherwise: on a CPU, more take as long for each."""
        return GPU_BATCH if self.has_own_memory else 1

    def free_bytes(self) -> int:
        """Return how much memory is free there; 0 if it does not tell."""
        import torch

        return int(torch.cuda.mem_get_info(self.name)[0]) if self.name.startswith("cuda") else 0

    def begin_peak(self) -> None:
        """Forget the most memory that was in use."""
        import torch

        if self.name.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.name)

    def peak_bytes(self) -> int | None:
        """Return the most memory that was in use since `begin_peak`; None if it does not tell."""
        import torch

        return int(torch.cuda.max_memory_allocated(self.name)) if self.name.startswith("cuda") else None

    def let_go(self) -> None:
        """Give back memory that nothing uses."""
        import torch

        gc.collect()
        if self.name.startswith("cuda"):
            torch.cuda.empty_cache()
        elif self.name.startswith("mps"):
            torch.mps.empty_cache()


def device_of(wanted: str | None) -> Device:
    """Choose a device.

    Args:
        wanted: As the user named it; None for the card with the most free memory.

    Raises:
        ProviderError: `FailureKind.STOP`, if there is no such device.
    """
    import torch

    if wanted is None:
        return _best()
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        what = f"model.local.device is {wanted}, which torch cannot use: {str(error).splitlines()[0]}"
        remedy = "Name another device, or remove model.local.device."
        raise ProviderError(what, FailureKind.STOP, code="no_device", remedy=remedy) from None
    if not wanted.startswith("cuda"):
        return Device(wanted, "CPU" if wanted == "cpu" else wanted)
    index = torch.device(wanted).index or 0
    return Device(f"cuda:{index}", torch.cuda.get_device_name(index))


def _best() -> Device:
    import torch

    if torch.cuda.is_available():  # the job holds one card, and sees no other, if nvidia-ml-py is installed
        free = {index: torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())}
        index = max(free, key=lambda index: free[index])
        return Device(f"cuda:{index}", torch.cuda.get_device_name(index))
    if torch.backends.mps.is_available():
        return Device("mps", "Apple GPU")
    # Snakemake gave the job one core beside a GPU. Without one, no other job of the run uses a model.
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return Device("cpu", "CPU")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def dtype_of(name: str) -> torch.dtype:
    """Return torch's type of a name."""
    import torch

    found: torch.dtype = getattr(torch, name)
    return found
