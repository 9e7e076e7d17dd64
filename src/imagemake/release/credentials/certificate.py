"""The certificate that images are signed with: read, and checked before anything is signed with it."""

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
    """Whose signature it will be.

    Attributes:
        chain: PEM: the signer's certificate, and those of its issuers.
        issuers: The same without the first.
        serial: The first one's serial number, in decimal digits.
        algorithm: How to sign, such as ``es256``.
        expires: When the first of them expires.
        time_stamp_url: Whom to ask for a time stamp; None for nobody.
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
    """Name the packages that signing and reading need and that are not installed, without importing any."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def file_digest(settings: C2pa | None) -> str:
    """Return the SHA-256 of the certificate's file; nothing where none is wanted, or the file is not there."""
    try:
        return hashlib.sha256(Path(settings.certificate).read_bytes()).hexdigest() if settings else ""
    except OSError:
        return ""


def read_certificate(settings: C2pa, now: datetime) -> Certificate:
    """Read the certificate and check all that can be checked without its key.

    Args:
        settings: Where it is, and how to sign.
        now: In UTC; decides whether it holds.

    Raises:
        UserError: If packages or the file are missing, or the certificate cannot sign images now.
    """
    if missing := packages_missing():
        what = f"content credentials need packages that are not installed: {', '.join(missing)}."
        raise UserError(Problem(PLACE, what, f"Install them: {INSTALL}; or take the section out."))
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
        remedy = "Put the certificate there, or take the section c2pa out; docs/provenance.md tells how to get one."
        raise UserError(Problem(place, f"{shown(path)} cannot be read: {error.strerror}.", remedy)) from error
    if is_secret_value(data.decode(errors="replace")):
        remedy = "Keep the key apart, outside of the project, and make a new one if this file was ever shared."
        raise UserError(Problem(place, f"{shown(path)} holds a private key.", remedy))
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        remedy = "Convert it: openssl x509 -inform der -in FILE -out FILE.pem"
        raise UserError(Problem(place, f"{shown(path)} holds no certificate in PEM form.", remedy)) from error


def _faults(chain: Sequence[x509.Certificate], path: str, now: datetime) -> Iterator[Problem]:
    place = f"{PLACE}.certificate"
    if len(chain) < 2:
        remedy = "Append those of its issuers, the nearest first; whoever issued it hands them out with it."
        yield Problem(place, f"{shown(path)} holds the signer's certificate alone.", remedy)
    for number, (one, issuer) in enumerate(pairwise(chain), start=1):
        if not _is_issued_by(one, issuer):
            what = f"certificate {number + 1} of {shown(path)} is not that of the issuer of certificate {number}."
            yield Problem(place, what, "Put the signer's certificate first, then each one's issuer behind it.")
    for number, one in enumerate(chain, start=1):
        if one.not_valid_after_utc <= now:
            what = f"certificate {number} of {shown(path)} expired on {one.not_valid_after_utc:%Y-%m-%d}."
            yield Problem(place, what, "Renew it; the next run then signs every image anew.")
        if one.not_valid_before_utc > now:
            what = f"certificate {number} of {shown(path)} is not valid before {one.not_valid_before_utc:%Y-%m-%d}."
            yield Problem(place, what, "Wait, take another one, or set this machine's clock.")


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
        what = "the certificate's key is of a kind that C2PA does not know."
        remedy = "Get a certificate for a key on P-256, P-384 or P-521, an Ed25519 key, or an RSA key."
        raise UserError(Problem(f"{PLACE}.certificate", what, remedy))
    if settings.algorithm not in (None, *fitting):
        what = f"{settings.algorithm} does not fit the certificate's key, which signs by {' or '.join(fitting)}."
        raise UserError(Problem(f"{PLACE}.algorithm", what, "Correct it, or take it out."))
    return settings.algorithm or fitting[0]
