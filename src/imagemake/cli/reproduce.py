"""`imagemake reproduce`: an image once more from its recipe, and how near it comes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemake.versions.reproduce import Reproduced, ReproduceSubject

DESCRIPTION = """\
Makes an image again from its recipe (prompt, seed, model, parameters, reference images) and says whether it is
equal, near, or different, with the distance: bits of the perceptual hash, mean color difference (CIEDE2000),
structural similarity.

Only some models honor seeds; of the others, the answer is known without paying, and given so. A call that costs money
needs --yes, keeps to the budget and is in the journal like any other. The new image is kept under store/reproduced;
it never takes the place of the first one, and no release shows it.

IMAGE is a file, a key, or a name of the manifest, as for `imagemake inspect`. Ends with 0 where the image is equal
or near, with 1 where it is different, with 2 where it was not made.
"""
EXAMPLES = """\
examples:
  what it would cost, and whether it makes sense
    imagemake reproduce MUG-1_red
  do it
    imagemake reproduce MUG-1_red --yes
"""


def add_reproduce_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake reproduce` takes."""
    parser.add_argument("image", metavar="IMAGE", help="a file, a key of 64 digits, or a name")
    parser.add_argument("--yes", action="store_true", help="pay for the call")
    parser.add_argument("--anyway", action="store_true", help="also where the model is not known to honor seeds")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="default: config/config.yaml")
    parser.set_defaults(run=run_reproduce)


def run_reproduce(options: argparse.Namespace) -> int:
    """Do it."""
    from imagemake.config.load import read_campaign
    from imagemake.core.errors import ExitCode
    from imagemake.store.layout import STORE, WORK
    from imagemake.store.store import Store
    from imagemake.versions.reproduce import reproduce, subject_of
    from imagemake.workflow.run_lock import hold_run_lock

    campaign = read_campaign(options.config)
    wish = subject_of(options.image, campaign, Store(STORE))
    objection = _objection(wish, yes=options.yes, anyway=options.anyway)
    if objection:
        print(objection, file=sys.stderr)
        return ExitCode.USAGE
    with hold_run_lock():
        made = reproduce(wish, campaign, STORE, WORK)
    print(*_lines(wish, made), sep="\n")
    return 1 if made.likeness.name == "DIFFERENT" else 0


def _objection(wish: ReproduceSubject, *, yes: bool, anyway: bool) -> str | None:
    """Say why it is not done yet; None where nothing speaks against it."""
    if wish.honors_seed is not True and not anyway:
        model = wish.recipe.model
        known = f"nobody has said whether {model} honors seeds"
        if wish.honors_seed is False:
            known = f"{model} does not honor seeds"
        return (
            f"{wish.name}: {known}: equal recipes give other images, and no call was made.\n"
            "  --anyway makes one and tells how far it is from the first; "
            "models.PROVIDER.MODEL.honors_seed in config.yaml says what you know."
        )
    if wish.paid and not yes:
        cost = "nobody knows how much" if wish.worst_usd is None else f"at most ${wish.worst_usd:,.4f}"
        return f"{wish.name}: one call to {wish.recipe.model} of {wish.recipe.provider}, {cost}. Say --yes to make it."
    return None


def _lines(wish: ReproduceSubject, made: Reproduced) -> list[str]:
    lines = [f"{wish.name}: {made.likeness.value}"]
    if made.distance is not None:
        distance = made.distance
        lines.append(
            f"  {distance.hash_bits} of 64 bits of the perceptual hash, "
            f"mean color difference {distance.delta_e:.2f} (CIEDE2000), structural similarity {distance.ssim:.3f}"
        )
    return [*lines, f"  The new one is {made.path}"]
