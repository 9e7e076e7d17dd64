"""What released pictures say about themselves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imagemake.wanted.settings import Section


class Metadata(Section):
    """What goes with each released picture. Changing this costs no call to a provider, and finishes no picture anew."""

    xmp: bool = Field(
        True,
        description="Whether each file says by XMP that AI made it, with model, key, seed, time, status and the note "
        "of the review that approved it. false releases hard links to the store, which take no room on the disk.",
    )
    prompt: Literal["manifest", "embed"] = Field(
        "manifest",
        description="manifest: prompts stay in the manifest; embed: they are in the XMP of each file too, for whoever "
        "gets it, at most 40,000 bytes of each.",
    )
    sidecar: Literal["json"] | None = Field(
        None,
        description="json: beside each file of a release stands what the manifest tells of it, as NAME.jpg.json; with "
        "the prompt only where `prompt` is embed. Null: the manifest is all there is.",
    )
