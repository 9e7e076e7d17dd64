"""A machine with the NVIDIA cards of the stand-in in tests/fake_nvml."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from folders import REPOSITORY

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.core import gpus, held_gpus
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import BUILT_IN
from imagemake.plugins.providers.local import LocalProvider
from imagemake.plugins.providers.preview import PreviewProvider
from imagemake.store.items import Item

FAKE_NVML = REPOSITORY / "tests" / "fake_nvml"

# It draws as the preview does, and says on which card, in which job of Slurm, and when.
RECORDED = """
import asyncio, os, time
from pathlib import Path
import orjson
from gpus import OnCards

class Recorded(OnCards):
    async def generate(self, recipe):
        begun = time.time()
        await asyncio.sleep(float(os.environ["CARDS_TAKE_S"]))
        made = await super().generate(recipe)
        job = os.environ.get("SLURM_JOB_ID", os.getpid())
        told = [os.environ["CUDA_VISIBLE_DEVICES"], job, begun, time.time()]
        with Path(os.environ["CARDS_TOLD"]).open("ab") as file:
            file.write(orjson.dumps(told) + b"\\n")
        return made
"""


class OnCards(PreviewProvider, LocalProvider):
    """A provider that draws as the preview does, and seems to do so on a GPU; see `with_provider`."""

    paid: ClassVar[bool] = False
    uses_files: ClassVar[bool] = False
    in_flight = 2

    def kin(self, recipe):
        return ""

    def stop(self):
        pass

    async def generate_from(self, recipe, images):
        return await self.generate(recipe)


def with_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know the provider ``on-cards``."""
    monkeypatch.setitem(BUILT_IN, "on-cards", "gpus:OnCards")


def campaign_on_cards(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Return a campaign with two models that run in the job, on a GPU and on the CPU, and two others."""
    with_provider(monkeypatch)
    more = {
        "one": {"provider": "on-cards", "name": "one"},
        "two": {"provider": "on-cards", "name": "two", "local": {"device": "cpu"}},
        "sketch": {"provider": "preview", "name": "preview-1", "parameters": {"size": "64x64"}},
    }
    sections = {"campaign": "x", "catalog": "c.csv", "prompt": "A {color} mug", "name": "{color}", "more_models": more}
    return load_campaign(sections)


def items_on(label: str, n: int) -> list[Item]:
    """Return items of one of its models."""
    provider = "on-cards" if label in ("one", "two") else "preview"
    recipes = [Recipe(provider, label, f"mug {place}", place) for place in range(n)]
    return [Item(f"{label}-{place}", 0, recipe, recipe.key(), "", model=label) for place, recipe in enumerate(recipes)]


def with_cards(monkeypatch: pytest.MonkeyPatch, n: int, locks: object) -> ModuleType:
    """Give this process n cards, none of them held, and a folder for their locks. Returns the stand-in's module."""
    monkeypatch.setenv("FAKE_NVML_CARDS", str(n))
    for name in (gpus.VISIBLE, held_gpus.ORDER):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)
    spec = importlib.util.spec_from_file_location("pynvml", FAKE_NVML / "pynvml.py")
    assert spec is not None
    assert spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(gpus, "_nvml", lambda: fake if n else None)
    monkeypatch.setattr(held_gpus, "_folder", lambda: locks)
    monkeypatch.setattr(held_gpus, "_held", {})
    return fake


def end_job() -> None:
    """Give back the cards of this process, as its end does."""
    for _, lock in held_gpus._held.values():
        lock.release()
    held_gpus._held.clear()


def install_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, takes_s: float) -> Path:
    """Install a provider ``on-cards`` for processes that are started from now on.

    Args:
        folder: A new folder.
        monkeypatch: Undoes it.
        takes_s: How long an image takes.

    Returns:
        The file that gets a line for each image: its card, its job, and when it began and ended.
    """
    about = folder / "on_cards-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: on-cards\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[imagemake.providers]\non-cards = on_cards:Recorded\n")
    (folder / "on_cards.py").write_text(RECORDED)
    path = [str(folder), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("CARDS_TAKE_S", str(takes_s))
    monkeypatch.setenv("CARDS_TOLD", str(folder / "told"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder / "told"
