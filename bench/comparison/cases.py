"""The cases that each contestant is measured in."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fake_openai import FakeOpenAI

from comparison.contestants import Contestant, environment_of_process
from comparison.processes import Runner, Used

PRODUCTS = ("mug", "bottle", "chair", "lamp", "book", "hat", "shoe", "clock")
LOOKS = 3  # such short runs vary by half on a busy machine
Result = dict[str, Any]


def write_catalog(path: Path, n: int, edited: int | None = None) -> None:
    """Write a catalog in which each row has a prompt of its own."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "prompt"])
        for number in range(n):
            what = "teapot" if number == edited else PRODUCTS[number % len(PRODUCTS)]
            writer.writerow(
                [f"item-{number:06}", f"Product photo of a {what}, number {number}, on a white background."]
            )


class Sitting:
    """Cases of one contestant at one size, in a folder of its own.

    Args:
        contestant: Who it is.
        n: Number of images.
        server: The stand-in for the API.
        runner: Runs programs.
        root: An empty folder.
    """

    def __init__(self, contestant: Contestant, n: int, server: FakeOpenAI, runner: Runner, root: Path) -> None:
        self._contestant, self._n, self._server, self._runner = contestant, n, server, runner
        self._catalog, self._folder, self._log = root / "catalog.csv", root / "folder", root / "log"

    def up_to_date(self) -> Result:
        """Measure a first run, the least of some runs with nothing to do, and a run after an edit of one row."""
        self._begin()
        write_catalog(self._catalog, self._n)
        cases = {"first run": {**self._result(self._run()), "lost": self._n_lost()}}
        looks = [self._result(self._run()) for _ in range(LOOKS)]
        cases["nothing to do"] = min(looks, key=lambda look: float(look["cpu_s"]))
        write_catalog(self._catalog, self._n, edited=self._n // 2)
        before = self._server.totals().billed_calls
        edited = {**self._result(self._run()), "lost": self._n_lost()}
        cases["one row edited"] = {**edited, "new_calls": edited["calls"] - before}
        self._runner.kill_all()
        return cases

    def killed(self) -> Result:
        """Kill a run when half of the images are paid for, with all its processes, and measure the next run."""
        self._begin()
        write_catalog(self._catalog, self._n)
        first = self._run(lambda: self._server.totals().billed_calls >= self._n / 2)
        self._runner.kill_all()
        self._server.wait_until_idle()
        paid = self._server.totals().billed_calls
        result = {**self._result(self._run()), "lost": self._n_lost()}
        self._runner.kill_all()
        return {"killed": {**result, "cpu_s": first.cpu_s + result["cpu_s"], "paid_when_killed": paid}}

    def clean(self) -> None:
        """Remove all images."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        self.clean()
        self._server.reset()

    def _run(self, kill_if: Callable[[], bool] | None = None) -> Used:
        environment = {**environment_of_process(), **self._server.environment}
        return self._runner.run(
            self._contestant.command(self._catalog, self._folder), self._log, environment, kill_if
        )  # fmt: skip

    def _result(self, used: Used) -> Result:
        totals = self._server.totals()
        return {
            **asdict(used),
            "calls": totals.billed_calls,
            "billed_again": sum(count - 1 for count in totals.billed_by_prompt.values()),
            "load": os.getloadavg()[0],
        }

    def _n_lost(self) -> int:
        """Return how many images are missing or damaged: of 10,000, this reads 16 GB, so only where files changed."""
        return max(0, self._n - sum(map(_is_whole, (self._folder / self._contestant.images).glob("*.*g"))))


def _is_whole(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):
        return False
    return path.read_bytes()[-2:] in (b"\xff\xd9", b"\x60\x82")  # the ends of JPEG and PNG
