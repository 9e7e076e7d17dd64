"""Renders pages on the server. Templates escape all values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from imagemake.core.html import environment_of
from imagemake.plan.reviews import NOTE, UNDO
from imagemake.review.actions import Confirmation
from imagemake.review.choices import DONE_WORDS, reason_against
from imagemake.review.decisions import LogContent, version_of
from imagemake.review.earlier_images import similar_earlier_images
from imagemake.review.filters import Filter
from imagemake.review.images import image_url, thumbnail_url
from imagemake.review.item import ReviewItem, viewable
from imagemake.review.queue import QueueView
from imagemake.review.readings import readings_of
from imagemake.review.tabs import ALL, DECIDED, TABS

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_SIZE = 60
SIMILAR_SHOWN = 8
FAMILY_SHOWN = 24
SAMPLES_SHOWN = 24
STATIC: Mapping[str, tuple[str, str, str]] = {
    "sheet.css": ("imagemake.release.report", "sheet.css", "text/css"),
    "review.css": ("imagemake.review", "static/review.css", "text/css"),
    "icon.svg": ("imagemake.review", "static/icon.svg", "image/svg+xml"),
    "review.js": ("imagemake.review", "static/review.js", "text/javascript"),
}
_WORD_OF_DECISION = {"approve": "accepted", "reject": "rejected", "regenerate": "pending"}


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What every page shows.

    Attributes:
        title: Title of the campaign.
        reviewer: Name of the reviewer.
        form_token: Token that forms send back.
        problem: A mistake in a file, because of which pages show an earlier state; empty for none.
        message: What the last action did; empty for none.
        error: Why the last action was refused; empty for none.
    """

    title: str
    reviewer: str
    form_token: str
    problem: str = ""
    message: str = ""
    error: str = ""


def queue_page(frame: PageFrame, view: QueueView, filters: Filter, page: int) -> str:
    """Return the page that lists a filter's images.

    Args:
        frame: What every page shows.
        view: Current state of the project.
        filters: The filter.
        page: Page number, from 1.
    """
    items = view.matching(filters)
    pages = max(1, -(-len(items) // PAGE_SIZE))
    page = min(max(page, 1), pages)
    counts = view.counts()
    return _render(
        "queue.html.j2",
        frame,
        filters=filters,
        counts=counts,
        n=len(items),
        first=items[0] if items else None,
        cards=[_card(item, view) for item in items[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]],
        page=page,
        pages=pages,
        reasons=view.reasons(filters.tab),
        is_judged=any(item.state.questions for item in view.queue.items),
        columns=view.queue.columns,
        tabs=[(tab, word, counts[tab]) for tab, word in TABS.items() if counts[tab] or tab in ("review", filters.tab)],
    )


def image_page(
    frame: PageFrame,
    view: QueueView,
    log: LogContent,
    item: ReviewItem,
    filters: Filter,
    *,
    compare: bool = False,
) -> str:
    """Return the page of one image.

    Args:
        frame: What every page shows.
        view: Current state of the project.
        log: All rows of the decision log.
        item: The image.
        filters: The filter whose images the reviewer goes through.
        compare: Whether to show attempts and near-duplicates side by side.
    """
    before, after, others = view.neighbors(item, filters)
    key, review = view.decided.get(item.index, (item.key, view.reviews.get(item.key)))
    return _render(
        "image.html.j2",
        frame,
        item=item,
        card=_card(item, view),
        filters=filters,
        before=before,
        after=after,
        preload=image_url(after.shown) if after and after.shown else "",
        remaining=others + (view.tab_of(item) == filters.tab or filters.tab == ALL),
        readings=readings_of(item, view.queue.policy),
        family=[(word, _card(other, view)) for word, other in view.queue.family(item)[:FAMILY_SHOWN]],
        similar=[_card(other, view) for other in view.queue.similar(item)[:SIMILAR_SHOWN]],
        released=similar_earlier_images(item.state, view.queue.policy, SIMILAR_SHOWN),
        decided=(key, review) if review else None,
        expected=version_of(view.reviews.get(item.key)),
        compare=compare,
        rows=[row for one in (*(past.key for past in item.past), item.key) for row in log.rows_of.get(one, [])],
        can={decision: reason_against(item, item.key, decision) is None for decision in DONE_WORDS},
    )


def confirm_page(frame: PageFrame, view: QueueView, confirmation: Confirmation, filters: Filter) -> str:
    """Return the page that asks the reviewer to confirm a bulk decision."""
    cards = [_card(item, view) for item in confirmation.items[:SAMPLES_SHOWN]]
    return _render(
        "confirm.html.j2",
        frame,
        filters=filters,
        confirmation=confirmation,
        n=len(confirmation.items),
        cards=cards,
    )


def message_page(frame: PageFrame, heading: str) -> str:
    """Return a page with a message only."""
    return _render("message.html.j2", frame, heading=heading)


def static_file(name: str) -> tuple[bytes, str] | None:
    """Return one of the package's static files and its media type, or None if there is no such file."""
    if name not in STATIC:
        return None
    package, path, kind = STATIC[name]
    return _content(package, path), kind


def _card(item: ReviewItem, view: QueueView) -> dict[str, Any]:
    tab = view.tab_of(item)
    badge, word = item.tab, TABS[item.tab]
    if tab == DECIDED:
        decision = view.decided[item.index][1].decision
        badge, word = _WORD_OF_DECISION[decision], DONE_WORDS[decision]
    return {"item": item, "badge": badge, "word": word, "reasons": item.state.reasons, "why": item.state.why}


def _render(template: str, frame: PageFrame, **values: Any) -> str:
    return str(_templates().get_template(template).render(frame=frame, **values))


@cache
def _content(package: str, path: str) -> bytes:
    return files(package).joinpath(path).read_bytes()


def _versioned(name: str) -> str:
    package, path, _ = STATIC[name]
    return f"/static/{name}?{hashlib.sha256(_content(package, path)).hexdigest()[:12]}"


@cache
def _templates() -> Environment:
    environment = environment_of("imagemake.review", "templates")
    environment.filters.update(count="{:,}".format, moment=_moment)
    environment.globals.update(
        viewable=viewable,
        image_url=image_url,
        thumbnail_url=thumbnail_url,
        static=_versioned,
        done_words={**DONE_WORDS, UNDO: "Undone"},
        note=NOTE,
    )
    return environment


def _moment(time: str) -> str:
    return f"{time[:19].replace('T', ' ')} UTC" if time.endswith("Z") else time
