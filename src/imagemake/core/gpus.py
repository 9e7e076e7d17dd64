"""The NVIDIA cards of this machine and what they are doing, by nvidia-ml-py. No driver or no package: no cards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Bits of nvmlClocksEventReason…, as nvidia-ml-py 13 has them: why a card is slower than it could be.
POWER_LIMIT = "power limit"
THROTTLING: Mapping[int, str] = {
    0x08: "hardware slowdown",
    0x20: "too hot",
    0x40: "too hot for the hardware",
    0x80: "power brake",
}
SLOWED: Mapping[int, str] = {0x04: POWER_LIMIT, **THROTTLING}  # a card at full load is often at its power limit


@dataclass(frozen=True, slots=True)
class Reading:
    """What a card does at one moment. What it does not tell is None.

    Attributes:
        utilization: Share of the last moment in which something ran on it, 0 to 1.
        used_bytes: Memory in use, by all processes.
        total_bytes: Its memory.
        temperature_c: In degrees Celsius.
        power_w: In watts.
        energy_j: What it used since its driver was loaded, in joules.
        slowed: Why it is slower than it could be: words of `SLOWED`.
    """

    utilization: float | None = None
    used_bytes: int | None = None
    total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    slowed: frozenset[str] = frozenset()

    @property
    def is_throttled(self) -> bool:
        """Whether heat or a power brake slows it down."""
        return not self.slowed.isdisjoint(THROTTLING.values())


@dataclass(frozen=True, slots=True)
class Card:
    """A card, or a part of one (MIG).

    Attributes:
        uuid: Identifies it on all machines.
        name: Its product name.
        visible: Its name in CUDA_VISIBLE_DEVICES.
        handle: NVML's handle.
    """

    uuid: str
    name: str
    visible: str
    handle: Any = field(compare=False, repr=False)

    def read(self) -> Reading:
        """Return what it is doing."""
        nvml = _nvml()
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        milliwatts = self._ask("nvmlDeviceGetPowerUsage")
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:  # its name until driver 535
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
        return Reading(
            utilization=None if rates is None else rates.gpu / 100,
            used_bytes=None if memory is None else memory.used,
            total_bytes=None if memory is None else memory.total,
            temperature_c=self._ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            power_w=None if milliwatts is None else milliwatts / 1000,
            energy_j=None if millijoules is None else millijoules / 1000,
            slowed=frozenset(words for bit, words in SLOWED.items() if reasons & bit),
        )

    def processes(self) -> list[int]:
        """Return the IDs of the processes that compute on it."""
        return [one.pid for one in self._ask("nvmlDeviceGetComputeRunningProcesses") or ()]

    def _ask(self, function: str, *arguments: Any) -> Any:
        nvml = _nvml()
        return _answer(nvml, getattr(nvml, function), self.handle, *arguments)


def cards() -> tuple[Card, ...]:
    """Return the cards that this process may use, by CUDA_VISIBLE_DEVICES; none if there is no driver or package."""
    nvml = _nvml()
    if nvml is None:
        return ()
    wanted = os.environ.get(VISIBLE)
    if wanted is None:
        found = [_card(nvml, str(index), by_uuid=True) for index in range(nvml.nvmlDeviceGetCount())]
    else:
        found = [_card(nvml, name.strip()) for name in wanted.split(",")]
    # As CUDA does: what follows an unknown name is not visible.
    n_known = next((place for place, card in enumerate(found) if card is None), len(found))
    return tuple(card for card in found[:n_known] if card is not None)


def _card(nvml: Any, name: str, *, by_uuid: bool = False) -> Card | None:
    if name.isdigit():
        handle = _answer(nvml, nvml.nvmlDeviceGetHandleByIndex, int(name))
    else:
        handle = _answer(nvml, nvml.nvmlDeviceGetHandleByUUID, name)
    uuid = None if handle is None else _answer(nvml, nvml.nvmlDeviceGetUUID, handle)
    if uuid is None:
        return None
    product = _answer(nvml, nvml.nvmlDeviceGetName, handle) or "NVIDIA"
    return Card(uuid, product, uuid if by_uuid else name, handle)


def _answer(nvml: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what NVML answers; None if this card or driver does not tell it."""
    try:
        return function(*arguments)
    except nvml.NVMLError:
        return None


@cache
def _nvml() -> Any:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
