"""Claims on calls that fail: who is to blame, and whether money was spent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.failures import STOPS
from imagemake.testing.api import Delivery, Fault, Request, Response
from imagemake.testing.base import image_by
from imagemake.testing.served import Served
from imagemake.testing.stand_in import closed_port

WAIT_S = 7.0
STATUSES = (
    300,
    307,
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    409,
    410,
    413,
    415,
    418,
    422,
    429,
    451,
    500,
    502,
    503,
    504,
    529,
)
BODIES = (
    b"",
    b"no",
    b"<html><title>Bad gateway</title></html>",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"x"',
    b"\xff\xfe",
)
NESTED = b"[" * 5000 + b"]" * 5000


class FailingClaims(Served):
    """Claims on calls that fail."""

    @pytest.mark.parametrize("fault", Fault)
    def test_a_failure_is_booked_to_whom_it_belongs_after_one_call(self, fault: Fault) -> None:
        """Its kind decides what a run does next; a call that is repeated inside a provider may be paid for twice."""
        response = self._fault(fault)
        if fault is Fault.RATE and isinstance(response, Response):
            response = replace(response, headers={**response.headers, "Retry-After": f"{WAIT_S:g}"})
        self._fail(response)
        error = self._failure()
        assert error.failure in fault.kinds, error
        assert len(self._paid()) == 1
        assert error.failure not in STOPS or error.remedy, f"{error.failure} must say what the user can do"
        if fault is Fault.RATE:
            assert error.retry_after_s == WAIT_S
        if isinstance(response, Response):
            assert error.status == response.status

    def test_every_status_and_every_body_ends_in_an_error_that_the_provider_understands(self) -> None:
        """Proxies, gateways, and other servers at the address answer as they like."""
        responses = [Response(status, b"<html>no</html>") for status in STATUSES]
        responses += [Response(200, body, {"Content-Type": "application/json"}) for body in (*BODIES, NESTED)]

        async def inside() -> None:
            provider = self.provider(self.connection())
            try:
                for response in responses:
                    self._fail(response)
                    self.api.requests.clear()
                    with pytest.raises(ProviderError) as caught:
                        await image_by(provider, self.recipe(), {})
                    assert len(self._paid()) == 1, response
                    assert str(caught.value).isprintable(), response
            finally:
                await provider.close()

        asyncio.run(inside())

    def test_a_response_that_lacks_a_part_is_an_image_or_an_error(self) -> None:
        """It is paid for: an exception of another kind ends the run, and what came is lost."""
        whole, lacks = self.api.respond, ""

        def respond(request: Request) -> Response:
            response = whole(request)
            if not self.is_paid(request):
                return response
            seen.append(response)
            return without(response, lacks)

        seen: list[Response] = []
        self._fail(respond)
        self._outcome()
        for lacks in parts_of(seen[0]):
            self.api.requests.clear()
            try:
                self._outcome()
            except Exception as error:
                raise AssertionError(f"without {lacks}, {type(error).__name__} was raised: {error}") from error
            assert len(self._paid()) == 1, lacks

    @pytest.mark.parametrize("delivery", [Delivery.NOTHING, Delivery.HALF])
    def test_a_connection_that_is_cut_leaves_open_whether_the_image_was_made(self, delivery: Delivery) -> None:
        """Such a call may have been billed, so it is reported, and repeated only as `limits.unknown` allows."""
        whole = self.api.respond

        self._fail(lambda request: replace(whole(request), delivery=delivery) if self.is_paid(request) else None)
        assert self._failure().failure is FailureKind.UNKNOWN
        assert len(self._paid()) == 1

    def test_a_server_that_is_not_there_is_unreachable_and_named(self) -> None:
        """Nothing was sent, so nothing was billed."""
        with closed_port() as address:
            error = self._failure(base_url=address + self.base_path)
        assert error.failure is FailureKind.UNREACHABLE
        assert address.removeprefix("http://") in str(error)


def parts_of(response: Response) -> list[str]:
    """Return the names of what can be left out of a response: its headers, and the members of its JSON object."""
    return [*response.headers, *_members(response)]


def without(response: Response, part: str) -> Response:
    """Return a response without one of its parts."""
    members, headers = _members(response), {name: one for name, one in response.headers.items() if name != part}
    body = json.dumps({name: one for name, one in members.items() if name != part}).encode()
    return replace(response, body=body if part in members else response.body, headers=headers)


def _members(response: Response) -> Mapping[str, Any]:
    try:
        return found if isinstance(found := response.json, dict) else {}
    except ValueError:
        return {}
