"""The wheel in an environment of its own, away from the repository, as users have it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from folders import REPOSITORY


class Installed:
    """An environment with the wheel. What it needs otherwise comes from the environment of the tests.

    Args:
        folder: A new folder for it.
    """

    def __init__(self, folder: Path) -> None:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
        subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
        self.wheel = next(folder.glob("*.whl"))
        self.bin = folder / "venv" / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        install = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", self.bin / "python"]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run([*install, self.wheel], check=True, env={**os.environ, "PATH": path})
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
        (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # reads no .pth there: not our sources
        script = self.bin / "snakemake"  # as pip writes it
        script.write_text(f"#!{self.bin / 'python'}\nfrom snakemake.cli import main\n\nmain()\n")
        script.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of its processes, as where no environment is activated."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more

    def run(self, *command: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, with an environment that is not activated."""
        environment = self.environment()
        whole = {"snakemake": [self.bin / "python", "-m", "snakemake"], "python": [self.bin / "python"]}
        words = [*whole.get(command[0], [self.bin / command[0]]), *command[1:]]
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done
