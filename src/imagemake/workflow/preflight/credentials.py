"""Whether released images can be signed as the campaign asks, before anything is paid for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.problems import Problem, UserError
from imagemake.release.credentials.certificate import PLACE, Certificate, read_certificate

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign

SOON = timedelta(days=30)


def check_credentials(
    campaign: Campaign, environment: Mapping[str, str] = os.environ, project: Path | None = None
) -> list[str]:
    """Check certificate and key, and sign and read back an image of one color with them; nobody else is asked.

    Args:
        campaign: What is wanted; without a section ``c2pa``, nothing is checked and nothing imported.
        environment: Where the private key is named.
        project: Its folder; by default the current one.

    Returns:
        Warnings.

    Raises:
        UserError: If images could not be signed.
    """
    if campaign.c2pa is None:
        return []
    from imagemake.release.credentials.private_key import read_private_key, warnings_about_key

    now = datetime.now(UTC)
    certificate = read_certificate(campaign.c2pa, now)
    key = read_private_key(certificate, environment, project or Path())
    if fault := _fault_of_trial(campaign, certificate, key):
        remedy = "docs/provenance.md tells what a certificate for content credentials must say."
        raise UserError(Problem(f"{PLACE}.certificate", f"images cannot be signed with it: {fault}.", remedy))
    warnings = warnings_about_key(environment)
    if certificate.expires - now < SOON:
        without = "" if certificate.time_stamp_url else " What it signed counts for nothing from then on."
        warnings.append(f"the certificate of c2pa expires on {certificate.expires:%Y-%m-%d %H:%M} UTC.{without}")
    return warnings


def _fault_of_trial(campaign: Campaign, certificate: Certificate, key: bytes) -> str | None:
    from dataclasses import replace

    from PIL import Image

    from imagemake.release.credentials.claim import Claim, actions_of
    from imagemake.release.credentials.library import TRUSTED, CredentialsError, read_credentials, write_credentials

    image = BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG")
    actions = actions_of(campaign.postprocess.steps, "png", "png", with_xmp=campaign.metadata.xmp)
    claim = Claim(source_type="trainedAlgorithmicMedia", provider=None, model=None, actions=actions)
    definition = claim.definition("trial", with_parent=False)
    try:
        signed = write_credentials(image.getvalue(), definition, replace(certificate, time_stamp_url=None), key)
        report = read_credentials(signed, certificate.issuers)
    except CredentialsError as error:
        return str(error).removesuffix(".")
    if report.get("validation_state") == TRUSTED:
        return None
    told = {str(one.get("explanation") or one.get("code")) for one in report.get("validation_status", ())}
    return "; ".join(sorted(told)) or "nobody would trust it"
