"""Write the conda environment of each stage from requirements-dev.lock: `make lock` runs this.

An environment holds what the jobs of its stage import and nothing else, in the versions that the lock has for the
Python that the environment names.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.markers import Marker

PYTHON = "3.11"
ROOT = Path(__file__).resolve().parents[1]
BASE = ("numpy", "orjson", "pydantic", "pyyaml")
PIXELS = ("isal", "opencv-python-headless", "pillow")
STAGES = {
    "generate": (*BASE, *PIXELS, "fsspec", "openai", "pybase64", "s3fs"),
    "validate": (*BASE, *PIXELS, "cykooz-resizer", "imagehash"),
    "judge": (*BASE, *PIXELS, "openai", "pybase64"),
    "rewrite": (*BASE, *PIXELS, "openai", "pybase64"),
    "postprocess": (*BASE, *PIXELS, "cykooz-resizer"),
    "next_round": (*BASE, "pyarrow", "pybase64"),
    "release": (*BASE, "c2pa-python", "cryptography", "isal", "jinja2", "pillow", "pyarrow"),
}
NOTES = {
    "generate": "fsspec and s3fs serve store.remote.",
    "validate": "For text, nsfw, prompt, and a model of yours (cutout), add what these extras of pyproject.toml name.",
    "postprocess": "For upscale and a model of yours (cutout), add what these extras of pyproject.toml name.",
    "release": "c2pa-python and cryptography serve campaigns that sign.",
}
_PIN = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? ?\\?$", re.MULTILINE)


def pins(lock: str, python: str = PYTHON) -> dict[str, str]:
    """Read the version of each package that a lock has for one Python on Linux."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    }
    return {
        name: version
        for name, version, marker in _PIN.findall(lock)
        if not marker or Marker(marker.strip()).evaluate(machine)
    }


def environment(stage: str, versions: dict[str, str]) -> str:
    """Return the conda environment of a stage as YAML."""
    lines = [
        f"# What the jobs of `{stage}` import, for `--software-deployment-method conda`. Written by envs/write.py.",
        *([f"# {NOTES[stage]}"] if stage in NOTES else []),
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {name}=={versions[name]}" for name in sorted(STAGES[stage])),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    versions = pins((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))
    for stage in STAGES:
        (ROOT / "envs" / f"{stage}.yaml").write_text(environment(stage, versions), encoding="utf-8")


if __name__ == "__main__":
    main()
