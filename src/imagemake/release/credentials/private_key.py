"""The private key that images are signed with: from the environment only, and never from the project."""

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
    """Read the key that belongs to a certificate.

    Args:
        certificate: Whose key it must be.
        environment: Variables of this process.
        project: The project's folder, in which no key may be.

    Returns:
        The key in PEM form (PKCS #8, not encrypted): a secret.

    Raises:
        UserError: If there is none, it is kept where it must not be, or it is that of another certificate. No message
            has a part of it.
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
        remedy = "Take the password off: openssl pkcs8 -topk8 -nocrypt -in FILE; and guard the file instead."
        raise UserError(Problem(place, "the key is encrypted with a password.", remedy)) from error
    except ValueError:  # its message may quote the text
        remedy = f"It begins with -----BEGIN PRIVATE KEY-----; {KEY} takes the text itself, {KEY_FILE} a file's path."
        raise UserError(Problem(place, "there is no private key in PEM form.", remedy)) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = x509.load_pem_x509_certificate(certificate.chain.encode()).public_key()
    if key.public_key().public_bytes(*form) != public.public_bytes(*form):
        remedy = "Name the key that the certificate was requested with, or the certificate of this key."
        raise UserError(Problem(place, f"the key is not that of the certificate in {PLACE}.certificate.", remedy))
    secret: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret


def warnings_about_key(environment: Mapping[str, str]) -> list[str]:
    """Say in words what is dangerous about how the key is kept."""
    path = Path(environment.get(KEY_FILE) or "/")
    if path.is_file() and path.stat().st_mode & _FOR_OTHERS:
        return [f"other users of this machine can read {path}, which {KEY_FILE} names: chmod 600 {path}."]
    return []


def _pem(environment: Mapping[str, str], project: Path) -> tuple[str, bytes]:
    text, name = environment.get(KEY, ""), environment.get(KEY_FILE, "")
    if not text and not name:
        what = "images are to be signed (c2pa), but there is no private key."
        remedy = f"Set {KEY_FILE} to the path of a file outside of the project, or {KEY} to the PEM text."
        raise UserError(Problem("environment", what, f"{remedy} Or take the section c2pa out."))
    if text and name:
        raise UserError(Problem("environment", f"both {KEY} and {KEY_FILE} are set.", "Unset one of them."))
    if text:
        return KEY, text.replace("\\n", "\n").encode()  # as some services keep text of several lines
    if "-----BEGIN" in name:
        raise UserError(Problem(KEY_FILE, "holds a key itself.", f"Give it the path of a file, or use {KEY}."))
    path = Path(name).expanduser()
    _check_place(path, project)
    try:
        return KEY_FILE, path.read_bytes()
    except OSError as error:
        what = f"{shown(name)} cannot be read: {error.strerror}."
        raise UserError(Problem(KEY_FILE, what, "Give the path of a file with the key in PEM form.")) from None


def _check_place(path: Path, project: Path) -> None:
    root = project.resolve()
    if any(one.is_relative_to(root) for one in (path.absolute(), path.resolve())):
        remedy = "Move it out, such as to ~/.config/imagemake/, and make a new one if it was ever committed or shared."
        raise UserError(Problem(KEY_FILE, f"{shown(str(path))} lies inside of the project.", remedy))
    if _is_tracked(path.resolve()):
        remedy = "Keys are never committed: move it out, and make a new one, since the old one is in the history."
        raise UserError(Problem(KEY_FILE, f"git keeps {shown(str(path))}.", remedy))


def _is_tracked(path: Path) -> bool:
    git = shutil.which("git")
    if git is None or not path.is_file():
        return False
    command = [git, "-C", str(path.parent), "ls-files", "--error-unmatch", "--", path.name]
    done = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT_S, check=False)  # noqa: S603 - a fixed command
    return done.returncode == 0
