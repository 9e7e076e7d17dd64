"""Gathers requests that wait at the same time, so that a model makes several images at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

LINGER_S = 0.05  # for requests that are about to arrive; nothing against making one image
CLOSE_S = 60.0  # for the current step of a slow model

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[Q, A]):
    kin: str
    question: Q
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[A]


class Gatherer(Generic[Q, A]):
    """Runs a function for several questions at once, in one thread that lives as long as its job.

    Args:
        make: Answers questions of one kin, in their order; an answer may be an exception. Called in the thread.
        most: Returns how many questions of a kin to answer at once.
    """

    def __init__(self, make: Callable[[Sequence[Q]], Sequence[A | BaseException]], most: Callable[[Q], int]) -> None:
        self._make, self._most = make, most
        self._waiting: deque[_Waiting[Q, A]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._last_kin = ""
        self._arrived_at = 0.0
        self._is_closed = False
        self._refusal: BaseException | None = None

    async def ask(self, kin: str, question: Q) -> A:
        """Return the answer to a question, which may be answered together with others of its kin."""
        loop = asyncio.get_running_loop()
        one: _Waiting[Q, A] = _Waiting(kin, question, loop, loop.create_future())
        with self._changed:
            if self._refusal is not None:
                raise self._refusal
            self._waiting.append(one)
            self._arrived_at = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="model", daemon=True)
                self._thread.start()
            self._changed.notify()
        return await one.answer

    def refuse(self, error: BaseException) -> None:
        """Answer every question that waits, or comes later, by an error."""
        self._refusal = error
        self._drop(error)

    def close(self) -> None:
        """End the thread after its current questions."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _drop(self, error: BaseException) -> None:
        with self._changed:
            dropped, self._waiting = self._waiting, deque()
        for one in dropped:
            _deliver(one, error)

    def _work(self) -> None:
        while True:
            try:
                together = self._next()
            except Exception as error:  # whoever asked is told
                self._drop(error)
                continue
            if not together:
                return
            try:
                answers: Sequence[A | BaseException] = self._make([one.question for one in together])
            except Exception as error:
                answers = [error] * len(together)
            for one, answer in zip(together, answers, strict=True):
                _deliver(one, answer)

    def _next(self) -> list[_Waiting[Q, A]]:
        """Wait for questions, and take those that are answered together; empty at the end."""
        with self._changed:
            while True:
                if self._is_closed:
                    return []
                chosen = self._chosen()
                if not chosen:
                    self._changed.wait()
                    continue
                left_s = self._arrived_at + LINGER_S - time.monotonic()
                if len(chosen) < self._most(chosen[0].question) and left_s > 0:
                    self._changed.wait(left_s)
                    continue
                for one in chosen:
                    self._waiting.remove(one)
                self._last_kin = chosen[0].kin
                return chosen

    def _chosen(self) -> list[_Waiting[Q, A]]:
        """Return the first questions of one kin: of the last one, so that the model stays as it is."""
        if not self._waiting:
            return []
        kins = {one.kin for one in self._waiting}
        kin = self._last_kin if self._last_kin in kins else self._waiting[0].kin
        of_kin = [one for one in self._waiting if one.kin == kin]
        return of_kin[: self._most(of_kin[0].question)]


def _deliver(one: _Waiting[Q, A], answer: A | BaseException) -> None:
    with suppress(RuntimeError):  # its loop is closed: nobody waits any longer
        one.loop.call_soon_threadsafe(partial(_settle, one.answer, answer))


def _settle(future: asyncio.Future[A], answer: A | BaseException) -> None:
    if future.done():  # the call was given up
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
