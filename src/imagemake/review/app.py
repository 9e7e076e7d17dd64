"""The web application: its routes and their handlers."""

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
from imagemake.review.actions import Confirmation, Done, Form, RefusedError, single
from imagemake.review.choices import MAX_REVIEWER_CHARACTERS
from imagemake.review.earlier_images import file_response
from imagemake.review.filters import Filter
from imagemake.review.images import image_response, thumbnail_response
from imagemake.review.item import ReviewItem
from imagemake.review.queue import QueueView
from imagemake.review.security import Access, Guard, TooLargeError, read_form
from imagemake.review.session import ReviewSession

REVIEWER_COOKIE = "imagemake-reviewer"
MESSAGE_COOKIE = "imagemake-message"  # message of an action, shown on the next page
Action = Callable[[ReviewSession, Form, str], Done | Confirmation]

MAX_PAGE_DIGITS = 9  # a longer number is no page, and Python refuses to read one of 5,000 digits


def make_app(session: ReviewSession, access: Access, reviewer: str) -> Starlette:
    """Return the application.

    Args:
        session: The project under review.
        access: Which requests the server accepts.
        reviewer: Name to record with decisions, unless the browser sends another one.
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
        self._session = session
        self._access = access
        self._reviewer = reviewer

    # ---------------------------------------------------------------- reading
    def queue(self, request: Request) -> Response:
        view, filters = self._session.view(), Filter.read(request.query_params)
        page = request.query_params.get("page", "1")
        number = int(page) if page.isdecimal() and len(page) <= MAX_PAGE_DIGITS else 1
        frame = self._frame(request, view)
        return HTMLResponse(pages.queue_page(frame, view, filters, number))

    def image(self, request: Request) -> Response:
        view = self._session.view()
        item = view.queue.find(request.path_params["key"])
        if item is None:
            return self.not_found(request, None)
        return self._image(request, view, item, Filter.read(request.query_params))

    def _image(
        self,
        request: Request,
        view: QueueView,
        item: ReviewItem,
        filters: Filter,
        refused: RefusedError | None = None,
    ) -> Response:
        error, status = (str(refused), refused.status) if refused else ("", 200)
        frame = self._frame(request, view, error)
        log = self._session.log.last_read
        compare = "compare" in request.query_params
        return HTMLResponse(pages.image_page(frame, view, log, item, filters, compare=compare), status)

    def raw(self, request: Request) -> Response:
        return image_response(self._session.store, request.path_params["key"], request.path_params["digest"])

    def thumbnail(self, request: Request) -> Response:
        key, digest = request.path_params["key"], request.path_params["digest"]
        return thumbnail_response(self._session.store, self._session.work, key, digest)

    def earlier(self, request: Request) -> Response:
        earlier = self._session.view().queue.policy.earlier
        return file_response(earlier, request.path_params["place"], request.path_params["digest"])

    def static(self, request: Request) -> Response:
        found = pages.static_file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("File not found.", 404)
        # Pages address these files by digest, so a new version has a new address.
        return Response(found[0], media_type=found[1], headers={"cache-control": "max-age=31536000, immutable"})

    def not_found(self, request: Request, error: Exception | None) -> Response:
        frame = self._frame(request, self._session.view())
        return HTMLResponse(pages.message_page(frame, "Page not found. The image's prompt may have changed."), 404)

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
        filters = Filter.read(single(form))
        try:
            self._check_form(single(form))
            done = action(self._session, form, self._name(request))
        except RefusedError as refused:
            return self._refuse(request, refused, filters)
        if isinstance(done, Confirmation):
            view = self._session.view()
            return HTMLResponse(pages.confirm_page(self._frame(request, view), view, done, filters))
        where = f"{f'/image/{done.next_item.key}' if done.next_item else '/'}?{filters.query()}"
        if _wants_json(request):
            return JSONResponse(
                {"message": done.message, "left": len(self._session.view().matching(filters)), "next": where}
            )
        answer = RedirectResponse(where, 303)
        answer.set_cookie(MESSAGE_COOKIE, quote(done.message), httponly=True, samesite="strict", max_age=5)
        return answer

    def _refuse(self, request: Request, refused: RefusedError, filters: Filter) -> Response:
        if _wants_json(request):
            return JSONResponse({"error": str(refused)}, refused.status)
        view = self._session.view()
        if refused.item is not None:
            return self._image(request, view, refused.item, filters, refused)
        return HTMLResponse(pages.message_page(self._frame(request, view), str(refused)), refused.status)

    async def rename(self, request: Request) -> Response:
        one = single(await read_form(request))
        try:
            self._check_form(one)
        except RefusedError as refused:
            return self._refuse(request, refused, Filter())
        answer = RedirectResponse("/", 303)
        name = " ".join(one.get("reviewer", "").split())[:MAX_REVIEWER_CHARACTERS]
        if name:
            answer.set_cookie(REVIEWER_COOKIE, quote(name), httponly=True, samesite="strict", max_age=31536000)
        else:
            answer.delete_cookie(REVIEWER_COOKIE)
        return answer

    # ---------------------------------------------------------------- helpers
    def _name(self, request: Request) -> str:
        return unquote(request.cookies.get(REVIEWER_COOKIE, ""))[:MAX_REVIEWER_CHARACTERS] or self._reviewer

    def _check_form(self, form: Mapping[str, str]) -> None:
        if not hmac.compare_digest(form.get("form_token", "").encode(), self._access.form_token.encode()):
            raise RefusedError("The server was restarted after this page was loaded. Reload the page.", 403)

    def _frame(self, request: Request, view: QueueView, error: str = "") -> pages.PageFrame:
        return pages.PageFrame(
            self._session.campaign.campaign,
            self._name(request),
            self._access.form_token,
            problem=self._session.problem,
            message="" if error else unquote(request.cookies.get(MESSAGE_COOKIE, "")),
            error=error,
        )


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _too_large(request: Request, error: Exception) -> Response:
    return PlainTextResponse("The form is too large.", 413)
