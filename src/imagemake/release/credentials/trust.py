"""Reads the root certificates that the user trusts."""

from __future__ import annotations

from pathlib import Path

from imagemake.config.load import read_config
from imagemake.core.problems import Problem, UserError

CONFIG = Path("config/config.yaml")
_REMEDY = "Give a PEM file of root certificates. Without one, signatures are checked, but no signer is trusted."


def trust_anchors(root: Path, named: Path | None) -> str:
    """Return the trusted certificates, PEM; empty if none are named.

    Args:
        root: The project's folder. Its ``c2pa.trust`` is the default. An unreadable configuration is ignored, because
            the user asks about an image.
        named: A file that the user named instead.

    Raises:
        UserError: If the file contains no certificates.
    """
    path = named or _configured(root)
    if path is None:
        return ""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(Problem(str(path), f"it cannot be read: {error}.", _REMEDY)) from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise UserError(Problem(str(path), "it contains no certificate in PEM format.", _REMEDY))
    return text


def _configured(root: Path) -> Path | None:
    try:
        named = read_config(root / CONFIG)["c2pa"]["trust"]
    except (UserError, KeyError, TypeError):
        return None
    return root / named if isinstance(named, str) else None
