"""imagemake: a project with default settings, built by Snakemake on all cores.

``python ours.py CATALOG FOLDER`` brings a folder up to date with a catalog.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from pixel_work import IN_FLIGHT, MODEL, QUALITY, SIZE

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOG, FOLDER = Path(sys.argv[1]), Path(sys.argv[2]).absolute()


def main() -> None:
    """Write the project if it is not there, take over the catalog, and become Snakemake."""
    (FOLDER / "config").mkdir(parents=True, exist_ok=True)
    for part in ("Snakefile", "rules", "scripts", "profiles"):
        if not (FOLDER / part).exists():
            (FOLDER / part).symlink_to(REPOSITORY / part)
    shutil.copyfile(CATALOG, FOLDER / "config" / "catalog.csv")
    config = {
        "campaign": "shop",
        "catalog": "config/catalog.csv",
        "prompt": "{prompt}",
        "name": "{name}",
        "model": {
            "provider": "openai",
            "name": MODEL,
            "base_url": os.environ["OPENAI_BASE_URL"],
            "identity": "stand-in",
            "key_from": "OPENAI_API_KEY",
            "parameters": {"size": SIZE, "quality": QUALITY},
        },
        "limits": {"in_flight": IN_FLIGHT},
        "postprocess": {
            "steps": [{"resize": {"width_px": 800, "height_px": 800}}],
            "output": {"format": "jpeg", "quality": 90},
        },
    }
    (FOLDER / "config" / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    os.chdir(FOLDER)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", "--cores", "all"])


if __name__ == "__main__":
    main()
