"""Checks before a run that released images can be signed as configured."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.models import load_models
from imagemake.core.problems import Problem, UserError
from imagemake.release.credentials.certificate import PLACE, Certificate, read_certificate

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.models import Model
    from imagemake.plan.state import State

SOON = timedelta(days=30)


def check_credentials(
    campaign: Campaign, environment: Mapping[str, str] = os.environ, project: Path | None = None
) -> list[str]:
    """Check certificate and key by signing and reading back an image of one color. This makes no network call.

    Args:
        campaign: The campaign. Without a ``c2pa`` section, nothing is checked or imported.
        environment: Environment variables, which name the private key.
        project: The project's folder; by default the current one.

    Returns:
        Warnings.

    Raises:
        UserError: If images cannot be signed.
    """
    if campaign.c2pa is None:
        return []
    from imagemake.release.credentials.private_key import read_private_key, warnings_about_key

    now = datetime.now(UTC)
    certificate = read_certificate(campaign.c2pa, now)
    key = read_private_key(certificate, environment, project or Path())
    if fault := _fault_of_trial(campaign, certificate, key):
        remedy = (
            "Use a certificate that allows digital signatures (key usage) and e-mail protection, document signing, or "
            "C2PA claim signing (extended key usage), with its private key."
        )
        raise UserError(Problem(f"{PLACE}.certificate", f"it cannot sign images: {fault}.", remedy))
    warnings = warnings_about_key(environment)
    if certificate.expires - now < SOON:
        without = "" if certificate.time_stamp_url else " After that, its signatures are no longer valid."
        warnings.append(f"the c2pa certificate expires on {certificate.expires:%Y-%m-%d %H:%M} UTC.{without}")
    return warnings


def dropped_credentials(to_generate: Iterable[State], campaign: Campaign) -> list[str]:
    """Warn that released files lack what the provider signed: postprocessing writes new files.

    Args:
        to_generate: The images to generate.
        campaign: The campaign. With a ``c2pa`` section, the provider's credentials are kept.
    """
    if campaign.c2pa is not None or campaign.metadata.drop_credentials:
        return []
    table = load_models(campaign.models)
    recipes = {(one.recipe.provider, one.recipe.model): one.recipe for one in to_generate if not one.recipe.endpoint}
    signed = {name for (_, name), recipe in recipes.items() if (model := table.of(recipe)) and _signs(model)}
    if not signed:
        return []
    return [
        f"images of {', '.join(sorted(signed))} have content credentials (C2PA) of the provider. Postprocessing writes "
        "new files, so released images lack them. Add the section c2pa to config.yaml: your signature then keeps them. "
        "If nobody needs them, set metadata.drop_credentials to true."
    ]


def _signs(model: Model) -> bool:
    return model.facts.content_credentials is True


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
    reasons = {str(one.get("explanation") or one.get("code")) for one in report.get("validation_status", ())}
    return "; ".join(sorted(reasons)) or "the signature is not trusted"
