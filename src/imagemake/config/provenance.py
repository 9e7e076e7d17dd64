"""What released images say about themselves."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake

Algorithm = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise mistake("this is no address of a time stamping authority.", "Give one that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise mistake("the address holds a user or a password.", "Use an authority that asks for none.")
    return url


class C2pa(Section):
    """Content credentials (C2PA): a signed record in each released image of who released it and what was done to it.

    The private key comes from the environment only: IMAGEMAKE_C2PA_KEY holds it as PEM text, or IMAGEMAKE_C2PA_KEY_FILE
    names a file outside of the project. Changing this section makes and finishes no image anew.
    """

    certificate: Text = Field(
        description="Path of the certificate in PEM form, from the project's folder, or absolute: the signer's own "
        "first, then those of its issuers. No key is in it.",
        examples=["config/c2pa.pem"],
    )
    algorithm: Algorithm | None = Field(
        None, description="How it is signed; null takes what fits the certificate's key, ps256 for RSA."
    )
    time_stamp_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="Address of an RFC 3161 time stamping authority, which is asked once a signature. Without one "
        "nothing is asked over the network, and a signature counts only until the certificate expires.",
        examples=["https://tsa.example.com"],
    )
    trust: Text | None = Field(
        None,
        description="Path of a PEM file with the root certificates whose signers `imagemake inspect` calls trusted.",
        examples=["config/trusted-roots.pem"],
    )


class Metadata(Section):
    """What goes with each released image. Changing this costs no call to a provider, and finishes no image anew."""

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
