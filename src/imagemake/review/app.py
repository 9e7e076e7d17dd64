"""The web application: addresses, and what each one does."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from imagemake.planning.reviews import NOTE, Review
from imagemake.problems import UserError
from imagemake.review import pages
from imagemake.review.choices import DONE_WORDS, MOST_REVIEWER_CHARACTERS, WrongChoiceError, review_from, why_not
from imagemake.review.decisions import ChangedMeanwhileError, mark_of
from imagemake.review.desk import Desk
from imagemake.review.pictures import picture_response, thumbnail_response
from imagemake.review.queue import Filter, Item, View
from imagemake.review.security import Access, Guard, TooLargeError, read_form

REVIEWER_COOKIE = "imagemake-reviewer"
SAID_COOKIE = "imagemake-said"  # what an action did, for the page after it
Form = Mapping[str, Sequence[str]]


def make_app(desk: Desk, access: Access, reviewer: str) -> Starlette:
    """Make the application.

    Args:
        desk: The project.
        access: Who may do what.
        reviewer: Whose decisions these are, unless a browser says another name.
    """
    site = _Site(desk, access, reviewer)
    return Starlette(
        routes=[
            Route("/", site.queue),
            Route("/picture/{key}", site.picture),
            Route("/pictures/{key}/{digest}", site.raw),
            Route("/thumbnails/{key}/{digest}", site.thumbnail),
            Route("/static/{name}", site.static),
            Route("/decide", site.decide, methods=["POST"]),
            Route("/undo", site.undo, methods=["POST"]),
            Route("/bulk", site.bulk, methods=["POST"]),
            Route("/reviewer", site.rename, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={TooLargeError: _too_large, 404: site.not_found},
    )


class _Site:
    def __init__(self, desk: Desk, access: Access, reviewer: str) -> None:
        self._desk = desk
        self._access = access
        self._reviewer = reviewer

    # ---------------------------------------------------------------- reading
    def queue(self, request: Request) -> Response:
        view, wanted = self._desk.view(), Filter.read(request.query_params)
        page = request.query_params.get("page", "1")
        frame = self._frame(request, view)
        return HTMLResponse(pages.queue_page(frame, view, wanted, int(page) if page.isdecimal() else 1))

    def picture(self, request: Request) -> Response:
        view = self._desk.view()
        item = view.queue.find(request.path_params["key"])
        if item is None:
            return self.not_found(request, None)
        return self._picture(request, view, item)

    def _picture(self, request: Request, view: View, item: Item, error: str = "", status: int = 200) -> Response:
        wanted = Filter.read(request.query_params)
        frame = self._frame(request, view, error)
        known = self._desk.log.last_good
        compare = "compare" in request.query_params
        return HTMLResponse(pages.picture_page(frame, view, known, item, wanted, compare=compare), status)

    def raw(self, request: Request) -> Response:
        return picture_response(self._desk.store, request.path_params["key"], request.path_params["digest"])

    def thumbnail(self, request: Request) -> Response:
        key, digest = request.path_params["key"], request.path_params["digest"]
        return thumbnail_response(self._desk.store, self._desk.work, key, digest)

    def static(self, request: Request) -> Response:
        found = pages.static_file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        # Named by their content in every page, so that a newer version is another address.
        return Response(found[0], media_type=found[1], headers={"cache-control": "max-age=31536000, immutable"})

    def not_found(self, request: Request, error: Exception | None) -> Response:
        frame = self._frame(request, self._desk.view())
        return HTMLResponse(pages.message_page(frame, "There is no such page. Was the picture's prompt changed?"), 404)

    # ---------------------------------------------------------------- deciding
    async def decide(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._decide, request, form)

    def _decide(self, request: Request, form: Form) -> Response:
        view, one = self._desk.view(), _single(form)
        item = view.queue.find(one.get("item", ""))
        if item is None:
            return self._refuse(request, "That picture is no longer asked for: its prompt has changed.", 409)
        wanted, key = Filter.read(one), one.get("key", item.key)
        _, after, _ = view.around(item, wanted)
        try:
            self._check_form(one)
            if fault := why_not(item, key, one.get("decision", "")):
                raise WrongChoiceError(fault)
            review = review_from(one, self._name(request), item.state.recipe.prompt)
            self._desk.log.decide([key], review, seen={key: one.get("seen", "")} if "seen" in one else None)
        except WrongChoiceError as error:
            return self._refuse(request, str(error), 400, item)
        except ChangedMeanwhileError as changed:
            return self._refuse(request, _changed_words(item, changed.now), 409, item)
        except UserError as mistakes:
            return self._refuse(request, str(mistakes), 409, item)
        following = item if review.decision == NOTE else after
        return self._done(request, f"{DONE_WORDS[review.decision]}: {item.name}", following, wanted, item)

    async def undo(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._undo, request, form)

    def _undo(self, request: Request, form: Form) -> Response:
        one = _single(form)
        try:
            self._check_form(one)
            taken = self._desk.log.undo(self._name(request))
        except WrongChoiceError as error:
            return self._refuse(request, str(error), 403)
        except UserError as mistakes:
            return self._refuse(request, str(mistakes), 409)
        wanted = Filter.read(one)
        if not taken:
            return self._refuse(request, "There is nothing of yours to take back.", 409)
        items = [item for key, _ in taken if (item := self._desk.view().queue.find(key))]
        what = items[0].name if len(items) == 1 else f"{len(taken):,} decisions"
        said = f"Taken back: {DONE_WORDS[taken[0][1].decision].lower()}, {what}"
        return self._done(request, said, items[0] if len(items) == 1 else None, wanted)

    async def bulk(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._bulk, request, form)

    def _bulk(self, request: Request, form: Form) -> Response:
        view, one = self._desk.view(), _single(form)
        wanted = Filter.read(one)
        keys = form.get("keys", []) if one.get("which") == "selected" else []
        try:
            self._check_form(one)
            review = review_from({**one, "prompt": ""}, self._name(request), None)
            items, skipped = _chosen(view, wanted, one.get("which", ""), keys, review.decision)
            if not items:
                reasons = " ".join(reason for reason, _ in skipped) or "Nothing was selected."
                raise WrongChoiceError(f"There is nothing to decide. {reasons}")
            digest = _digest_of(items, view)
            confirmed = one.get("confirmed", "")
            if not hmac.compare_digest(confirmed.encode(), digest.encode()):
                frame = self._frame(request, view)
                return HTMLResponse(
                    pages.confirm_page(
                        frame,
                        view,
                        items,
                        review,
                        wanted,
                        digest=digest,
                        skipped=skipped,
                        keys=keys,
                        changed=bool(confirmed),
                    )
                )
            seen = {item.key: mark_of(view.reviews.get(item.key)) for item in items}
            self._desk.log.decide([item.key for item in items], review, seen=seen)
        except WrongChoiceError as error:
            return self._refuse(request, str(error), 400)
        except ChangedMeanwhileError:
            return self._refuse(request, "Somebody decided about one of them at this moment. Nothing was done.", 409)
        except UserError as mistakes:
            return self._refuse(request, str(mistakes), 409)
        said = f"{DONE_WORDS[review.decision]}: {len(items):,} pictures"
        return self._done(request, said, None, wanted)

    async def rename(self, request: Request) -> Response:
        one = _single(await read_form(request))
        try:
            self._check_form(one)
        except WrongChoiceError as error:
            return PlainTextResponse(str(error), 403)
        answer = RedirectResponse("/", 303)
        name = " ".join(one.get("reviewer", "").split())[:MOST_REVIEWER_CHARACTERS]
        if name:
            answer.set_cookie(REVIEWER_COOKIE, quote(name), httponly=True, samesite="strict", max_age=31536000)
        else:
            answer.delete_cookie(REVIEWER_COOKIE)
        return answer

    # ---------------------------------------------------------------- helpers
    def _name(self, request: Request) -> str:
        return unquote(request.cookies.get(REVIEWER_COOKIE, ""))[:MOST_REVIEWER_CHARACTERS] or self._reviewer

    def _check_form(self, form: Mapping[str, str]) -> None:
        if not hmac.compare_digest(form.get("form_token", "").encode(), self._access.form_token.encode()):
            raise WrongChoiceError("This page is from before the server was started again. Load it anew, please.")

    def _frame(self, request: Request, view: View, error: str = "") -> pages.Frame:
        return pages.Frame(
            self._desk.campaign.campaign,
            self._name(request),
            self._access.form_token,
            problem=self._desk.problem,
            said="" if error else unquote(request.cookies.get(SAID_COOKIE, "")),
            error=error,
        )

    def _done(
        self, request: Request, said: str, following: Item | None, wanted: Filter, decided: Item | None = None
    ) -> Response:
        path = f"/picture/{following.key}" if following else "/"
        if _wants_json(request):
            left = len(self._desk.view().matching(wanted))
            return JSONResponse({"said": said, "left": left, "next": f"{path}?{wanted.query()}"})
        answer = RedirectResponse(f"{path}?{wanted.query()}", 303)
        answer.set_cookie(SAID_COOKIE, quote(said), httponly=True, samesite="strict", max_age=5)
        return answer

    def _refuse(self, request: Request, error: str, status: int, item: Item | None = None) -> Response:
        if _wants_json(request):
            return JSONResponse({"error": error}, status)
        view = self._desk.view()
        if item is not None:
            return self._picture(request, view, item, error, status)
        return HTMLResponse(pages.message_page(self._frame(request, view), error), status)


def _single(form: Form) -> dict[str, str]:
    return {name: values[-1] for name, values in form.items()}


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _changed_words(item: Item, now: Review | None) -> str:
    if now is None:
        return f"Somebody has taken a decision about {item.name} back since you opened it. Nothing was written."
    words = DONE_WORDS[now.decision].lower()
    return f"{now.reviewer or 'Somebody'} has decided about {item.name} since you opened it: {words}. Yours was not written."


def _chosen(
    view: View, wanted: Filter, which: str, keys: Sequence[str], decision: str
) -> tuple[list[Item], list[tuple[str, int]]]:
    """Return the items of a bulk action, and why others are left out."""
    if which == "all":
        asked = view.matching(wanted)
    else:
        asked = [item for key in dict.fromkeys(keys) if (item := view.queue.find(key)) and item.key == key]
    faults = [why_not(item, item.key, decision) for item in asked]
    skipped = Counter(fault for fault in faults if fault)
    return [item for item, fault in zip(asked, faults, strict=True) if not fault], skipped.most_common()


def _digest_of(items: Sequence[Item], view: View) -> str:
    content = hashlib.sha256()
    for item in items:
        content.update(f"{item.key} {mark_of(view.reviews.get(item.key))}\n".encode())
    return content.hexdigest()


def _too_large(request: Request, error: Exception) -> Response:
    return PlainTextResponse("That is more than any form of this page holds.", 413)
