"""Content credentials by the C2PA library itself, for tests: images that a provider signed, and its own reader."""

from __future__ import annotations

import io
import json
from typing import Any

from c2pa import Builder, C2paSignerInfo, Context, Reader, Signer

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OFFLINE = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},
    # Certificates that must not sign are for tests to find out about.
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
    """Sign an image as a provider does that makes content credentials.

    Args:
        data: The image.
        mime: Its type.
        chain: PEM: the signer's certificate and its issuers'.
        key: The signer's private key, PEM, on P-256.
        claim: What is claimed.
        stamp: Whom to ask for a time stamp.
        purpose: What the signer takes its certificate to be for, where that is none of the standard's.
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
    """Read an image's credentials, trusting a root: how they stand, what the file itself claims, and all of it."""
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
