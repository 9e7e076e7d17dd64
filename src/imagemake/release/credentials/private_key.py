"""Reads the private key that images are signed with, from the environment and never from the project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagemake.core.problems import Problem, UserError
from imagemake.core.secrets import shown
from imagemake.release.credentials.certificate import PLACE, Certificate

KEY, KEY_FILE = "IMAGEMAKE_C2PA_KEY", "IMAGEMAKE_C2PA_KEY_FILE"
_GIT_TIMEOUT_S = 10
_FOR_OTHERS = 0o077


def read_private_key(certificate: Certificate, environment: Mapping[str, str], project: Path) -> bytes:
    """Read the private key of a certificate.

    Args:
        certificate: The certificate that the key must match.
        environment: Environment variables of this process.
        project: The project's folder, which must not contain the key.

    Returns:
        The key in PEM format (PKCS #8, not encrypted). It is a secret.

    Raises:
        UserError: If the key is missing, is in a forbidden place, or belongs to another certificate. No message
            contains a part of the key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )

    place, pem = _pem(environment, project)
    try:
        key: Any = load_pem_private_key(pem, password=None)
    except TypeError as error:
        remedy = "Remove the password: openssl pkcs8 -topk8 -nocrypt -in FILE. Protect the file instead."
        raise UserError(Problem(place, "the key is encrypted with a password.", remedy)) from error
    except ValueError:  # its message can quote the key
        remedy = f"A key begins with -----BEGIN PRIVATE KEY-----. {KEY} is the text itself, {KEY_FILE} a path."
        raise UserError(Problem(place, "there is no private key in PEM format.", remedy)) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = x509.load_pem_x509_certificate(certificate.chain.encode()).public_key()
    if key.public_key().public_bytes(*form) != public.public_bytes(*form):
        remedy = "Use the key that the certificate was requested with, or the certificate of this key."
        raise UserError(Problem(place, f"the key does not belong to the certificate in {PLACE}.certificate.", remedy))
    secret: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret


def warnings_about_key(environment: Mapping[str, str]) -> list[str]:
    """Return warnings about how the key is stored."""
    path = Path(environment.get(KEY_FILE) or "/")
    if path.is_file() and path.stat().st_mode & _FOR_OTHERS:
        return [f"other users of this machine can read {path}, the file in {KEY_FILE}. Run chmod 600 {path}."]
    return []


def _pem(environment: Mapping[str, str], project: Path) -> tuple[str, bytes]:
    text, name = environment.get(KEY, ""), environment.get(KEY_FILE, "")
    if not text and not name:
        what = "the section c2pa needs a private key, but there is none."
        remedy = f"Set {KEY_FILE} to the path of a file outside the project, or {KEY} to the PEM text."
        raise UserError(Problem("environment", what, f"{remedy} Or remove the section c2pa."))
    if text and name:
        raise UserError(Problem("environment", f"both {KEY} and {KEY_FILE} are set.", "Unset one of them."))
    if text:
        return KEY, text.replace("\\n", "\n").encode()  # some services store several lines like this
    if "-----BEGIN" in name:
        raise UserError(Problem(KEY_FILE, "contains the key itself.", f"Set it to the path of a file, or use {KEY}."))
    path = Path(name).expanduser()
    _check_place(path, project)
    try:
        return KEY_FILE, path.read_bytes()
    except OSError as error:
        what = f"{shown(name)} cannot be read: {error.strerror}."
        raise UserError(Problem(KEY_FILE, what, "Set it to the path of a file with the key in PEM format.")) from None


def _check_place(path: Path, project: Path) -> None:
    root = project.resolve()
    if any(one.is_relative_to(root) for one in (path.absolute(), path.resolve())):
        remedy = "Move it, such as to ~/.config/imagemake/, and create a new one if it was ever committed or shared."
        raise UserError(Problem(KEY_FILE, f"{shown(str(path))} is inside the project.", remedy))
    if _is_tracked(path.resolve()):
        remedy = "Never commit keys. Move it, and create a new one, because the history contains the old one."
        raise UserError(Problem(KEY_FILE, f"git tracks {shown(str(path))}.", remedy))


def _is_tracked(path: Path) -> bool:
    git = shutil.which("git")
    if git is None or not path.is_file():
        return False
    command = [git, "-C", str(path.parent), "ls-files", "--error-unmatch", "--", path.name]
    done = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT_S, check=False)  # noqa: S603 - a fixed command
    return done.returncode == 0
