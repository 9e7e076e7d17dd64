"""Where a released image came from, as the XMP packet that travels in its file.

Whoever gets the file alone can read from it that a machine made it, which one, and by which key to ask for the rest.
Properties are those of the IPTC Photo Metadata Standard 2025.1 and of XMP where they have one, and ours for the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from imagemake import __version__
from imagemake.config.fields import MAIN
from imagemake.images.metadata.xmp import with_packet
from imagemake.plugins.providers import provider_class
from imagemake.release.xmp_packet import CREATED, PROMPT, packet_with

if TYPE_CHECKING:
    from imagemake.config.provenance import Metadata
    from imagemake.plan.state import State

AI_SOURCE_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a released file says about itself.

    Attributes:
        source_type: A code of IPTC's digital source types: `trainedAlgorithmicMedia` and so on.
        provider: Registered name of the provider.
        model: Model name with its version.
        name: The request's name.
        key: Its key, 64 hexadecimal digits.
        seed: Its seed.
        content_digest: SHA-256 of the file without this packet.
        status: ``accepted``, or ``approved`` where a person decided.
        note: What the reviewer wrote to that decision.
        generated_at: When the raw image came, ISO 8601 in UTC.
        prompt: As it was sent; None where it is kept out of files.
        output: Label of a further output; empty for the main one.
    """

    source_type: str
    provider: str
    model: str
    name: str
    key: str
    seed: int
    content_digest: str
    status: str
    note: str = ""
    generated_at: str | None = None
    prompt: str | None = None
    output: str = ""

    def packet(self) -> bytes:
        """Return the XMP packet; equal facts give equal bytes, of at most `MOST_PACKET_BYTES`."""
        is_ai = self.source_type in AI_SOURCE_TYPES  # readers take the mere presence of these for AI
        properties = {
            "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + self.source_type,
            "Iptc4xmpExt:AISystemUsed": self.provider if is_ai else None,
            "Iptc4xmpExt:AISystemVersionUsed": self.model if is_ai else None,
            PROMPT: self.prompt,
            "xmp:CreatorTool": f"imagemake {__version__}",
            CREATED: self.generated_at,
            "imagemake:Name": self.name,
            "imagemake:Output": self.output,
            "imagemake:Key": self.key,
            "imagemake:Provider": self.provider,
            "imagemake:Model": self.model,
            "imagemake:Seed": str(self.seed),
            "imagemake:ContentDigest": self.content_digest,
            "imagemake:Status": self.status,
            "imagemake:ReviewNote": self.note,
        }
        return packet_with(properties)


def marked_sheet(data: bytes, name: str, source_types: Collection[str]) -> bytes:
    """Return a sheet's file with a packet that says how the images on it came about.

    Args:
        data: The file.
        name: The sheet's name.
        source_types: Codes of IPTC's digital source types, of all that it shows.
    """
    if len(source_types) == 1:
        (source_type,) = source_types
    else:
        has_ai = not set(AI_SOURCE_TYPES).isdisjoint(source_types)
        source_type = AI_SOURCE_TYPES[1] if has_ai else "compositeSynthetic"
    properties = {
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + source_type,
        "xmp:CreatorTool": f"imagemake {__version__}",
        "imagemake:Name": name,
        "imagemake:ContentDigest": hashlib.sha256(data).hexdigest(),
    }
    return with_packet(data, packet_with(properties))


def provenance_of(state: State, metadata: Metadata, generated_at: str | None, output: str = MAIN) -> Provenance:
    """Return what a released file of a request says about itself.

    Args:
        state: Where the request stands; its image is finished.
        metadata: What the campaign asks for.
        generated_at: When the raw image came, as the journal tells it.
        output: Which of its files.
    """
    recipe, review = state.recipe, state.review
    return Provenance(
        source_type=source_type_of(recipe.provider, with_files=bool(recipe.files)),
        provider=recipe.provider,
        model=recipe.model,
        name=state.request.name,
        key=state.key,
        seed=recipe.seed,
        content_digest=state.files[output].digest,
        status="accepted" if review is None else "approved",
        note=review.note if review else "",
        generated_at=generated_at,
        prompt=recipe.prompt if metadata.prompt == "embed" else None,
        output="" if output == MAIN else output,
    )


@lru_cache
def source_type_of(provider: str, *, with_files: bool) -> str:
    """Return IPTC's code for how images of a provider come about.

    Args:
        provider: Registered name. One that sets ``trained = False`` draws by rules, without a trained model.
        with_files: Whether reference images went in.
    """
    if not provider_class(provider).trained:
        return "compositeSynthetic" if with_files else "algorithmicMedia"
    return AI_SOURCE_TYPES[with_files]
