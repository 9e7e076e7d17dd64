"""References to other images of the same campaign, which are made first."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imagemake.config.fields import Section, TemplateText

OWN_IMAGE = "image:"  # what a reference to another image of the campaign begins with; its name follows


class ImageReference(Section):
    """Another image of the campaign as a reference image; the text ``image:NAME`` is the short form."""

    image: TemplateText = Field(
        description="Name of the other image, without extension; placeholders as in prompt. Where it comes out empty, "
        "there is no such reference.",
        examples=["{sku}_hero"],
    )
    after: Literal["accepted", "approval"] = Field(
        "accepted",
        description="When the other image may be used: as soon as it passes the checks, or once a person approves it "
        "in the review. With 'approval', it is also released only then.",
    )
