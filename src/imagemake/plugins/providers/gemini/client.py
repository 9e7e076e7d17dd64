"""Calls of the Gemini API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from imagemake.plugins.providers.connection import Connection, is_of_domain
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.gemini.errors import error_of
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.client import HttpAnswer, HttpClient, lower_case, whole_body

if TYPE_CHECKING:
    import httpx2

# One name, for one API: GOOGLE_API_KEY, which Google's SDK prefers, may be the key of Maps or of another API.
KEY_VARIABLE = "GEMINI_API_KEY"
OTHER_VARIABLE = "GOOGLE_API_KEY"
KEY_HEADER = "x-goog-api-key"
OWN_DOMAIN = "googleapis.com"
OWN_ADDRESS = "https://generativelanguage.googleapis.com/v1beta"
HTTP_FORBIDDEN, HTTP_NOT_FOUND = 403, 404
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 3
SLOWEST_BYTES_PER_S = 125_000  # of an upload: 1 Mbit/s
_VERSION = re.compile(r"v\d[a-z0-9]*")
_NAME = re.compile(r"(?:files|batches)/[A-Za-z0-9._~-]{1,200}")


class GeminiClient(HttpClient):
    """Calls one server that has the Gemini API.

    Args:
        connection: Its base_url ends with the version of the API, as in ``/v1beta``; without a version, that one.

    Raises:
        ProviderError: If the key of the server is not in the environment.
    """

    def __init__(self, connection: Connection) -> None:
        address, mark, query = (connection.base_url or OWN_ADDRESS).partition("?")
        before, _, version = address.rstrip("/").rpartition("/")
        if not _VERSION.fullmatch(version):
            before, version = address.rstrip("/"), "v1beta"
        is_given = any(name.lower() == KEY_HEADER for name in connection.headers)
        key = None if is_given else _key(connection)
        headers = {**connection.headers, **({KEY_HEADER: key} if key else {})}
        super().__init__(f"{before}/{version}{mark}{query}", connection.timeout_s, headers)
        self.upload_url = f"{before}/upload/{version}/files"
        self._upload_headers = {name: value for name, value in self._headers.items() if name.lower() != KEY_HEADER}

    async def call(self, method: str, path: str, json: Any = None) -> Mapping[str, Any]:
        """Call a method of the API that makes no image, and return the object that it responds.

        Raises:
            ProviderError: If the response is an error, or no object.
        """
        answer = await self.send(method, path, json=json)
        raise_error(answer)
        data = parsed(answer.body)
        if not isinstance(data, Mapping):
            message = f"the response to {method} {path.partition('?')[0]} is not a JSON object"
            raise ProviderError(message, FailureKind.UNKNOWN, status=answer.status, code="no_answer")
        return data

    async def upload(
        self, content: bytes | AsyncIterator[bytes], size: int, mime_type: str, name: str
    ) -> dict[str, Any]:
        """Upload a file in one piece, by the two requests of Google's resumable protocol, and return what it is called.

        Args:
            content: The file.
            size: Its length in bytes.
            mime_type: Its media type.
            name: Its name for people.
        """
        started = await self.send(
            "POST",
            self.upload_url,
            json={"file": {"displayName": name, "mimeType": mime_type}},
            headers={
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(size),
                "X-Goog-Upload-Header-Content-Type": mime_type,
            },
        )
        raise_error(started)
        url = started.headers.get("x-goog-upload-url", "")
        if not _same_server(url, self.base):
            raise ProviderError("the server named no address on itself for the upload", FailureKind.UNAVAILABLE)
        answer = await self.send(  # the address is the permission, so the key is not sent
            "POST",
            url,
            content=content,
            headers={
                **self._upload_headers,
                "Content-Length": str(size),
                "X-Goog-Upload-Offset": "0",
                "X-Goog-Upload-Command": "upload, finalize",
            },
            own_headers=False,
            timeout_s=self.timeout_s + size / SLOWEST_BYTES_PER_S,
        )
        raise_error(answer)
        data = parsed(answer.body)
        file = data.get("file") if isinstance(data, Mapping) else None
        if not isinstance(file, dict) or not is_name(file.get("name")):
            raise ProviderError("the upload ended without the name of a file", FailureKind.UNAVAILABLE)
        return file

    @asynccontextmanager
    async def download(self, file: str) -> AsyncIterator[httpx2.Response]:
        """Yield the response with a file that the API made, whose body is still to be read."""
        url, own = f"{self.base}/{checked_name(file)}:download?alt=media", True
        for _ in range(MOST_REDIRECTS + 1):
            async with self.stream("GET", url, own_headers=own) as response:
                if response.status_code not in REDIRECTS:
                    if response.status_code != 200:
                        error = error_of(response.status_code, await whole_body(response), lower_case(response.headers))
                        raise _gone(file, error) if error.status == HTTP_FORBIDDEN else error
                    yield response
                    return
                url, own = self._redirected(url, response.headers.get("location", ""))
        raise ProviderError("the download is redirected again and again", FailureKind.STOP)

    def _redirected(self, url: str, location: str) -> tuple[str, bool]:
        """Return where a download goes on, and whether the key goes with it: from Google to Google only."""
        with suppress(ValueError):  # an invalid address
            target = urljoin(url, location)
            if _same_server(target, self.base):
                return target, True
            if is_of_domain(self.base, OWN_DOMAIN) and is_of_domain(target, OWN_DOMAIN):
                return target, True
            if is_of_domain(self.base, OWN_DOMAIN) and is_of_domain(target, "googleusercontent.com"):
                return target, False
        raise ProviderError("the download is redirected to another server", FailureKind.STOP)


def raise_error(answer: HttpAnswer) -> None:
    """Raise what a response says went wrong.

    Raises:
        ProviderError: If its status is not 200.
    """
    if answer.status != 200:
        raise error_of(answer.status, answer.body, answer.headers)


def is_name(name: object) -> bool:
    """Return whether something is the name of a file or of a batch, which goes into addresses."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def checked_name(name: str) -> str:
    """Return a name, if it is one.

    Raises:
        ProviderError: If the server invented it.
    """
    if not is_name(name):
        what = f"{name[:80]!r} is no name of a file or a batch"
        raise ProviderError(what, FailureKind.CONFIGURATION, status=HTTP_NOT_FOUND)
    return name


def _gone(file: str, error: ProviderError) -> ProviderError:
    """Return the error of a file that is not there; Google says that it is forbidden, to a key that works."""
    return ProviderError(f"{file}: {error}", FailureKind.CONFIGURATION, code=error.code, status=HTTP_NOT_FOUND)


def _same_server(url: str, other: str) -> bool:
    try:
        one, two = urlsplit(url), urlsplit(other)
        return (one.scheme, one.hostname, one.port) == (two.scheme, two.hostname, two.port)
    except ValueError:
        return False


def _key(connection: Connection) -> str | None:
    try:
        return connection.key(KEY_VARIABLE, OWN_DOMAIN)
    except ProviderError as error:
        if connection.key_from is not None:
            raise
        remedy = f"{error.remedy} If the key is in {OTHER_VARIABLE}, write model.key_from: {OTHER_VARIABLE}."
        raise ProviderError(str(error), FailureKind.STOP, code=error.code, remedy=remedy) from None
