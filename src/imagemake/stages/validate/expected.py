"""What a request asks for, as far as a quantity can depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagemake.config.checks import Check


@dataclass(frozen=True, slots=True)
class Expected:
    """What a request asks for, as far as a quantity can depend on it.

    Attributes:
        prompt: This attempt's.
        variables: Values by column.
    """

    prompt: str
    variables: Mapping[str, str]

    def text_for(self, check: Check) -> str:
        """Return what a check compares with; empty where the request has no such value."""
        if check.value is not None:
            return check.value
        return self.prompt if check.variable is None else self.variables.get(check.variable, "")
