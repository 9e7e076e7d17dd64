"""Whose word counts when credentials are read: root certificates that the user names."""

from __future__ import annotations

from pathlib import Path

from imagemake.core.problems import Problem, UserError

CONFIG = Path("config/config.yaml")
_REMEDY = "Give a PEM file of root certificates; without one, signatures are checked and nobody is called trusted."


def trust_anchors(root: Path, named: Path | None) -> str:
    """Return the certificates that are trusted, PEM; nothing where none are named.

    Args:
        root: The project's folder: its ``c2pa.trust`` is used where nothing else is named. A configuration that cannot
            be read names nothing: what is asked about is an image.
        named: A file that the user named instead.

    Raises:
        UserError: If that file holds none.
    """
    path = named or _configured(root)
    if path is None:
        return ""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(Problem(str(path), f"cannot be read: {error}.", _REMEDY)) from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise UserError(Problem(str(path), "holds no certificate in PEM form.", _REMEDY))
    return text


def _configured(root: Path) -> Path | None:
    import yaml

    try:
        config = yaml.safe_load((root / CONFIG).read_bytes())
        named = config["c2pa"]["trust"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None
    return root / named if isinstance(named, str) else None
