"""Certificates for tests: a root, and a signer that it certifies, as C2PA requires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

DAY = timedelta(days=1)
KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Chain:
    """A signer.

    Attributes:
        chain: PEM: the signer's certificate, and the root's.
        key: The signer's private key, PEM.
        root: The root's certificate, PEM.
    """

    chain: str
    key: str
    root: str

    @property
    def signer(self) -> str:
        """The signer's certificate without the root, PEM."""
        return self.chain.removesuffix(self.root)


@cache
def a_chain(
    organization: str = "Studio",
    kind: str = "P-256",
    *,
    starts: timedelta = -2 * DAY,
    ends: timedelta = 90 * DAY,
    usage: ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    serial: int | None = None,
) -> Chain:
    """Create a signer for an organization. Validity starts and ends at offsets from now."""
    now = datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), KINDS[kind]()
    root_name, name = _name(organization, "Root"), _name(organization, "Signer")
    root = _certificate(
        root_name, root_name, root_key.public_key(), root_key, (now - 10 * DAY, now + 400 * DAY), _of_root()
    )
    leaf = _certificate(
        name, root_name, key.public_key(), root_key, (now + starts, now + ends), _of_signer(root_key, usage), serial
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Chain(_pem(leaf) + _pem(root), secret.decode(), _pem(root))


def _name(organization, role):
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organization} {role}"),
        ]
    )


def _usage(**used):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: used.get(name, False) for name in names.split()})


def _of_root() -> Sequence[tuple[x509.ExtensionType, bool]]:
    return (x509.BasicConstraints(ca=True, path_length=None), True), (_usage(key_cert_sign=True, crl_sign=True), True)


def _of_signer(root_key, usage) -> Sequence[tuple[x509.ExtensionType, bool]]:
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([usage]), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
    )


def _certificate(name, issuer, public_key, issuer_key, validity, extensions, serial=None):
    serial = serial or x509.random_serial_number()
    builder = x509.CertificateBuilder(
        issuer, name, public_key, serial, not_valid_before=validity[0], not_valid_after=validity[1]
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
