"""The C2PA library: the one place that calls it. Nothing here asks the network, unless a time stamp is wanted.

Every call makes objects of its own, so that threads share none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from imagemake.core.errors import ExitCode, ImagemakeError
from imagemake.images.metadata.c2pa import mime_of
from imagemake.release.credentials.claim import PARENT

if TYPE_CHECKING:
    from imagemake.release.credentials.certificate import Certificate

# What a signer's certificate may be for (extended key usage; C2PA Technical Specification 2.4, section 14). The library
# takes e-mail protection alone where nothing is said, and calls the claims of real C2PA certificates invalid.
_PURPOSES = (
    "1.3.6.1.5.5.7.3.4",  # e-mail protection
    "1.3.6.1.5.5.7.3.36",  # document signing
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA signing
)
# A hostile file can name an address to read credentials from, and a certificate one to ask whether it was revoked.
_SETTINGS: Mapping[str, Any] = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},  # 3 KB instead of 136; and images within an image
    "verify": {"verify_after_sign": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "trust": {"trust_config": "\n".join(_PURPOSES)},
}
TRUSTED, INVALID = "Trusted", "Invalid"


class CredentialsError(ImagemakeError):
    """Content credentials that cannot be written or read; the message says why."""

    exit_code = ExitCode.NOT_READY


def write_credentials(
    data: bytes, definition: Mapping[str, Any], certificate: Certificate, key: bytes, *, parent: bytes | None = None
) -> bytes:
    """Sign an image.

    Args:
        data: The file; the signature covers all of it.
        definition: What is claimed.
        certificate: Whose signature it is.
        key: Its private key, PEM.
        parent: The image with content credentials that this one was made from; they are kept whole.

    Returns:
        The file with content credentials. Two calls never give the same bytes: names and salts are random.

    Raises:
        CredentialsError: If it cannot be signed.
    """
    from c2pa import Builder, C2paError, C2paSignerInfo, Context, Signer

    stamp = certificate.time_stamp_url.encode() if certificate.time_stamp_url else None
    info = C2paSignerInfo(certificate.algorithm, certificate.chain.encode(), key, stamp)
    signed = BytesIO()
    try:
        mime = mime_of(data)
        with (
            Context.from_dict(dict(_SETTINGS)) as context,
            Signer.from_info(info) as signer,
            Builder(dict(definition), context=context) as builder,
        ):
            if parent is not None:
                ingredient = {"relationship": "parentOf", "label": PARENT}
                builder.add_ingredient(ingredient, mime_of(parent), BytesIO(parent))
            builder.sign(signer, mime, BytesIO(data), signed)
    except (C2paError, ValueError) as error:
        raise CredentialsError(str(error)) from error
    return signed.getvalue()


def read_credentials(data: bytes, anchors: str = "") -> dict[str, Any]:
    """Read and check the content credentials of an image.

    Args:
        data: The file; it may be hostile.
        anchors: PEM: certificates whose holders, and those certified by them, are trusted.

    Returns:
        The library's report on the manifest store: ``validation_state`` is `TRUSTED`, ``Valid`` or `INVALID`.

    Raises:
        CredentialsError: If there are none, or they cannot be read.
    """
    from c2pa import C2paError, Context, Reader

    settings = dict(_SETTINGS)
    if anchors:
        settings["trust"] = {**_SETTINGS["trust"], "trust_anchors": anchors}
    try:
        with (
            Context.from_dict(settings) as context,
            Reader(mime_of(data), BytesIO(data), context=context) as reader,
        ):
            report: dict[str, Any] = json.loads(reader.json())
    except (C2paError, ValueError) as error:
        raise CredentialsError(str(error)) from error
    return report


def active_manifest(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the manifest that speaks for the file itself, and not for what it was made from."""
    manifest: Mapping[str, Any] = report.get("manifests", {}).get(report.get("active_manifest"), {})
    return manifest
