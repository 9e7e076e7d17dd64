"""A test's Batch API: it is described by the test class, and runs go through it as they do outside of tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from imagemake.config.run import Budget, Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import BatchProvider, BatchState, Result
from imagemake.stages.generate.batches.follow import BatchPoller
from imagemake.stages.generate.batches.submit import BatchRunner
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.layout import spending_file
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store
from imagemake.testing.api import Batch, Fault, Images, Request, Response
from imagemake.testing.base import LONGEST_S, picture
from imagemake.testing.served import Served

T = TypeVar("T")
COLORS = ("navy", "teal", "red")
QUICK = Limits(first_wait_s=0.01, longest_wait_s=0.02, tries=1)


class ServedBatches(Served):
    """A Batch API at a server; see `ServerConformance` for what a test class says about it."""

    batch_paths: ClassVar[Sequence[str]] = ()
    _batch: Batch
    _store: Path
    _arrange: Callable[[list[bytes]], Sequence[bytes]]
    _faults: Mapping[int, Fault]

    def batch_answer(self, request: Request, batch: Batch) -> Response:
        """Answer a request to the Batch API: an upload, a new batch, a list, a state, a download, or a deletion.

        Args:
            request: What arrived at one of `batch_paths`.
            batch: The batch as it is now; note in it what was uploaded, and each batch that is created.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no batch_answer")

    def batch_result(self, call: str, outcome: Images | Fault) -> Mapping[str, Any]:
        """Return a line of the results.

        Args:
            call: ID of the call, as in its line of the requests.
            outcome: Its images, or why it failed.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no batch_result")

    @pytest.fixture(autouse=True)
    def _batch_api(self, _servers: None, tmp_path: Path) -> None:
        self._batch, self._store = Batch(), tmp_path / "store"
        self._arrange, self._faults = list, {}
        if self.batch_paths:
            self.api.respond = self._respond

    def _respond(self, request: Request) -> Response:
        is_of_batches = any(path in request.target for path in self.batch_paths)
        return self.batch_answer(request, self._batch) if is_of_batches else self._as_ever(request)

    def _has_batches(self) -> bool:
        return bool(self.batch_paths) and issubclass(self.provider, BatchProvider)

    def _need_batches(self) -> None:
        if not issubclass(self.provider, BatchProvider):
            pytest.skip("the provider has no batches")
        if not self.batch_paths:
            pytest.skip("the Batch API is not described (batch_paths)")

    def _known(self, fault: Fault) -> Fault:
        self._need_batches()
        self._fault(fault)
        return fault

    async def _created(self, provider: BatchProvider) -> BatchState:
        path = self._store.parent / "requests.jsonl"
        path.write_text(json.dumps(provider.batch_line("call-1", self.recipe())) + "\n")
        endpoint, _ = provider.batch_request(self.recipe())
        return await provider.create_batch(await provider.upload_batch(path), endpoint, {"a": "b"})

    def _results(self, content: bytes) -> Iterator[Result | str]:
        self._batch.results_of = lambda: content

        async def inside(provider: BatchProvider) -> list[Result | str]:
            state = await provider.poll_batch((await self._created(provider)).id)
            return [one async for one in provider.batch_results(state.files[0])]

        yield from self._with_provider(inside)

    def _run(self, prompts: Sequence[str]) -> list[Item]:
        """Generate images as a run does, in a store that lasts as long as the test."""
        self._need_batches()
        store = Store(self._store)

        async def inside(provider: BatchProvider) -> list[Item]:
            spend_tracker = SpendTracker(spending_file(self._store.parent), Budget())
            poller = BatchPoller(provider, "conformance", store, QUICK, "job", lambda _: None)
            runner = BatchRunner(poller, spend_tracker, "c")
            items = [_item(self.recipe(prompt=prompt)) for prompt in prompts]
            await poller.collect_open(items)
            return await runner.generate_all(items)

        self._batch.results_of = lambda: self._arranged(prompts)
        return self._with_provider(inside)

    def _arranged(self, prompts: Sequence[str]) -> bytes:
        known = read_calls(self._store / "journal")  # one that failed was prepared by an earlier run, and not sent
        calls = [call.sent["call"] for call in known if call.outcome is not Outcome.FAILED]
        lines = []
        for number, (call, prompt) in enumerate(zip(calls, prompts, strict=True)):
            images = Images((picture("PNG", prompt),), ()) if prompt in COLORS else self.images
            lines.append(json.dumps(self.batch_result(call, self._faults.get(number) or images)).encode())
        return b"\n".join(self._arrange(lines))

    def _file_of(self, item: Item) -> bytes | None:
        return None if item.raw is None else Store(self._store).raw.read(item.raw)

    def _with_provider(self, act: Callable[[BatchProvider], Awaitable[T]]) -> T:
        self._need_batches()

        async def inside() -> T:
            provider = self.provider(self.connection())
            assert isinstance(provider, BatchProvider)
            try:
                async with asyncio.timeout(LONGEST_S):
                    return await act(provider)
            finally:
                await provider.close()

        return asyncio.run(inside())


def _item(recipe: Recipe) -> Item:
    return Item(recipe.prompt, 0, recipe, recipe.key(), "new")
