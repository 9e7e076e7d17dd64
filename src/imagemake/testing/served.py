"""A test's API: it is described by the test class, and a server on this machine speaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from imagemake.plugins.providers import Connection, ImageResponse, ProviderError
from imagemake.testing.api import Fault, Images, Request, Response, Sent
from imagemake.testing.base import Conformance, picture
from imagemake.testing.stand_in import StandIn, serving

KEY_VARIABLE = "CONFORMANCE_API_KEY"
TIMEOUT_S = 10.0
Fail = Callable[[Request], Response | None]


class Served(Conformance):
    """An API at a server; see `ServerConformance` for what a test class says about it."""

    takes_references: ClassVar[bool] = True
    several: ClassVar[bool] = False
    sizes: ClassVar[Mapping[str, Any]] = {}
    faults: ClassVar[Mapping[Fault, Response | Fail]] = {}
    base_path: ClassVar[str] = ""
    key: ClassVar[str] = "conformance-key-0123456789"

    api: StandIn
    elsewhere: StandIn
    images: Images

    def answer(self, request: Request, images: Images) -> Response:
        """Answer any request as the API does if nothing goes wrong.

        Args:
            request: What arrived.
            images: The images for the response.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no answer: how does the API answer a request?")

    def sent(self, request: Request) -> Sent:
        """Read what a request for an image asks for."""
        raise NotImplementedError(f"{type(self).__name__} defines no sent: what does a request ask for?")

    def told(self, response: Response) -> Mapping[str, Any]:
        """Read what a response tells besides its image: by attribute of `ImageResponse`, such as ``request_id``."""
        return {}

    def is_paid(self, request: Request) -> bool:
        """Return whether a request makes an image, and so costs money."""
        return request.method == "POST"

    @pytest.fixture(autouse=True)
    def _servers(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        monkeypatch.setenv(KEY_VARIABLE, self.key)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        # No certificate is trusted, so no call leaves this machine; and to load those of the system takes 30 ms.
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with ExitStack() as running:
            self.elsewhere = running.enter_context(serving(self._file))
            self.api = running.enter_context(serving(self._as_ever))
            self._show(picture("PNG"))
            yield

    def _show(self, *files: bytes) -> None:
        """Let responses hold these images."""
        urls = tuple(f"{self.elsewhere.address}/{number}.png" for number in range(len(files)))
        self.images = Images(files, urls)

    def _as_ever(self, request: Request) -> Response:
        return self.answer(request, self.images)

    def _file(self, request: Request) -> Response:
        named = request.target.strip("/").removesuffix(".png")
        if not named.isdecimal() or int(named) >= len(self.images.files):
            return Response(404)
        return Response(200, self.images.files[int(named)], {"Content-Type": "application/octet-stream"})

    def _fail(self, response: Response | Fail) -> None:
        """Let each call for an image end in a response, or all requests as a function says."""

        def respond(request: Request) -> Response:
            if isinstance(response, Response):
                return response if self.is_paid(request) else self._as_ever(request)
            return response(request) or self._as_ever(request)

        self.api.respond = respond

    def _fault(self, fault: Fault) -> Response | Fail:
        """Return how the API says that something failed; the test is skipped if the test class does not say it."""
        if fault not in self.faults:
            pytest.skip(f"faults of {type(self).__name__} has no Fault.{fault.name}")
        return self.faults[fault]

    def connection(self, **changes: Any) -> Connection:
        """Return how to reach the server; override it to add a `Dialect` or headers."""
        known = {"base_url": self.api.address + self.base_path, "timeout_s": TIMEOUT_S, "key_from": KEY_VARIABLE}
        return super().connection(**{**known, **changes})

    def _paid(self) -> Sequence[Request]:
        """Return the requests that made an image."""
        return [one for one in self.api.requests if self.is_paid(one)]

    def _failure(self, **connection: Any) -> ProviderError:
        """Make an image that must fail, and return the error."""
        with pytest.raises(ProviderError) as caught:
            self.make(self.recipe(), connection=self.connection(**connection))
        return caught.value

    def _outcome(self, **connection: Any) -> ImageResponse | ProviderError:
        """Make an image, and return the response or the error."""
        try:
            return self.make(self.recipe(), connection=self.connection(**connection))
        except ProviderError as error:
            return error
