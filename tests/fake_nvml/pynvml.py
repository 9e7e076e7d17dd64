"""A stand-in for the module of nvidia-ml-py 13, with the shapes of its functions: what a machine with cards tells.

Put this folder on the path of a process, and say in FAKE_NVML_CARDS how many cards it has; none: there is no driver.
FAKE_NVML_LOCKS is the folder of their locks, for processes that a test does not start itself.
"""

import os
import time
from pathlib import Path
from types import SimpleNamespace

NVML_TEMPERATURE_GPU = 0
NVML_ERROR_INVALID_ARGUMENT, NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NOT_FOUND = 2, 3, 6
NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_FUNCTION_NOT_FOUND = 12, 13
GIB = 2**30


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class FakeCard:
    """What a card tells. An attribute that is None is not supported by this card."""

    def __init__(self, index):
        self.uuid, self.name = f"GPU-{index:08x}-fake", "NVIDIA Fake 100"
        self.total, self.used = 24 * GIB, GIB
        self.gpu, self.temperature, self.milliwatts, self.reasons = 90, 61, 200_000, 0
        self.processes = []
        self.has_energy = self.has_event_reasons = True
        self.is_lost = False

    @property
    def millijoules(self):
        return int(time.monotonic() * (self.milliwatts or 0)) if self.has_energy else None


CARDS = [FakeCard(index) for index in range(int(os.environ.get("FAKE_NVML_CARDS", "0")))]


def nvmlInit():
    if not CARDS:
        raise NVMLError(NVML_ERROR_LIBRARY_NOT_FOUND)
    if locks := os.environ.get("FAKE_NVML_LOCKS"):
        from imagemake.core import held_gpus

        held_gpus._folder = lambda: Path(locks)


def nvmlDeviceGetCount():
    return len(CARDS)


def nvmlDeviceGetHandleByIndex(index):
    if index >= len(CARDS):
        raise NVMLError(NVML_ERROR_INVALID_ARGUMENT)
    return CARDS[index]


def nvmlDeviceGetHandleByUUID(uuid):
    for card in CARDS:
        if card.uuid == uuid:
            return card
    raise NVMLError(NVML_ERROR_NOT_FOUND)


def nvmlDeviceGetUUID(handle):
    return handle.uuid


def nvmlDeviceGetName(handle):
    return handle.name


def nvmlDeviceGetMemoryInfo(handle, version=None):
    return SimpleNamespace(total=handle.total, free=handle.total - _told(handle, handle.used), used=handle.used)


def nvmlDeviceGetUtilizationRates(handle):
    return SimpleNamespace(gpu=_told(handle, handle.gpu), memory=50)


def nvmlDeviceGetTemperature(handle, sensor):
    assert sensor == NVML_TEMPERATURE_GPU
    return _told(handle, handle.temperature)


def nvmlDeviceGetPowerUsage(handle):
    return _told(handle, handle.milliwatts)


def nvmlDeviceGetTotalEnergyConsumption(handle):
    return _told(handle, handle.millijoules)


def nvmlDeviceGetCurrentClocksEventReasons(handle):
    if not handle.has_event_reasons:
        raise NVMLError(NVML_ERROR_FUNCTION_NOT_FOUND)
    return _told(handle, handle.reasons)


def nvmlDeviceGetCurrentClocksThrottleReasons(handle):
    return _told(handle, handle.reasons)


def nvmlDeviceGetComputeRunningProcesses(handle):
    return [SimpleNamespace(pid=pid, usedGpuMemory=GIB) for pid in handle.processes]


def _told(handle, value):
    if value is None or handle.is_lost:
        raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
    return value
