"""The parts of a request that a quantity can depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagemake.config.checks import Check


@dataclass(frozen=True, slots=True)
class Expected:
    """The parts of a request that a quantity can depend on.

    Attributes:
        prompt: The prompt of this attempt.
        variables: Values by column.
    """

    prompt: str
    variables: Mapping[str, str]

    def text_for(self, check: Check) -> str:
        """Return the text that a check compares with; empty if the request has no such value."""
        if check.value is not None:
            return check.value
        return self.prompt if check.variable is None else self.variables.get(check.variable, "")
