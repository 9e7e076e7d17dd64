"""Builds a campaign of 200 images with known defects, without and with a judge, rewriting, and repair.

    python bench/judged.py [--rows 200]

The stand-in draws the defects, sees them as a judge, and mends them, all by the shares below. It prints a table of what
came out and what an accepted image cost, and then the calls after a rerun, a changed threshold, and a changed question.
The figures are about the loop: how often real models draw, see, and mend a defect is not in them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from fake_openai.references import tags_of  # noqa: E402
from PIL import Image  # noqa: E402
from workflow.project import Project  # noqa: E402

MENDED_SHARE, REPAIRED_SHARE, WRONG_SHARE = 0.7, 0.8, 0.02


class Defect(NamedTuple):
    """A defect: its share of the images, the question that sees it, and the instruction that mends it."""

    share: float
    ask: str
    good: str
    repair: str


DEFECTS = {
    "wrong_color": Defect(0.15, "Is the {product} {color}?", "yes", "Recolor the {product} to {color}."),
    "missing_object": Defect(0.1, "Is there a {product} to be seen?", "yes", "Add the {product}."),
    "checkerboard": Defect(0.08, "Is a checkerboard painted?", "no", "Make the background plain white."),
    "misspelled": Defect(0.1, "Is a word misspelled?", "no", "Correct the lettering."),
    "extra_finger": Defect(0.07, "Are all fingers plausible?", "yes", "Correct the hand."),
}
SEES = {
    "wrong_color": r"\b(red|teal|gold)\?",
    "missing_object": "to be seen",
    "checkerboard": "checkerboard",
    "misspelled": "misspelled",
    "extra_finger": "fingers",
}
# By a text that the instruction has, or that the stand-in for a text model adds to a prompt.
MENDS = {name: f"Exactly as described|{one.repair.split('{')[0].strip()}" for name, one in DEFECTS.items()}
PRICES = {"as_of": "2026-11-27", "usd_per_million_tokens": {"text_in": 1, "image_in": 1, "image_out": 4}}
REPAIR = {f"judge.{name}": one.repair for name, one in DEFECTS.items()}
# Larger files would be sent to the judge as other files, without the tags.
PARAMETERS = {"size": "1024x1024", "quality": "medium", "output_format": "jpeg"}


def stand_in() -> Settings:
    """Return the settings of the server."""
    sees = [{"question": SEES[name], "tag": name, "yes_if_present": one.good == "no"} for name, one in DEFECTS.items()]
    return Settings(
        defects={name: one.share for name, one in DEFECTS.items()},
        mends=MENDS,
        mended_share=MENDED_SHARE,
        repaired_share=REPAIRED_SHARE,
        judge={"sees": sees, "wrong_share": WRONG_SHARE},
        prepare=("1024x1024:jpeg",),
    )


def validation(server: FakeOpenAI, *, rejects: bool, limit: float = 0.5, **changed: str) -> dict[str, Any]:
    """Return the section `validation` with a judge.

    Args:
        server: The stand-in.
        rejects: Whether a bad answer rejects the image; otherwise, it awaits review.
        limit: The least probability of the good answer.
        changed: Other words of questions, by name.
    """
    questions = [{"ask": changed.get(name, one.ask), "name": name, "good": one.good} for name, one in DEFECTS.items()]
    asked = {**place(server), "model": "gpt-6-luna", "api": "decisions", "questions": questions}
    found: dict[str, Any] = {"near_duplicates": False, "measures": {"judge": asked}}
    if rejects:
        limits = {
            name: {"min": limit} if one.good == "yes" else {"max": round(1 - limit, 2)} for name, one in DEFECTS.items()
        }
        found["checks"] = {f"judge.{name}": {"reject": one} for name, one in limits.items()}
    return found


def place(server: FakeOpenAI) -> dict[str, str]:
    """Return the keys of the stand-in's server."""
    return {"base_url": server.base_url, "identity": "openai", "key_from": "OPENAI_API_KEY"}


