"""Values read from an image together with a text: which ones a verdict needs, and their identities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from imagemake.plugins.measures import is_matching

if TYPE_CHECKING:
    from imagemake.config.checks import Check
    from imagemake.stages.validate.expected import Expected

_MARK = "/"  # between a measure's identity and a text's digest
_DIGITS = 16


def matched_identity(identity: str, text: str) -> str:
    """Return the identity of values read with a text: ``prompt@1-3fa9c1d2e4b5/9f86d081884c7d65``."""
    return f"{identity}{_MARK}{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def measure_of(identity: str) -> str:
    """Return the identity without the text; the same identity if it has none."""
    return identity.partition(_MARK)[0]


def texts_to_match(
    measures: Iterable[str], checks: Mapping[str, Check], wanted: Expected
) -> Mapping[str, tuple[str, str]]:
    """Return the measures and texts whose values a verdict needs, by identity.

    Args:
        measures: Identities of the campaign's measures.
        checks: Checks by quantity. A measure without a check compares with the prompt.
        wanted: The request.
    """
    found = {}
    for identity in measures:
        if not _is_matching(identity):
            continue
        start = f"{identity.partition('@')[0]}."
        texts = [wanted.text_for(check) for name, check in checks.items() if name.startswith(start)]
        for text in texts or [wanted.prompt]:
            if text:
                found[matched_identity(identity, text)] = identity, text
    return found


@cache
def _is_matching(identity: str) -> bool:
    return is_matching(identity.partition("@")[0])
