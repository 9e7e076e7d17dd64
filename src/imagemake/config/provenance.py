"""The sections `metadata` and `c2pa`: what released images say about themselves."""

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
        raise mistake("this is not the address of a time stamping authority.", "Use one that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise mistake("the address contains a user or a password.", "Use an authority that needs neither.")
    return url


class C2pa(Section):
    """Content credentials (C2PA): a signed record in each released image of who released it and how it was made.

    The private key comes from the environment only: IMAGEMAKE_C2PA_KEY holds it as PEM text, or IMAGEMAKE_C2PA_KEY_FILE
    names a file outside of the project. A change here generates and postprocesses nothing.
    """

    certificate: Text = Field(
        description="Path of the certificate chain in PEM form, relative to the project or absolute: the signer's "
        "certificate first, then its issuers'. It contains no private key.",
        examples=["config/c2pa.pem"],
    )
    algorithm: Algorithm | None = Field(
        None, description="Signature algorithm. Null: the one that fits the certificate's key, ps256 for RSA."
    )
    time_stamp_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="Address of an RFC 3161 time stamping authority, called once per signature. Null: no network call, "
        "and signatures are valid only until the certificate expires.",
        examples=["https://tsa.example.com"],
    )
    trust: Text | None = Field(
        None,
        description="Path of a PEM file with root certificates; `imagemake inspect` calls their signers trusted.",
        examples=["config/trusted-roots.pem"],
    )


class Metadata(Section):
    """What each released image says about its origin. A change here generates and postprocesses nothing."""

    xmp: bool = Field(
        True,
        description="Whether each file's XMP says that AI made it, with model, key, seed, time, status, and the note "
        "of the review that approved it. false: released files are hard links to the store and take no disk space.",
    )
    prompt: Literal["manifest", "embed"] = Field(
        "manifest",
        description="manifest: prompts are in the manifest only. embed: also in each file's XMP, where everyone who "
        "gets the file can read them, up to 40,000 bytes each.",
    )
    prompt_writer: Annotated[Text, Field(max_length=200)] | None = Field(
        None,
        description="Who wrote the prompts, for IPTC's AIPromptWriterName in each file's XMP, where everyone "
        "who gets the file can read it. Null: no name.",
        examples=["Studio Example"],
    )
    drop_credentials: bool = Field(
        False,
        description="Whether to release images without the content credentials that their provider signed, if there is "
        "no section c2pa. false: without that section, the plan warns before it generates such images.",
    )
    sidecar: Literal["json"] | None = Field(
        None,
        description="json: each released file gets its manifest entry beside it, as NAME.jpg.json; with the prompt "
        "only if prompt is embed. Null: no sidecars.",
    )
