"""What a run says about the servers that it would start."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.several_models import settings_of
from imagemake.core.text import counted

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.plan.state import State


def server_lines(to_generate: Iterable[State], campaign: Campaign) -> Iterator[str]:
    """Describe the servers that the first attempts need and the build starts, each once.

    If this machine lacks a program, that is a warning, because another machine of a cluster may have it.
    """
    labels = {state.request.model for state in to_generate}
    found = {one.connects_to.command: one for one in (settings_of(label, campaign) for label in sorted(labels))}
    for one in found.values():
        if (to_start := one.server) is not None:
            copies = (
                "as many servers as the GPUs allow" if to_start.copies == "auto" else counted(to_start.copies, "server")
            )
            share = f", with {counted(to_start.gpus, 'GPU')} each" if to_start.gpus else ""
            words = f"{copies}{share}, ready within {to_start.ready_s:g} s"
            yield f"  Starts {command_words(one)} ({words})."
            if not is_there(program := one.connects_to.command[0]):
                yield f"  Warning: {program} is not a program on this machine's PATH. Where jobs run, it is needed."


def is_there(program: str) -> bool:
    """Return whether a program can be run from the project's folder."""
    return shutil.which(program if "/" not in program else str(Path(program).absolute())) is not None


def command_words(settings: ModelSettings) -> str:
    """Return the command of a server to start, with the model's name and without the port."""
    return " ".join(settings.connects_to.command).replace("{{", "{").replace("}}", "}")
