"""Claims on a provider with a Batch API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from imagemake.plugins.providers import BatchProvider, FailureKind, ImageResponse, ProviderError, Result
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.submissions import Submissions
from imagemake.testing.api import BatchEnd, Delivery, Fault, Request, Response
from imagemake.testing.base import picture
from imagemake.testing.batch_api import COLORS, ServedBatches
from imagemake.testing.failing import NESTED

STEPS = ("upload_batch", "create_batch", "poll_batch", "batch_results")
HOSTILE_LINES = (b"null", b"[]", b"7", b"{}", b'"x"', b"{", b"<html>no</html>", b"\xff\xfe\x00", NESTED)
HOSTILE_STATES: tuple[Any, ...] = (None, [], 7, "x", {}, {"id": 7, "name": []}, {"id": "../x", "name": "../x"})


class BatchClaims(ServedBatches):
    """Claims on a provider with a Batch API, if the test class describes that API."""

    def test_each_recipe_is_a_line_with_the_id_of_its_call(self) -> None:
        """Results come in any order, so only the ID says whose image a line has."""
        self._run(prompts=("one", "two", "three"))
        lines = [json.loads(line) for line in self._batch.uploaded.splitlines()]
        calls = [call.sent["call"] for call in read_calls(self._store / "journal")]
        assert len(set(calls)) == len(lines) == 3
        for call, line in zip(calls, lines, strict=True):
            assert json.dumps(line).count(call) == 1

    def test_results_are_told_apart_in_any_order_and_their_bytes_are_untouched(self) -> None:
        """The file is evidence, in a batch too."""
        self._arrange = lambda lines: lines[::-1]
        items = self._run(prompts=COLORS)
        assert [self._file_of(item) for item in items] == [picture("PNG", color) for color in COLORS]
        assert len(self._batch.created) == 1

    def test_one_line_that_fails_fails_alone_and_its_blame_is_told(self) -> None:
        """The others are paid for."""
        self._faults = {1: self._known(Fault.PROMPT)}
        items = self._run(prompts=COLORS)
        assert [item.raw is not None for item in items] == [True, False, True]
        assert items[1].failure is not None
        assert items[1].failure.reason == "refused"

    @pytest.mark.parametrize("fault", [Fault.MONEY, Fault.RATE])
    def test_a_line_that_failed_for_the_account_or_the_moment_is_not_final(self, fault: Fault) -> None:
        """Only a refusal belongs to the prompt; another run asks again for the rest."""
        line = self.batch_result("call-1", self._known(fault))
        (result,) = self._results(json.dumps(line).encode())
        assert isinstance(result, Result)
        assert isinstance(result.outcome, ProviderError)
        assert result.outcome.failure in (*fault.kinds, FailureKind.UNAVAILABLE), result.outcome

    @pytest.mark.parametrize("fault", [Fault.KEY, Fault.MONEY])
    def test_an_account_that_cannot_pay_stops_before_anything_is_created(self, fault: Fault) -> None:
        """What is booked to the account is final for no image."""
        self._need_batches()
        response = self._fault(fault)
        if not isinstance(response, Response) or response.status == 200:
            pytest.skip("the fault is no error response")
        self.api.respond = lambda _: response
        with pytest.raises(ProviderError) as caught:
            self._run(prompts=("one",))
        assert caught.value.failure in fault.kinds
        assert caught.value.remedy
        assert {call.outcome for call in read_calls(self._store / "journal")} == {Outcome.FAILED}

    @pytest.mark.parametrize("step", STEPS)
    def test_a_run_that_dies_at_any_step_is_taken_up_and_creates_no_second_batch(
        self, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A batch that was created is paid for."""
        self._need_batches()
        with monkeypatch.context() as patch:
            patch.setattr(self.provider, step, _dying(getattr(self.provider, step)))
            with pytest.raises(RuntimeError, match="killed"):
                self._run(prompts=COLORS)
        items = self._run(prompts=COLORS)
        assert [self._file_of(item) for item in items] == [picture("PNG", color) for color in COLORS]
        assert len(self._batch.created) == 1

    def test_a_batch_whose_creation_had_no_answer_is_found_and_not_created_again(self) -> None:
        """The connection can be lost after the server took the request."""
        self._need_batches()
        cut: list[Request] = []

        def respond(request: Request) -> Response:
            before = len(self._batch.created)
            response = self._respond(request)
            if len(self._batch.created) == before:
                return response
            cut.append(request)
            return Response(delivery=Delivery.NOTHING)

        self.api.respond = respond
        items = self._run(prompts=COLORS)
        assert all(item.raw for item in items)
        assert len(self._batch.created) == len(cut) == 1

    @pytest.mark.parametrize("end", [BatchEnd.COMPLETED, BatchEnd.CANCELLED, BatchEnd.EXPIRED])
    def test_a_batch_that_ends_early_gives_what_was_made_and_the_rest_is_reported(self, end: BatchEnd) -> None:
        """What was made is billed, however the batch ended; what has no line is not lost silently."""
        self._batch.end, self._arrange = end, lambda lines: lines[:2]
        items = self._run(prompts=COLORS)
        assert [item.raw is not None for item in items] == [True, True, False]
        assert items[2].failure is not None
        outcomes = [call.outcome for call in read_calls(self._store / "journal")]
        assert outcomes.count(Outcome.MADE) == 2
        assert outcomes[2] in (Outcome.UNKNOWN, Outcome.FAILED)
        assert not list(Submissions(self._store).all())

    def test_a_batch_that_failed_as_a_whole_has_an_error_and_bills_nothing(self) -> None:
        """So that it is not waited for."""
        self._batch.end, self._arrange = BatchEnd.FAILED, lambda _: []
        items = self._run(prompts=("one",))
        assert items[0].raw is None
        assert [call.outcome for call in read_calls(self._store / "journal")] == [Outcome.FAILED]

    def test_a_batch_can_be_canceled(self) -> None:
        """`imagemake batches --cancel` stops what is not needed."""

        async def inside(provider: BatchProvider) -> tuple[bool, bool]:
            created = await self._created(provider)
            return created.is_over, (await provider.cancel_batch(created.id)).is_over

        self._batch.end = BatchEnd.RUNNING
        assert self._with_provider(inside) == (False, True)
        assert self._batch.end is BatchEnd.CANCELLED, "batch_answer notes that a batch is canceled"

    @pytest.mark.parametrize("hostile", HOSTILE_LINES)
    def test_a_line_that_is_no_result_costs_no_other_line(self, hostile: bytes) -> None:
        """Servers with the same API, and proxies, write what they like into a file."""
        line = self.batch_result("call-1", self.images) if self._has_batches() else {}
        found = list(self._results(hostile + b"\n" + json.dumps(line).encode()))
        assert len(found) == 2
        first, second = found
        assert isinstance(first, str) or isinstance(first.outcome, ProviderError)
        assert isinstance(second, Result)
        assert isinstance(second.outcome, ImageResponse)
        assert (second.custom_id, second.outcome.image) == ("call-1", self.images.files[0])

    def test_what_a_line_says_of_a_call_that_is_not_ours_is_ignored(self) -> None:
        """A line decides about the call that it names only."""
        self._need_batches()
        self._arrange = lambda lines: [
            json.dumps(self.batch_result("somebody-else", self.images)).encode(),
            *lines,
        ]
        items = self._run(prompts=COLORS)
        assert [self._file_of(item) for item in items] == [picture("PNG", color) for color in COLORS]

    @pytest.mark.parametrize("state", HOSTILE_STATES)
    def test_a_state_that_is_none_is_an_error_that_the_run_understands(self, state: Any) -> None:
        """Nothing but a `ProviderError` may come out of a provider, and the batch is not given up."""
        ended: list[ProviderError] = []

        async def inside(provider: BatchProvider) -> None:
            known = (await self._created(provider)).id
            self.api.respond = lambda _: Response.of_json(state)
            asks: list[Callable[[], Awaitable[object]]] = [
                lambda: provider.poll_batch(known),
                lambda: provider.find_batch({"a": "b"}),
                lambda: provider.cancel_batch(known),
                lambda: provider.create_batch("file-1", "/x", {"a": "b"}),
            ]
            for ask in asks:
                try:
                    await ask()
                except ProviderError as error:
                    ended.append(error)

        self._with_provider(inside)
        assert all(str(error).isprintable() for error in ended)
        assert ended, "a batch without an ID was taken for one"

    def test_the_key_goes_to_no_address_that_a_state_names(self) -> None:
        """The name of a file goes into an address."""

        async def inside(provider: BatchProvider) -> None:
            for name in (f"{self.elsewhere.address}/0.png", "../../0.png", "//127.0.0.1/0.png", ""):
                with pytest.raises(ProviderError):
                    async for _ in provider.batch_results(name):
                        pass

        self._with_provider(inside)
        assert not self.elsewhere.requests


def _dying(whole: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step of a provider that a run does not survive, once it is done."""
    import inspect

    async def dies(*args: Any) -> None:
        await whole(*args)
        raise RuntimeError("killed")

    async def dies_in_the_middle(*args: Any) -> Any:
        async for result in whole(*args):
            yield result
            raise RuntimeError("killed")

    return dies_in_the_middle if inspect.isasyncgenfunction(whole) else dies