def ways(server: FakeOpenAI) -> dict[str, dict[str, Any]]:
    """Return the sections of each way to build the campaign, by its name."""
    rewrite = {**place(server), "model": "gpt-6-luna", "keep": ["{product}"]}
    rejecting = validation(server, rejects=True)
    return {
        "no judge": {"validation": {"near_duplicates": False}},
        "judge, doubtful images await review": {"validation": validation(server, rejects=False)},
        "judge, then the same prompt again": {
            "validation": rejecting,
            "attempts": {"policy": {"judge": "regenerate"}},
        },
        "judge, then a rewritten prompt": {"validation": rejecting, "attempts": {"rewrite": rewrite}},
        "judge, then a repair": {"validation": rejecting, "attempts": {"repair": REPAIR}},
        "judge, then a repair, then a rewritten prompt": {
            "validation": rejecting,
            "attempts": {"repair": REPAIR, "rewrite": rewrite},
        },
    }


def run(project: Project) -> None:
    """Build. Images that are rejected in every attempt are missing at the end, so the exit status tells nothing."""
    command, environment = project.command(), project.environment()
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
    if not (project.folder / "results" / "metrics.json").exists():
        sys.exit(done.stderr)


def built(folder: Path, server: FakeOpenAI, rows: int, sections: Mapping[str, Any]) -> Project:
    """Build a campaign."""
    project = Project(folder, server, rows=rows, model={"parameters": PARAMETERS}, limits={"in_flight": 16}, **sections)
    project.write_config(models={"openai": {"gpt-6-luna": {"prices": PRICES}}})
    run(project)
    return project


def line_of(way: str, project: Project) -> str:
    """Return a line of the table."""
    metrics, manifest = project.metrics(), project.manifest()
    accepted = [row for row in manifest.values() if row["verdict"] == "accepted"]
    raw = {path.stem: path for path in project.raw_files()}
    good = sum(not tags_in(raw, row["key"]) for row in accepted)
    n, usd = len(accepted), metrics["cost_usd_total"]
    parts = " + ".join(f"{metrics[f'cost_usd_{name}']:.2f}" for name in ("images", "judge", "rewrite"))
    kinds = Counter(record.get("kind", "image") for record in project.journal("sent"))
    made = " + ".join(str(kinds[kind]) for kind in ("image", "judge", "rewrite"))
    share = f"{n / len(manifest):.1%} | {good / n:.1%}"
    return f"| {way} | {made} | {share} | {parts} = {usd:.2f} | {usd / n:.4f} | {usd / good:.4f} |"


def tags_in(raw: Mapping[str, Path], key: str) -> frozenset[str]:
    """Return the defects of a raw image."""
    path = next(path for name, path in raw.items() if name.startswith(key))
    with Image.open(path) as image:
        return tags_of(image)


def new_calls(project: Project, **sections: Any) -> tuple[Counter[str], int]:
    """Build again with other sections; return the calls by kind, and the most calls of the judge about one image."""
    before = len(project.journal("sent"))
    project.write_config(**sections)
    run(project)
    new = project.journal("sent")
    new = sorted(new, key=lambda one: one["at"])[before:]
    images = Counter(one["key"][:32] for one in new if one.get("kind") == "judge")
    return Counter(one.get("kind", "image") for one in new), max(images.values(), default=0)


def main() -> None:
    """Build the campaign in each way, and change the last one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200, help="images of the campaign (default: 200)")
    options = parser.parse_args()
    shares = ", ".join(f"{name} {one.share:.0%}" for name, one in DEFECTS.items())
    print(f"Of the images, {shares}. The judge errs in {WRONG_SHARE:.0%} of its answers.")
    print(f"A rewritten prompt prevents {MENDED_SHARE:.0%} of the defects; a repair mends {REPAIRED_SHARE:.0%}.")
    print(
        "| way | calls: images + judge + rewrite | accepted | of these without a defect | USD | per accepted |", end=""
    )
    print(" per accepted without a defect |\n|---|---|---|---|---|---|---|")
    with FakeOpenAI(stand_in()) as server, tempfile.TemporaryDirectory() as root:
        for number, (way, sections) in enumerate(ways(server).items()):
            server.reset()
            project = built(Path(root) / str(number), server, options.rows, sections)
            print(line_of(way, project), flush=True)
            for told in (project.metrics().get("remedies") or {}).items():
                print("   ", *told)
        print("a rerun:", *new_calls(project))
        print("another threshold:", *new_calls(project, validation=validation(server, rejects=True, limit=0.6)))
        other = validation(server, rejects=True, limit=0.6, extra_finger="Do all fingers look right?")
        print("one changed question:", *new_calls(project, validation=other))


if __name__ == "__main__":
    main()
