"""Content credentials by the C2PA library: images signed by a provider, and a reader."""

from __future__ import annotations

import io
import json
from typing import Any

from c2pa import Builder, C2paSignerInfo, Context, Reader, Signer

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OFFLINE = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},
    # Tests also sign with invalid certificates.
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}
CREATED = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": {"name": "a-model"}}
CLAIM = {
    "claim_version": 2,
    "claim_generator_info": [{"name": "A Provider", "version": "1"}],
    "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [CREATED]}, "created": True}],
}


def signed_by_provider(
    data: bytes,
    mime: str,
    chain: str,
    key: str,
    claim: dict[str, Any] | None = None,
    stamp: str | None = None,
    purpose: str | None = None,
) -> bytes:
    """Sign an image as a provider with content credentials does.

    Args:
        data: The image.
        mime: Its type.
        chain: PEM: the signer's certificate and its issuers'.
        key: The signer's private key, PEM, on P-256.
        claim: What is claimed.
        stamp: Address of the time stamping authority.
        purpose: Purpose of the certificate, if it is not a standard one.
    """
    settings = {**OFFLINE, "trust": {"trust_config": purpose}} if purpose else OFFLINE
    info, signed = C2paSignerInfo("es256", chain.encode(), key.encode(), stamp), io.BytesIO()
    with (
        Context.from_dict(settings) as context,
        Signer.from_info(info) as signer,
        Builder(claim or CLAIM, context=context) as builder,
    ):
        builder.sign(signer, mime, io.BytesIO(data), signed)
    return signed.getvalue()


def read(data: bytes, mime: str, root: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read an image's credentials with a trusted root: their state, the active manifest, and the full report."""
    with (
        Context.from_dict({**OFFLINE, "trust": {"trust_anchors": root}}) as context,
        Reader(mime, io.BytesIO(data), context=context) as reader,
    ):
        report = json.loads(reader.json())
    return report["validation_state"], report["manifests"][report["active_manifest"]], report


def actions_in(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the actions that a manifest lists."""
    (listed,) = (one["data"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    return listed["actions"]
