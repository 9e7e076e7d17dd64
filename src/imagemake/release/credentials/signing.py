"""Signs released images last, over everything else, and recognizes valid signatures.

Two signatures never have the same bytes. Therefore a file that is already signed over the same content, by the same
certificate, and with the same claim stays unchanged: its own assertion says what it was made of. If the file is
missing, the signature in the store is inserted again.
"""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.fingerprint import fingerprint
from imagemake.images.metadata.c2pa import has_manifest
from imagemake.release.credentials.certificate import Certificate, read_certificate
from imagemake.release.credentials.claim import Claim, claim_of, made_of_in
from imagemake.release.credentials.kept_signatures import Signatures
from imagemake.release.credentials.library import (
    TRUSTED,
    CredentialsError,
    active_manifest,
    read_credentials,
    write_credentials,
)
from imagemake.release.credentials.private_key import read_private_key

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State
    from imagemake.release.output_file import ReleaseFile
    from imagemake.store.store import Store, StoredFile


class Seal:
    """Recognizes files that were signed by a certificate over the expected content.

    Args:
        certificate: The signer's certificate.
        campaign: The campaign, for its postprocessing steps.
    """

    def __init__(self, certificate: Certificate, campaign: Campaign) -> None:
        self.certificate = certificate
        self._postprocess = campaign.postprocess

    def claim(self, wanted: ReleaseFile, packet: bytes) -> Claim:
        """Return the claim about a finished image; arguments as for `made_of`."""
        steps = self._postprocess.steps_of(wanted.output)
        return claim_of(wanted.state, wanted.stored, steps, with_xmp=bool(packet))

    def made_of(self, wanted: ReleaseFile, packet: bytes) -> str:
        """Return a digest of everything that determines a signed file.

        Args:
            wanted: The image.
            packet: The XMP packet in the file; empty if there is none.
        """
        assert wanted.state.raw is not None
        certificate = self.certificate
        return fingerprint(
            {
                "content": wanted.stored.digest,
                "packet": hashlib.sha256(packet).hexdigest(),
                "parent": wanted.state.raw.digest,  # decides whether there is a parent
                "claim": self.claim(wanted, packet).digest,
                "signer": [certificate.digest, certificate.algorithm, certificate.time_stamp_url],
            }
        )

    def is_over(self, data: bytes, made_of: str) -> bool:
        """Return whether a file was signed by this certificate over exactly this, and is unchanged."""
        if not has_manifest(data):
            return False
        try:
            report = read_credentials(data, self.certificate.issuers)
        except CredentialsError:
            return False
        manifest = active_manifest(report)
        # Serial numbers are unique per issuer, and the issuer is checked, so this is the same certificate.
        is_own = manifest.get("signature_info", {}).get("cert_serial_number") == self.certificate.serial
        is_whole = report.get("validation_state") == TRUSTED
        return is_own and is_whole and made_of_in(manifest.get("assertions", ())) == made_of


class Signing:
    """Signs released images. Threads can share it.

    Args:
        seal: Determines what a signature must cover.
        key: The private key, PEM.
        store: The store with the raw images and the kept signatures.
    """

    def __init__(self, seal: Seal, key: bytes, store: Store) -> None:
        self.seal = seal
        self._key, self._raw, self._kept = key, store.raw, Signatures(store.signatures)

    def over(self, data: bytes, wanted: ReleaseFile, packet: bytes, target: Path) -> tuple[bytes, str | None]:
        """Return the signed file; if signing fails, the unsigned file and the reason.

        Args:
            data: The file, including XMP.
            wanted: The image.
            packet: The XMP packet in the file; empty if there is none.
            target: Path of the existing file, if any. It stays if it is signed over exactly this.
        """
        made_of = self.seal.made_of(wanted, packet)
        there = target.read_bytes() if target.exists() else b""
        if self.seal.is_over(there, made_of):
            return there, None
        before = self._kept.over(data, made_of)
        if before is not None and self.seal.is_over(before, made_of):
            return before, None
        try:
            signed = self._signed(data, wanted.state, self.seal.claim(wanted, packet), made_of)
        except CredentialsError as error:
            return data, str(error)
        self._kept.keep(data, signed, made_of)
        return signed, None

    def _signed(self, data: bytes, state: State, claim: Claim, made_of: str) -> bytes:
        assert state.raw is not None
        own, repaired = self._with_manifest(state.raw), None
        if own is None and state.repaired is not None:
            repaired = self._with_manifest(state.repaired)
        parent = own or repaired
        try:
            return self._written(data, claim, made_of, own, repaired)
        except CredentialsError:
            if parent is None or (fault := _fault_of(parent)) is None:
                raise
        name = state.request.name
        print(f"imagemake: {name}: the provider's content credentials are dropped: {fault}", file=sys.stderr)
        return self._written(data, claim, made_of)

    def _written(
        self, data: bytes, claim: Claim, made_of: str, own: bytes | None = None, repaired: bytes | None = None
    ) -> bytes:
        definition = claim.definition(made_of, with_parent=own is not None, with_repaired=repaired is not None)
        return write_credentials(data, definition, self.seal.certificate, self._key, parent=own or repaired)

    def _with_manifest(self, stored: StoredFile) -> bytes | None:
        """Return an image of the store that has content credentials; None if it has none."""
        path = self._raw.path(stored)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CredentialsError(f"{path} cannot be read: {error.strerror}") from error
        # Not by the store's own method, which moves damaged files away: the next run would pay for the image again.
        if hashlib.sha256(data).hexdigest() != stored.digest:
            raise CredentialsError(
                f"{path} is damaged, so the provider's credentials are unknown; see `imagemake verify`"
            )
        return data if has_manifest(data) else None


def _fault_of(data: bytes) -> str | None:
    try:
        read_credentials(data)
    except CredentialsError as error:
        return str(error)
    return None


def seal_of(campaign: Campaign) -> Seal | None:
    """Return the expected signature of files; None if the campaign names no certificate.

    Raises:
        UserError: If the certificate cannot be used.
    """
    if campaign.c2pa is None:
        return None
    return Seal(read_certificate(campaign.c2pa, datetime.now(UTC)), campaign)


def signing_of(campaign: Campaign, store: Store) -> Signing | None:
    """Return the signer of released images; None if the campaign names no certificate.

    Raises:
        UserError: If the certificate or the key cannot be used.
    """
    seal = seal_of(campaign)
    if seal is None:
        return None
    return Signing(seal, read_private_key(seal.certificate, os.environ, Path()), store)
