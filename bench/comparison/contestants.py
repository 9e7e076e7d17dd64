"""Who is compared, and the environment of each."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = REPOSITORY / "bench" / "peers"
CACHE = REPOSITORY / ".bench"  # not in git: environments and figures
# Peers must reach this machine only: other addresses lead to a closed port.
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
OFFLINE = {**NOWHERE, "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True)
class Contestant:
    """One way to make the images of a catalog.

    Attributes:
        name: Short name, of its results too.
        title: Name for people.
        script: Program in peers/, called with the catalog and a folder.
        most: Largest number of images that it is measured with.
        images: Folder with its finished images.
        environment: Name of its requirements in peers/; empty for the environment of this repository.
        arguments: More arguments.
    """

    name: str
    title: str
    script: str
    most: int
    images: str = "images"
    environment: str = ""
    arguments: tuple[str, ...] = ()

    def command(self, catalog: Path, folder: Path) -> list[str]:
        """Return the command that brings a folder up to date."""
        return [str(python_of(self.environment)), str(PEERS / self.script), str(catalog), str(folder), *self.arguments]


SCRIPT = Contestant("script", "script by hand", "script_by_hand.py", 10_000)
OURS = Contestant("ours", "imagemake", "ours.py", 10_000, "results/images")
CONTESTANTS = (
    SCRIPT,
    OURS,
    Contestant(
        "download", "script that only downloads", "script_by_hand.py", 10_000, "raw", arguments=("--only-download",)
    ),
    Contestant(
        "data-designer", "NeMo Data Designer", "data_designer_columns.py", 1_000, environment="data_designer"
    ),
    Contestant("pixeltable", "Pixeltable", "pixeltable_table.py", 1_000, environment="pixeltable"),
    Contestant("snakemake", "Snakemake with a job per image and stage", "naive_snakemake.py", 100),
)  # fmt: skip


def environment_of_process() -> dict[str, str]:
    """Return the environment variables of all contestants."""
    return {**os.environ, **OFFLINE, "PYTHONDONTWRITEBYTECODE": ""}


def python_of(environment: str) -> Path:
    """Return the Python of an environment, which is installed if its requirements changed."""
    if not environment:
        return Path(sys.executable)
    folder, wanted = CACHE / "envs" / environment, (PEERS / f"{environment}.txt").read_bytes()
    python, installed = folder / "bin" / "python", folder / "requirements.txt"
    if not installed.exists() or installed.read_bytes() != wanted:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
        options = ["--only-binary", ":all:", "--compile-bytecode"]  # an import must not compile each time
        if environment == "near_duplicates":
            options.append("--no-deps")
        command = [uv, "pip", "install", "-q", "--python", str(python), *options]
        subprocess.run([*command, "-r", str(PEERS / f"{environment}.txt")], check=True)
        installed.write_bytes(wanted)
    return python
