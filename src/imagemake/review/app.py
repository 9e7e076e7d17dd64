"""The web application: addresses, and what each one does."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from imagemake.review import actions, pages
from imagemake.review.actions import Done, Form, Question, RefusedError, single
from imagemake.review.choices import MOST_REVIEWER_CHARACTERS
from imagemake.review.earlier_images import file_response
from imagemake.review.filters import Filter
from imagemake.review.images import image_response, thumbnail_response
from imagemake.review.item import ReviewItem
from imagemake.review.queue import QueueView
from imagemake.review.security import Access, Guard, TooLargeError, read_form
from imagemake.review.session import ReviewSession

REVIEWER_COOKIE = "imagemake-reviewer"
SAID_COOKIE = "imagemake-said"  # what an action did, for the page after it
Action = Callable[[ReviewSession, Form, str], Done | Question]


def make_app(session: ReviewSession, access: Access, reviewer: str) -> Starlette:
    """Make the application.

    Args:
        session: The project.
        access: Who may do what.
        reviewer: Whose decisions these are, unless a browser says another name.
    """
    site = _Site(session, access, reviewer)
    return Starlette(
        routes=[
            Route("/", site.queue),
            Route("/image/{key}", site.image),
            Route("/images/{key}/{digest}", site.raw),
            Route("/thumbnails/{key}/{digest}", site.thumbnail),
            Route("/earlier/{place}/{digest}", site.earlier),
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
    def __init__(self, session: ReviewSession, access: Access, reviewer: str) -> None:
        self._desk = session
        self._access = access
        self._reviewer = reviewer

    # ---------------------------------------------------------------- reading
    def queue(self, request: Request) -> Response:
        view, wanted = self._desk.view(), Filter.read(request.query_params)
        page = request.query_params.get("page", "1")
        frame = self._frame(request, view)
        return HTMLResponse(pages.queue_page(frame, view, wanted, int(page) if page.isdecimal() else 1))

    def image(self, request: Request) -> Response:
        view = self._desk.view()
        item = view.queue.find(request.path_params["key"])
        if item is None:
            return self.not_found(request, None)
        return self._image(request, view, item, Filter.read(request.query_params))

    def _image(
        self, request: Request, view: QueueView, item: ReviewItem, wanted: Filter, refused: RefusedError | None = None
    ) -> Response:
        error, status = (str(refused), refused.status) if refused else ("", 200)
        frame = self._frame(request, view, error)
        known = self._desk.log.last_good
        compare = "compare" in request.query_params
        return HTMLResponse(pages.image_page(frame, view, known, item, wanted, compare=compare), status)

    def raw(self, request: Request) -> Response:
        return image_response(self._desk.store, request.path_params["key"], request.path_params["digest"])

    def thumbnail(self, request: Request) -> Response:
        key, digest = request.path_params["key"], request.path_params["digest"]
        return thumbnail_response(self._desk.store, self._desk.work, key, digest)

    def earlier(self, request: Request) -> Response:
        known = self._desk.view().queue.policy.earlier
        return file_response(known, request.path_params["place"], request.path_params["digest"])

    def static(self, request: Request) -> Response:
        found = pages.static_file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        # Named by their content in every page, so that a newer version is another address.
        return Response(found[0], media_type=found[1], headers={"cache-control": "max-age=31536000, immutable"})

    def not_found(self, request: Request, error: Exception | None) -> Response:
        frame = self._frame(request, self._desk.view())
        return HTMLResponse(pages.message_page(frame, "There is no such page. Was the image's prompt changed?"), 404)

    # ---------------------------------------------------------------- deciding
    async def decide(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._act, request, form, actions.decide)

    async def undo(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._act, request, form, lambda session, _, name: actions.undo(session, name))

    async def bulk(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._act, request, form, actions.decide_many)

    def _act(self, request: Request, form: Form, action: Action) -> Response:
        wanted = Filter.read(single(form))
        try:
            self._check_form(single(form))
            done = action(self._desk, form, self._name(request))
        except RefusedError as refused:
            return self._refuse(request, refused, wanted)
        if isinstance(done, Question):
            view = self._desk.view()
            return HTMLResponse(pages.confirm_page(self._frame(request, view), view, done, wanted))
        where = f"{f'/image/{done.following.key}' if done.following else '/'}?{wanted.query()}"
        if _wants_json(request):
            return JSONResponse({"said": done.said, "left": len(self._desk.view().matching(wanted)), "next": where})
        answer = RedirectResponse(where, 303)
        answer.set_cookie(SAID_COOKIE, quote(done.said), httponly=True, samesite="strict", max_age=5)
        return answer

    def _refuse(self, request: Request, refused: RefusedError, wanted: Filter) -> Response:
        if _wants_json(request):
            return JSONResponse({"error": str(refused)}, refused.status)
        view = self._desk.view()
        if refused.item is not None:
            return self._image(request, view, refused.item, wanted, refused)
        return HTMLResponse(pages.message_page(self._frame(request, view), str(refused)), refused.status)

    async def rename(self, request: Request) -> Response:
        one = single(await read_form(request))
        try:
            self._check_form(one)
        except RefusedError as refused:
            return self._refuse(request, refused, Filter())
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
            raise RefusedError("This page is from before the server was started again. Load it anew, please.", 403)

    def _frame(self, request: Request, view: QueueView, error: str = "") -> pages.ImageFrame:
        return pages.ImageFrame(
            self._desk.campaign.campaign,
            self._name(request),
            self._access.form_token,
            problem=self._desk.problem,
            said="" if error else unquote(request.cookies.get(SAID_COOKIE, "")),
            error=error,
        )


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _too_large(request: Request, error: Exception) -> Response:
    return PlainTextResponse("That is more than any form of this page holds.", 413)
