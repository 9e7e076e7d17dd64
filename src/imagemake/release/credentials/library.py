"""Calls the C2PA library. Only time stamps use the network.

Each call creates its own objects, so that threads share none.
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

# Allowed uses of a signer's certificate (extended key usage; C2PA Technical Specification 2.4, section 14). By default,
# the library allows only e-mail protection, and rejects claims of real C2PA certificates.
_PURPOSES = (
    "1.3.6.1.5.5.7.3.4",  # e-mail protection
    "1.3.6.1.5.5.7.3.36",  # document signing
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA signing
)
# A hostile file can name an address of remote credentials, and a certificate an address for revocation checks.
_SETTINGS: Mapping[str, Any] = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},  # 3 KB instead of 136, and no images inside images
    "verify": {"verify_after_sign": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "trust": {"trust_config": "\n".join(_PURPOSES)},
}
TRUSTED, INVALID = "Trusted", "Invalid"


class CredentialsError(ImagemakeError):
    """Content credentials cannot be written or read. The message says why."""

    exit_code = ExitCode.NOT_READY


def write_credentials(
    data: bytes, definition: Mapping[str, Any], certificate: Certificate, key: bytes, *, parent: bytes | None = None
) -> bytes:
    """Sign an image.

    Args:
        data: The file. The signature covers all of it.
        definition: The claim.
        certificate: The signer's certificate.
        key: Private key of the certificate, PEM.
        parent: The original image with content credentials, which are kept completely.

    Returns:
        The file with content credentials. Two calls never give the same bytes, because names and salts are random.

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
        data: The file, which may be hostile.
        anchors: PEM of the trusted root certificates.

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
    """Return the manifest about the file itself, not about its ingredients."""
    manifest: Mapping[str, Any] = report.get("manifests", {}).get(report.get("active_manifest"), {})
    return manifest
