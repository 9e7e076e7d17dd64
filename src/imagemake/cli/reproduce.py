"""`imagemake reproduce`: make an image again, and report how close the result is."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from imagemake.cli.options import add_config_option

if TYPE_CHECKING:
    from imagemake.versions.reproduce import Reproduced, ReproduceSubject

DESCRIPTION = """\
Makes an image again from its recipe (prompt, seed, model, parameters, reference images) and reports whether the result
is equal, near, or different. It gives the distance as bits of the perceptual hash, mean color difference (CIEDE2000),
and structural similarity. For a model on this machine, it also says whether the image depends on how many were made at
once, and whether other versions or another device made it.

Only some models honor seeds. For other models, the command makes no call unless you pass --anyway. A call that costs
money needs --yes; it counts toward the budget and the journal records it. The new image goes to store/reproduced. It
never replaces the original, and no release includes it.

IMAGE is a file, a key, or a name in the manifest, as for `imagemake inspect`.

Exit status: 0 if the image is equal or near, 1 if it is different, 2 if it was not made.
"""
EXAMPLES = """\
examples:
  show what the call would cost, and whether the model honors seeds
    imagemake reproduce MUG-1_red
  make the image
    imagemake reproduce MUG-1_red --yes
"""


def add_reproduce_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake reproduce`."""
    parser.add_argument("image", metavar="IMAGE", help="a file, a key (64 hexadecimal digits), or a name")
    parser.add_argument("--yes", action="store_true", help="pay for the call")
    parser.add_argument("--anyway", action="store_true", help="make the image even if the model may not honor seeds")
    add_config_option(parser)
    parser.set_defaults(run=run_reproduce)


def run_reproduce(options: argparse.Namespace) -> int:
    """Make the image again and print the distance; return 1 if it is different, 2 if it was not made."""
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
    """Return why the image is not made yet, or None if it can be made."""
    if wish.honors_seed is not True and not anyway:
        model = wish.recipe.model
        known = f"it is not known whether {model} honors seeds"
        if wish.honors_seed is False:
            known = f"{model} does not honor seeds"
        return (
            f"{wish.name}: {known}. The same recipe may give a different image, so no call was made.\n"
            "  To make one anyway and see the distance, pass --anyway. "
            "If you know, set models.PROVIDER.MODEL.determinism in config.yaml."
        )
    if wish.paid and not yes:
        cost = "cost unknown" if wish.worst_usd is None else f"at most ${wish.worst_usd:,.4f}"
        return f"{wish.name}: one call to {wish.recipe.model} of {wish.recipe.provider}, {cost}. Pass --yes to make it."
    return None


def _lines(wish: ReproduceSubject, made: Reproduced) -> list[str]:
    lines = [f"{wish.name}: {made.likeness.value}"]
    if made.distance is not None:
        distance = made.distance
        lines.append(
            f"  {distance.hash_bits} of 64 bits of the perceptual hash, "
            f"mean color difference {distance.delta_e:.2f} (CIEDE2000), structural similarity {distance.ssim:.3f}"
        )
    return [*lines, *(f"  {note}" for note in made.notes), f"  New image: {made.path}"]
