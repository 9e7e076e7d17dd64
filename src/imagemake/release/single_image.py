"""Releases one image, for `snakemake results/images/NAME.jpg`."""

from __future__ import annotations

import sys
from pathlib import Path

from imagemake.core.problems import Problem, UserError
from imagemake.plan.inventory import Inventory
from imagemake.plan.state import Stage
from imagemake.plan.target import Target
from imagemake.release.credentials.signing import signing_of
from imagemake.release.manifest.entries import Entries
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing
from imagemake.release.released_files import ReleasedBefore
from imagemake.release.summary import unsigned_words
from imagemake.store.store import DamagedError, Store


def link_one(target: Target, path: Path, store: Store, work: Path) -> None:
    """Release one finished image under its name.

    Raises:
        UserError: If the image does not exist or is damaged; the message gives the reason.
    """
    (state,) = target.asked_for(target.states(Inventory(store, work)))
    if state.finished is None or state.stage is not Stage.DONE:
        reasons = "; ".join(map(str, state.reasons)) or state.why
        remedy = "Edit the catalog row or the prompt, or add a decision to config/reviews.csv."
        raise UserError(Problem(str(path), f"the image does not exist ({state.stage.value}: {reasons})", remedy))
    signing = signing_of(target.campaign, store)
    placing = Placing(store.finished, target.campaign.metadata, ReleasedBefore(None), signing)
    wanted = ReleaseFile(state, target.file_names.output_of(state.request, path.name))
    try:
        released = placing.place(wanted, path, Entries(target, store, ()).generated_at(state))
    except DamagedError as error:
        raise UserError(Problem(str(path), str(error), "Run again to postprocess it again.")) from error
    if released.unsigned is not None:
        print(*unsigned_words({path.name: released.unsigned}), sep="\n", file=sys.stderr)
