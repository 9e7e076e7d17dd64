"""Claims on keys: who gets them, and where they do not show."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from typing import Any

import pytest

from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, ProviderError
from imagemake.testing.api import Fault, Request, Response
from imagemake.testing.served import KEY_VARIABLE, Served

# What users of other services have in their environment, with the variables that SDKs read by themselves.
VARIABLES = (
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "BFL_API_KEY",
    "DASHSCOPE_API_KEY",
    "FAL_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENROUTER_API_KEY",
    "REPLICATE_API_TOKEN",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
)
PRIVATE = "private-0123456789"


class KeyClaims(Served):
    """Claims on keys."""

    def test_the_key_that_the_user_names_arrives(self) -> None:
        """`model.key_from` names its variable."""
        if self.provider.key_variable is None:
            pytest.skip("the provider takes no key")
        self._outcome()
        assert all(one.holds(self.key) for one in self._paid())
        assert self._paid()

    @pytest.mark.parametrize("is_named", [True, False])
    def test_another_server_gets_no_key_that_is_not_named_for_it(
        self, monkeypatch: pytest.MonkeyPatch, is_named: bool
    ) -> None:
        """The provider's own key goes to the provider's own domain only, and other vendors' keys go nowhere."""
        for name in {*VARIABLES, self.provider.key_variable or "OPENAI_API_KEY"}:
            monkeypatch.setenv(name, f"{PRIVATE}-{name}")
        self._outcome(**({} if is_named else {"key_from": None}))
        assert not [one for one in self.api.requests if one.holds(PRIVATE)]

    def test_a_key_that_is_missing_is_told_before_any_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message names the variable, and the run stops."""
        variable = self.provider.key_variable
        if variable is None:
            pytest.skip("the provider takes no key")
        assert self.provider.domain, "key_variable needs domain: whose servers get the key?"
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ProviderError, match=variable) as caught:
            self.provider(Connection())
        assert caught.value.failure is FailureKind.STOP
        assert variable in caught.value.remedy

    @pytest.mark.parametrize("end", ["\nX-Injected: 1", "\u201d"])
    def test_a_key_that_no_header_can_have_stops_before_any_call(
        self, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        """It was pasted with a quote or a line of another file; the message does not show it."""
        if self.provider.key_variable is None:
            pytest.skip("the provider takes no key")
        monkeypatch.setenv(KEY_VARIABLE, PRIVATE + end)
        error = self._failure()
        assert error.failure is FailureKind.STOP
        assert error.remedy
        assert PRIVATE not in f"{error} {error.remedy}"
        assert not self.api.requests

    def test_a_redirect_leads_no_call_and_no_key_to_another_server(self) -> None:
        """Whoever writes a redirect would get what was paid for, and the key."""
        self._fail(lambda request: self._redirect() if self.is_paid(request) else None)
        self._outcome()
        self._fail(lambda request: None if self.is_paid(request) else self._redirect())
        self._outcome()
        assert not [one for one in self.elsewhere.requests if one.method == "POST" or one.holds(self.key)]

    def _redirect(self) -> Response:
        return Response(307, headers={"Location": f"{self.elsewhere.address}/elsewhere"})

    def test_images_are_fetched_without_the_key(self) -> None:
        """A response says where they are, so anybody may have written it."""
        self.make(self.recipe())
        if not self.elsewhere.requests:
            pytest.skip("the response holds the image, and no URL")
        assert not [one for one in self.elsewhere.requests if one.holds(self.key)]

    @pytest.mark.parametrize("fault", Fault)
    def test_a_key_that_the_server_echoes_is_in_no_error(self, fault: Fault) -> None:
        """Errors are shown, recorded, and reported; half a key is a secret too."""
        response = self._fault(fault)

        def echo(request: Request) -> Response | None:
            failed = response(request) if callable(response) else response if self.is_paid(request) else None
            return failed and _echoing(failed, self.key)

        self._fail(echo)
        error = self._failure()
        half = len(self.key) // 2
        shown = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert self.key[:half] not in shown
        assert self.key[half:] not in shown

    def test_a_key_that_the_server_echoes_is_in_no_response(self) -> None:
        """The journal and the manifest have what a response tells."""
        whole = self.api.respond

        def echo(request: Request) -> Response:
            response = whole(request)
            return replace(response, headers={**response.headers, "X-Request-Id": self.key, "X-Echo": self.key})

        self.api.respond = echo
        answer = self._outcome()
        assert isinstance(answer, ImageResponse), answer
        assert self.key not in repr(answer)


def _echoing(response: Response, secret: str) -> Response:
    """Return a response that has a secret in every message, also where messages are likely to be cut."""
    headers = {**response.headers, "X-Request-Id": secret}
    try:
        body = json.dumps(_with(response.json, f" {secret} {'x' * 440} {secret * 3}")).encode()
    except ValueError:
        body = response.body + secret.encode()
    return replace(response, body=body, headers=headers)


def _with(value: Any, echo: str) -> Any:
    if isinstance(value, dict):
        return {name: _with(one, echo) for name, one in value.items()}
    if isinstance(value, list):
        return [_with(one, echo) for one in value]
    return value + echo if isinstance(value, str) and value.count(" ") > 1 else value  # a state may have two words
