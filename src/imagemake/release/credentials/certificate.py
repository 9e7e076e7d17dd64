"""Reads and checks the certificate that images are signed with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.problems import Problem, UserError
from imagemake.core.secrets import is_secret_value, shown

if TYPE_CHECKING:
    from cryptography import x509

    from imagemake.config.provenance import C2pa

PLACE = "config/config.yaml, c2pa"
INSTALL = "pip install 'imagemake[c2pa]'"
_PACKAGES = {"c2pa": "c2pa-python", "cryptography": "cryptography"}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_OF_RSA = ("ps256", "ps384", "ps512")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The signer's certificate.

    Attributes:
        chain: PEM of the signer's certificate, followed by those of its issuers.
        issuers: PEM of the issuers only.
        serial: Serial number of the signer's certificate, in decimal digits.
        algorithm: Signature algorithm, such as ``es256``.
        expires: When the first certificate of the chain expires.
        time_stamp_url: Address of the time stamp service; None for no time stamps.
    """

    chain: str
    issuers: str
    serial: str
    algorithm: str
    expires: datetime
    time_stamp_url: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the chain."""
        return hashlib.sha256(self.chain.encode()).hexdigest()


def packages_missing() -> list[str]:
    """Return the missing packages that signing and reading need, without importing any."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def file_digest(settings: C2pa | None) -> str:
    """Return the SHA-256 of the certificate file; empty without settings or if the file is missing."""
    try:
        return hashlib.sha256(Path(settings.certificate).read_bytes()).hexdigest() if settings else ""
    except OSError:
        return ""


def read_certificate(settings: C2pa, now: datetime) -> Certificate:
    """Read the certificate and check everything that does not need its private key.

    Args:
        settings: The campaign's C2PA settings.
        now: Current time in UTC, to check the validity period.

    Raises:
        UserError: If packages or the file are missing, or the certificate cannot sign images now.
    """
    if missing := packages_missing():
        what = f"content credentials need packages that are not installed: {', '.join(missing)}."
        raise UserError(Problem(PLACE, what, f"Install them: {INSTALL}. Or remove the section."))
    from cryptography.hazmat.primitives.serialization import Encoding

    chain = _read_chain(settings.certificate)
    if problems := [*_faults(chain, settings.certificate, now)]:
        raise UserError(problems)
    pem = [one.public_bytes(Encoding.PEM).decode() for one in chain]
    return Certificate(
        chain="".join(pem),
        issuers="".join(pem[1:]),
        serial=str(chain[0].serial_number),
        algorithm=_algorithm(chain[0].public_key(), settings),
        expires=min(one.not_valid_after_utc for one in chain),
        time_stamp_url=settings.time_stamp_url,
    )


def _read_chain(path: str) -> list[x509.Certificate]:
    from cryptography import x509

    place = f"{PLACE}.certificate"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        remedy = "Put the certificate there, or remove the section c2pa."
        raise UserError(Problem(place, f"{shown(path)} cannot be read: {error.strerror}.", remedy)) from error
    if is_secret_value(data.decode(errors="replace")):
        remedy = "Keep the key outside the project, and create a new one if this file was ever shared."
        raise UserError(Problem(place, f"{shown(path)} contains a private key.", remedy))
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        remedy = "Convert it: openssl x509 -inform der -in FILE -out FILE.pem"
        raise UserError(Problem(place, f"{shown(path)} contains no certificate in PEM format.", remedy)) from error


def _faults(chain: Sequence[x509.Certificate], path: str, now: datetime) -> Iterator[Problem]:
    place = f"{PLACE}.certificate"
    if len(chain) < 2:
        remedy = "Append the certificates of its issuers, the nearest first. You get them from the issuer."
        yield Problem(place, f"{shown(path)} contains only the signer's certificate.", remedy)
    for number, (one, issuer) in enumerate(pairwise(chain), start=1):
        if not _is_issued_by(one, issuer):
            what = f"certificate {number + 1} of {shown(path)} does not belong to the issuer of certificate {number}."
            yield Problem(place, what, "Put the signer's certificate first, followed by each issuer in order.")
    for number, one in enumerate(chain, start=1):
        if one.not_valid_after_utc <= now:
            what = f"certificate {number} of {shown(path)} expired on {one.not_valid_after_utc:%Y-%m-%d}."
            yield Problem(place, what, "Renew it. The next run then signs every image again.")
        if one.not_valid_before_utc > now:
            what = f"certificate {number} of {shown(path)} is not valid before {one.not_valid_before_utc:%Y-%m-%d}."
            yield Problem(place, what, "Wait, use another certificate, or correct this machine's clock.")


def _is_issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _algorithm(public_key: Any, settings: C2pa) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    fitting: tuple[str, ...] = ()
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        fitting = tuple(filter(None, (_CURVES.get(public_key.curve.name),)))
    elif isinstance(public_key, ed25519.Ed25519PublicKey):
        fitting = ("ed25519",)
    elif isinstance(public_key, rsa.RSAPublicKey):
        fitting = _OF_RSA
    if not fitting:
        what = "C2PA does not support the type of the certificate's key."
        remedy = "Get a certificate for a P-256, P-384, P-521, Ed25519, or RSA key."
        raise UserError(Problem(f"{PLACE}.certificate", what, remedy))
    if settings.algorithm not in (None, *fitting):
        what = f"{settings.algorithm} does not match the certificate's key, which needs {' or '.join(fitting)}."
        raise UserError(Problem(f"{PLACE}.algorithm", what, "Correct it, or remove it."))
    return settings.algorithm or fitting[0]
