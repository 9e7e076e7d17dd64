"""The provenance of a released image, as the XMP packet in its file.

The file alone shows that a model generated it, which model, and the key to look up everything else. Properties come
from the IPTC Photo Metadata Standard 2025.1 and XMP where these define one, and from our own namespace otherwise.
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
    """The provenance of a released file.

    Attributes:
        source_type: Code of an IPTC digital source type, such as `trainedAlgorithmicMedia`.
        provider: Registered name of the provider.
        model: Model name with its version.
        name: The request's name.
        key: Its key, 64 hexadecimal digits.
        seed: Its seed.
        content_digest: SHA-256 of the file without this packet.
        status: ``accepted``, or ``approved`` if a reviewer decided.
        note: The reviewer's note.
        generated_at: When the raw image arrived, ISO 8601 in UTC.
        prompt: The prompt that was sent; None if files must not contain it.
        prompt_writer: Who wrote it; None if nobody is to be named.
        output: Label of an additional output; empty for the main one.
        made_from: Names and keys of the other images of the campaign that were sent with the prompt.
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
    prompt_writer: str | None = None
    output: str = ""
    made_from: tuple[str, ...] = ()

    def packet(self) -> bytes:
        """Return the XMP packet, at most `MOST_PACKET_BYTES` long; equal facts give equal bytes."""
        is_ai = self.source_type in AI_SOURCE_TYPES  # readers take the presence of these properties for AI
        properties = {
            "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + self.source_type,
            "Iptc4xmpExt:AISystemUsed": self.provider if is_ai else None,
            "Iptc4xmpExt:AISystemVersionUsed": self.model if is_ai else None,
            PROMPT: self.prompt,
            "Iptc4xmpExt:AIPromptWriterName": self.prompt_writer if is_ai else None,
            "xmp:CreatorTool": f"imagemake {__version__}",
            CREATED: self.generated_at,
            "imagemake:Name": self.name,
            "imagemake:Output": self.output,
            "imagemake:Key": self.key,
            "imagemake:MadeFrom": "; ".join(self.made_from),
            "imagemake:Provider": self.provider,
            "imagemake:Model": self.model,
            "imagemake:Seed": str(self.seed),
            "imagemake:ContentDigest": self.content_digest,
            "imagemake:Status": self.status,
            "imagemake:ReviewNote": self.note,
        }
        return packet_with(properties)


def marked_sheet(data: bytes, name: str, source_types: Collection[str]) -> bytes:
    """Return a sheet's file with an XMP packet that says how its images were made.

    Args:
        data: The file.
        name: The sheet's name.
        source_types: Codes of the IPTC digital source types of all images on it.
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
    """Return the provenance of a released file.

    Args:
        state: The state of the request; its image is finished.
        metadata: The campaign's metadata settings.
        generated_at: When the raw image arrived, from the journal.
        output: Label of the file's output.
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
        prompt_writer=metadata.prompt_writer,
        output="" if output == MAIN else output,
        made_from=_made_from(state),
    )


def _made_from(state: State) -> tuple[str, ...]:
    if state.repaired is not None:  # it is all that was sent
        return (f"{state.request.name} {state.repaired.key}",)
    return tuple(f"{parent.request.name} {parent.key}" for parent in state.parents)


@lru_cache
def source_type_of(provider: str, *, with_files: bool) -> str:
    """Return the IPTC digital source type of a provider's images.

    Args:
        provider: Registered name. A provider with ``trained = False`` draws by rules, without a trained model.
        with_files: Whether reference images were sent.
    """
    if not provider_class(provider).trained:
        return "compositeSynthetic" if with_files else "algorithmicMedia"
    return AI_SOURCE_TYPES[with_files]
