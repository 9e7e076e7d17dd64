"""A real Snakemake project in a separate folder, built as users do."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml
from fake_openai import FakeOpenAI
from folders import REPOSITORY
from warm_python import PROGRAMS, WarmPython

PARTS = ("Snakefile", "rules", "scripts", "profiles")
PRODUCTS = ("mug", "bottle", "chair", "lamp", "book", "hat", "shoe", "clock")
TIMEOUT_S = 300
ENVIRONMENT = dict(os.environ)  # before any test changed it

CAMPAIGN: Mapping[str, Any] = {
    "campaign": "test shop",
    "catalog": "config/catalog.csv",
    "prompt": "Product photo of {product} on a white background, {color}.",
    "name": "{sku}_{color}",
    "model": {"provider": "preview", "name": "preview-1", "parameters": {"size": "96x96"}},
    "postprocess": {"steps": [{"resize": {"width_px": 64, "height_px": 64}}], "output": {"format": "jpeg"}},
}


class Project:
    """One project.

    Args:
        folder: Folder of the project.
        server: The stand-in that generates its images; None for the preview provider.
        config: Sections that replace those in `CAMPAIGN`.
        rows: Number of catalog rows.
    """

    def __init__(self, folder: Path, server: FakeOpenAI | None = None, rows: int = 4, **config: Any) -> None:
        self.folder = folder
        self.server = server
        self.calls_before = 0
        self.logs: dict[int, tuple[subprocess.CompletedProcess[str], str]] = {}
        for part in PARTS:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).symlink_to(REPOSITORY / part)
        (folder / "config").mkdir()
        self.config = {**CAMPAIGN, **config}
        if server is not None:
            model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "stand-in"}
            model["key_from"] = "OPENAI_API_KEY"
            parameters = {"size": "96x96", "quality": "low"}
            self.config["model"] = {**model, "parameters": parameters, **config.get("model", {})}
            # Small images keep tests fast. The real model refuses them.
            self.config["models"] = {
                "openai": {"gpt-image-2": {"size_rule": {"min_edge_px": 16}, "batch_edit_sizes": None}}
            }
            self.config["limits"] = {"first_wait_s": 0.05, "in_flight": 4, **config.get("limits", {})}
        self.write_config()
        self.rows = [
            {"sku": f"S{n:03}", "product": PRODUCTS[n % len(PRODUCTS)], "color": ("red", "teal", "gold")[n % 3]}
            for n in range(rows)
        ]
        self.write_catalog()

    def copied(self, folder: Path) -> Project:
        """Copy the project including file times, with the same server, and reset the server's record."""
        copy = Project.__new__(Project)
        copy.folder, copy.server = folder, self.server
        copy.logs = {}
        copy.config, copy.rows = dict(self.config), list(self.rows)
        copy.calls_before = len(self.journal("sent"))
        shutil.copytree(self.folder, folder, symlinks=True)
        if self.server is not None:
            self.server.reset()
        return copy

    def write_config(self, **changes: Any) -> None:
        """Write the configuration, with some sections replaced."""
        self.config |= changes
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump(self.config))

    def write_catalog(self) -> None:
        """Write `rows` as the catalog."""
        with (self.folder / "config" / "catalog.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def edit_row(self, index: int, **values: str) -> None:
        """Change one row of the catalog."""
        self.rows[index] = {**self.rows[index], **values}
        self.write_catalog()

    def snakemake(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run Snakemake until it ends.

        Args:
            arguments: Targets and options.
            expect: Required exit status; None for any.
        """
        done = run("snakemake", ["--cores", "2", *arguments], self.folder, self.environment())
        if expect is not None:
            assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.logs[id(done)] = (done, self._snakemake_log())
        return done

    def _snakemake_log(self) -> str:
        logs = sorted(self.folder.glob(".snakemake/log/*.log"))
        return logs[-1].read_text() if logs else ""

    def imagemake(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run an imagemake command."""
        done = run("imagemake", arguments, self.folder, self.environment())
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run on two cores."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self) -> dict[str, str]:
        """Environment variables of a run, with a dummy API key."""
        return {**os.environ, "OPENAI_API_KEY": "sk-stand-in"}

    def start(self) -> subprocess.Popen[bytes]:
        """Start a run in a new process group, so that it can be killed together with its children."""
        return subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def calls(self) -> int:
        """Number of calls so far, from the server's record, or from the journal if there is no server."""
        return self.calls_before + len(self.server.calls()) if self.server else len(self.journal("sent"))

    def journal(self, event: str) -> list[dict[str, Any]]:
        """Journal records of one kind."""
        files = sorted(self.folder.glob("store/journal/*/*.jsonl"))
        records = (orjson.loads(line) for path in files for line in path.read_bytes().splitlines())
        return [record for record in records if record["event"] == event]

    def jobs(self, done: subprocess.CompletedProcess[str]) -> list[str]:
        """Names of the rules that a run started, in order, by Snakemake's own log."""
        starts = ("rule ", "localrule ", "checkpoint ", "localcheckpoint ")
        _, log = self.logs[id(done)]
        return [line.split()[1].rstrip(":") for line in log.splitlines() if line.startswith(starts)]

    def images(self, folder: str = "results/images") -> dict[str, tuple[int, bytes]]:
        """Modification time in ns and content of each released image, by name."""
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted((self.folder / folder).iterdir())
        }

    def manifest(self, folder: str = "results") -> dict[str, dict[str, Any]]:
        """Rows of the manifest, by name."""
        from imagemake.release.manifest.tables import read_manifest

        return {row["name"]: row for row in read_manifest(self.folder / folder / "manifest.csv")}

    def metrics(self, folder: str = "results") -> dict[str, Any]:
        """The release's metrics."""
        numbers: dict[str, Any] = orjson.loads((self.folder / folder / "metrics.json").read_bytes())
        return numbers

    def raw_files(self) -> Sequence[Path]:
        """All raw images in the store."""
        return sorted(self.folder.glob("store/raw/*/*/*.*"))

    def delete(self, *parts: str) -> None:
        """Delete folders or files of the project."""
        for part in parts:
            path = self.folder / part
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(
    program: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``snakemake`` or ``imagemake`` to its end. Most claims are on what it does, so it starts the quick way."""
    if warm_python().can_run(environment):
        return warm_python().run(program, arguments, folder, environment, TIMEOUT_S)
    command = [sys.executable, "-c", f"from {PROGRAMS[program]} import main; main()", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@cache
def warm_python() -> WarmPython:
    """The one of this process."""
    return WarmPython(ENVIRONMENT)


def wait_until(is_so: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Wait for something while a run goes on."""
    end_s = time.monotonic() + TIMEOUT_S / 2
    while not is_so():
        assert run.poll() is None, run.stdout and run.stdout.read()
        assert time.monotonic() < end_s
        time.sleep(0.1)


def wait_for_group(process: subprocess.Popen[Any]) -> None:
    """Wait until a process and its children have ended. Jobs may outlive a Snakemake that was interrupted."""
    process.wait(TIMEOUT_S)
    for _ in range(TIMEOUT_S * 20):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise TimeoutError(f"processes of group {process.pid} are still there")


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process and its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
