"""What waits at the same time is answered together, each by its own answer."""

import asyncio
import threading

import pytest

from imagemake.plugins.providers.gathering import Gatherer


def asked(make, questions, most=4, kin=lambda question: ""):
    """Ask questions at the same time, and return the answers or errors."""

    async def inside():
        gatherer = Gatherer(make, lambda question: most)
        try:
            asking = [gatherer.ask(kin(question), question) for question in questions]
            return await asyncio.gather(*asking, return_exceptions=True)
        finally:
            await asyncio.to_thread(gatherer.close)

    return asyncio.run(inside())


class Recording:
    def __init__(self, fail=()):
        self.calls, self.fail = [], fail

    def __call__(self, questions):
        self.calls.append(list(questions))
        return [ValueError(f"no {one}") if one in self.fail else one * 10 for one in questions]


def test_each_question_gets_its_own_answer_in_calls_that_are_as_large_as_may_be():
    make = Recording()
    assert asked(make, range(10)) == [one * 10 for one in range(10)]
    assert [len(call) for call in make.calls] == [4, 4, 2]


def test_questions_of_different_kin_are_never_answered_together():
    make = Recording()
    asked(make, range(8), kin=lambda question: str(question % 2))
    assert make.calls == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_an_error_is_that_of_its_question_only():
    answers = asked(Recording(fail=(2,)), range(4))
    assert str(answers.pop(2)) == "no 2"
    assert answers == [0, 10, 30]


def test_an_error_of_a_call_is_told_to_all_of_its_questions_and_the_next_call_goes_on():
    calls = []

    def make(questions):
        calls.append(questions)
        if len(calls) == 1:
            raise OSError("broken")
        return questions

    answers = asked(make, range(6))
    assert [str(one) for one in answers] == ["broken"] * 4 + ["4", "5"]


def test_an_error_of_the_size_is_told_too():
    async def inside():
        gatherer = Gatherer(list, lambda question: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await gatherer.ask("", 1)
        gatherer.close()

    asyncio.run(inside())


def test_after_a_refusal_what_is_in_the_works_ends_and_nothing_else_begins():
    started, may_end = threading.Event(), threading.Event()
    calls = []

    def make(questions):
        calls.append(len(questions))
        started.set()
        assert may_end.wait(10)
        return questions

    async def inside():
        gatherer = Gatherer(make, lambda question: 2)
        asking = [asyncio.ensure_future(gatherer.ask("", one)) for one in range(6)]
        await asyncio.to_thread(started.wait, 10)
        gatherer.refuse(InterruptedError("stopped"))
        late = asyncio.ensure_future(gatherer.ask("", 6))
        may_end.set()
        answers = await asyncio.gather(*asking, late, return_exceptions=True)
        await asyncio.to_thread(gatherer.close)
        return answers

    answers = asyncio.run(inside())
    assert answers[:2] == [0, 1]
    assert {str(one) for one in answers[2:]} == {"stopped"}
    assert calls == [2]


def test_a_question_that_was_given_up_disturbs_no_other():
    async def inside():
        gatherer = Gatherer(list, lambda question: 2)
        given_up = asyncio.ensure_future(gatherer.ask("", 1))
        other = asyncio.ensure_future(gatherer.ask("", 2))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await other == 2
        await asyncio.to_thread(gatherer.close)

    asyncio.run(inside())
