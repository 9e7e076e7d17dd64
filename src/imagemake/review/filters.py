"""Filters of the image list, as an address or a form contains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from imagemake.review.tabs import ALL, TABS

if TYPE_CHECKING:
    from imagemake.review.item import ReviewItem


DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects items of the list.

    Attributes:
        tab: One of `TABS`.
        reason: A reason code; empty for any.
        value: ``column=value``; empty for any.
        text: Words that must all occur; empty for any.
        order: ``doubt`` to list images first about which the judge is least sure; empty for the catalog's order.
    """

    tab: str = "review"
    reason: str = ""
    value: str = ""
    text: str = ""
    order: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Filter:
        """Read a filter from form fields or query parameters. An unknown tab becomes ``review``."""
        tab = fields.get("tab", "review")
        return cls(
            tab if tab in TABS else "review",
            fields.get("reason", "")[:200],
            fields.get("value", "")[:500],
            fields.get("q", "")[:500],
            DOUBT if fields.get("order") == DOUBT else "",
        )

    def fields(self) -> dict[str, str]:
        """Return the filter as form fields, without empty ones."""
        given = {"tab": self.tab, "reason": self.reason, "value": self.value, "q": self.text, "order": self.order}
        return {name: value for name, value in given.items() if value}

    def query(self, **more: object) -> str:
        """Return the filter as a query string, with additional fields."""
        return urlencode({**self.fields(), **{name: value for name, value in more.items() if value}})

    def place(self, item: ReviewItem) -> tuple[float, int]:
        """Return what items are ordered by."""
        return (-item.doubt if self.order == DOUBT else 0.0), item.index

    def matches(self, item: ReviewItem, tab: str) -> bool:
        """Return whether the filter selects an item that is listed under `tab`."""
        if self.tab not in (tab, ALL) or (self.reason and self.reason not in item.codes):
            return False
        if self.value:
            column, _, value = self.value.partition("=")
            if item.state.request.variables.get(column) != value:
                return False
        words = self.text.casefold().split()
        text = item.text if words else ""
        return all(word in text for word in words)
