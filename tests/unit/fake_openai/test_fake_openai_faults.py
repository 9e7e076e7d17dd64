"""The stand-in fails as configured, limits rates as the API does, and records every call."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from fake_openai import Behavior, FakeOpenAI, Limits, Rule, Settings
from fake_openai.chance import Rulebook, latency_s
from fake_openai.errors import ApiError
from fake_openai.limits import Limiter
from fake_openai.record import most_within
from folders import TESTS
from PIL import Image
from sdk_server import SdkServer

SMALL = Settings(any_size=True)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return SMALL


def generate_all(server: SdkServer, *prompts: str, timeout_s: float = 30, **parameters: Any) -> list[Any]:
    """Call the SDK for all prompts at the same time; return raw responses and exceptions."""
    images = server.client.with_options(timeout=timeout_s).images.with_raw_response
    given = {"model": "gpt-image-2", "size": "64x64", "quality": "low", **parameters}

    async def together() -> list[Any]:
        calls = (images.generate(prompt=prompt, **given) for prompt in prompts)
        return list(await asyncio.gather(*calls, return_exceptions=True))

    return server.loop.run(together())


def generate(server: SdkServer, prompt: str = "a red mug", **parameters: Any) -> Any:
    (answer,) = generate_all(server, prompt, **parameters)
    if isinstance(answer, Exception):
        raise answer
    return answer


def pixels(answer: Any) -> Any:
    with Image.open(io.BytesIO(base64.b64decode(answer.parse().data[0].b64_json))) as image:
        return np.asarray(image)


# Errors


@pytest.mark.parametrize(
    ("rule", "raised", "status", "code", "kind"),
    [
        ({"behavior": "rate_limited"}, openai.RateLimitError, 429, "rate_limit_exceeded", "requests"),
        (
            {"behavior": "insufficient_quota"},
            openai.RateLimitError,
            429,
            "insufficient_quota",
            "insufficient_quota",
        ),
        (
            {"behavior": "billing_limit"},
            openai.BadRequestError,
            400,
            "billing_hard_limit_reached",
            "invalid_request_error",
        ),
        (
            {"behavior": "moderation"},
            openai.BadRequestError,
            400,
            "moderation_blocked",
            "image_generation_user_error",
        ),
        ({"behavior": "server_error"}, openai.InternalServerError, 500, None, "server_error"),
        ({"behavior": "server_error", "status": 504}, openai.InternalServerError, 504, None, "server_error"),
        ({"behavior": "server_error", "status": 409}, openai.ConflictError, 409, None, "server_error"),
        ({"behavior": "overloaded"}, openai.InternalServerError, 503, "overloaded", "server_error"),
    ],
)
def test_each_error_is_what_the_sdk_makes_of_the_real_one(
    server: SdkServer,
    rule: dict[str, Any],
    raised: type[openai.APIStatusError],
    status: int,
    code: str | None,
    kind: str,
) -> None:
    server.change(rules=(rule,))
    with pytest.raises(raised) as caught:
        generate(server)
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (status, code, kind)
    (call,) = server.calls()
    assert (call.status, call.outcome, call.behavior) == (status, code or kind, rule["behavior"])
    assert caught.value.request_id == call.request_id
    assert (call.billed, call.cost_usd, call.images, call.delivered) == (False, 0, 0, True)


@pytest.mark.parametrize("behavior", ["rate_limited", "overloaded"])
@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("none", {}),
        ("retry-after", {"retry-after": "3"}),
        ("retry-after-ms", {"retry-after-ms": "2500"}),
        ("both", {"retry-after": "3", "retry-after-ms": "2500"}),
    ],
)
def test_an_error_says_when_to_come_back_as_the_rule_tells(
    server: SdkServer, behavior: str, hint: str, expected: dict[str, str]
) -> None:
    server.change(rules=({"behavior": behavior, "retry_hint": hint, "retry_after_s": 2.5},))
    with pytest.raises(openai.APIStatusError) as caught:
        generate(server)
    headers = caught.value.response.headers
    assert {name: headers[name] for name in headers if name.startswith("retry-after")} == expected


def test_moderation_tells_stage_and_categories(server: SdkServer) -> None:
    rule = {"behavior": "moderation", "stage": "output", "categories": ["sexual", "violence"], "latency_s": 0.3}
    server.change(rules=(rule,))
    with pytest.raises(openai.BadRequestError, match=r"safety_violations=\[sexual, violence\]") as caught:
        generate(server)
    assert caught.value.body["moderation_details"] == {  # type: ignore[index]
        "moderation_stage": "output",
        "categories": ["sexual", "violence"],
    }
    (call,) = server.calls()
    assert call.answered_s is not None and call.answered_s - call.arrived_s > 0.3  # the image was made first
    assert not call.billed


def test_a_server_error_can_have_been_billed(server: SdkServer) -> None:
    server.change(rules=(Rule(behavior=Behavior.SERVER_ERROR, billed=True),))
    with pytest.raises(openai.InternalServerError):
        generate(server)
    (call,) = server.calls()
    assert call.billed and call.cost_usd > 0 and call.status == 500


# Connections


@pytest.mark.parametrize("billed", [True, False])
def test_a_connection_that_is_cut_leaves_the_caller_ignorant_and_the_record_not(
    server: SdkServer, billed: bool
) -> None:
    server.change(rules=(Rule(behavior=Behavior.CUT_BEFORE_ANSWER, billed=billed),))
    with pytest.raises(openai.APIConnectionError):
        generate(server)
    (call,) = server.calls()
    assert (call.status, call.outcome, call.delivered) == (None, "cut_before_answer", False)
    assert (call.billed, call.cost_usd > 0) == (billed, billed)


def test_a_body_that_ends_midway_is_a_connection_error_and_is_billed(server: SdkServer) -> None:
    server.change(rules=(Rule(behavior=Behavior.CUT_MIDWAY),))
    for size in ("64x64", "1024x1024"):
        with pytest.raises(openai.APIConnectionError):
            generate(server, size=size)
    for call in server.calls():
        assert (call.status, call.billed, call.delivered) == (200, True, False)


def test_a_slow_body_comes_slowly_and_outlasts_an_impatient_caller(server: SdkServer) -> None:
    server.change(rules=(Rule(behavior=Behavior.SLOW_BODY, bytes_per_s=40_000),))
    started_s = time.monotonic()
    assert generate(server).parse().data  # some 14 KB
    assert time.monotonic() - started_s > 0.25
    server.change(rules=(Rule(behavior=Behavior.SLOW_BODY, bytes_per_s=1),))
    with pytest.raises(openai.APITimeoutError):
        generate(server, timeout_s=0.4)  # the next byte comes after a second
    assert [call.billed for call in server.calls()] == [True, True]


def test_answers_without_an_image_are_billed(server: SdkServer) -> None:
    server.change(rules=({"behavior": "no_images", "prompt": "^a"}, {"behavior": "not_json", "prompt": "^b"}))
    assert generate(server, "a").parse().data == []
    assert generate(server, "b").http_response.text.startswith("<html>")
    assert [call.outcome for call in server.calls()] == ["no_images", "not_json"]
    assert server.totals().billed_calls == 2


# Rules


def test_special_images_come_for_prompts_that_match_and_for_no_others(server: SdkServer) -> None:
    server.change(rules=({"behavior": "blank", "prompt": "gh.st"}, {"behavior": "same", "prompt": "twin"}))
    ghost, mug, twin, other = (pixels(generate(server, prompt)) for prompt in ("a ghost", "a mug", "twin 1", "twin 2"))
    assert np.ptp(ghost) == 0 < np.ptp(mug)
    assert np.array_equal(twin, other)
    assert [call.outcome for call in server.calls()] == ["blank", "ok", "same", "same"]


def behaviors(rules: tuple[Rule, ...], prompts: list[str], seed: int = 0) -> list[str | None]:
    book = Rulebook(rules, seed)
    return [rule.behavior if (rule := book.choose(prompt)) else None for prompt in prompts]


def test_first_counts_by_prompt_and_at_most_over_all() -> None:
    assert behaviors((Rule(behavior=Behavior.BLANK, first=1),), ["a", "a", "b", "a", "b"]) == [
        "blank",
        None,
        "blank",
        None,
        None,
    ]
    assert behaviors((Rule(behavior=Behavior.BLANK, at_most=2),), ["a", "a", "b"]) == ["blank", "blank", None]


def test_the_first_rule_that_applies_decides_and_used_up_ones_make_room() -> None:
    rules = (Rule(behavior=Behavior.OVERLOADED, first=1), Rule(behavior=Behavior.BLANK, prompt="a"))
    assert behaviors(rules, ["a", "a", "b", "b"]) == ["overloaded", "blank", "overloaded", None]


def test_a_share_is_drawn_by_seed_and_prompt_in_whichever_order_calls_come() -> None:
    rules = (Rule(behavior=Behavior.BLANK, share=0.1),)
    prompts = [f"prompt {number}" for number in range(2000)]
    drawn = behaviors(rules, prompts)
    assert 150 < sum(behavior is not None for behavior in drawn) < 250
    assert behaviors(rules, prompts[::-1])[::-1] == drawn != behaviors(rules, prompts, seed=1)


def test_a_reset_lets_rules_count_anew(server: SdkServer) -> None:
    server.change(rules=(Rule(behavior=Behavior.BLANK, first=1),))
    for expected in ("blank", "ok"):
        generate(server)
        assert server.calls()[-1].outcome == expected
    server.reset()
    generate(server)
    assert [call.outcome for call in server.calls()] == ["blank"]


# Latency


def test_latency_is_waited_for_and_a_rule_has_its_own(server: SdkServer) -> None:
    server.change(latency_s=0.2, rules=({"behavior": "normal", "prompt": "slow", "latency_s": 0.5},))
    generate_all(server, "quick", "slow")
    quick, slow = sorted(call.answered_s - call.arrived_s for call in server.calls() if call.answered_s)
    assert 0.2 <= quick < 0.45 and slow >= 0.5


def test_a_range_of_latencies_is_drawn_by_call_and_seed() -> None:
    settings = Settings(latency_s=(2.0, 3.0))
    drawn = [latency_s(settings, None, f"call {number}", 1) for number in range(500)]
    assert min(drawn) >= 2.0 and max(drawn) < 3.0 and 2.4 < sum(drawn) / 500 < 2.6
    assert drawn == [latency_s(settings, None, f"call {number}", 1) for number in range(500)]
    assert drawn[0] != latency_s(settings, None, "call 0", 2)
    assert drawn[0] != latency_s(settings.changed({"seed": 1}), None, "call 0", 1)


# Limits


def units(images: int = 1, tokens: int = 0) -> dict[str, int]:
    return {"requests": 1, "input-images": images, "tokens": tokens}


def test_a_bucket_holds_a_minutes_worth_and_refills_evenly() -> None:
    limiter = Limiter(Limits(images_per_min=5), now_s=100.0)
    for _ in range(5):
        limiter.admit("gpt-image-2", units(), 100.0)
    with pytest.raises(ApiError) as caught:
        limiter.admit("gpt-image-2", units(), 100.0)
    assert "input-images per min: Limit 5, Used 5, Requested 1. Please try again in 12s." in str(caught.value)
    assert caught.value.headers == {"retry-after": "12", "retry-after-ms": "12000"}
    limiter.admit("gpt-image-2", units(), 112.0)  # at the announced time
    with pytest.raises(ApiError, match="try again in 6s"):
        limiter.admit("gpt-image-2", units(), 118.0)
    assert limiter.headers(118.0)["x-ratelimit-reset-input-images"] == "54s"


@pytest.mark.parametrize(("limit", "wait"), [(250, "240ms"), (4000, "15ms")])
def test_waits_are_those_of_messages_that_were_posted(limit: int, wait: str) -> None:
    limiter = Limiter(Limits(images_per_min=limit), now_s=0.0)
    limiter.admit("gpt-image-2", units(limit), 0.0)
    with pytest.raises(ApiError, match=f"Limit {limit}, Used {limit}, Requested 1. Please try again in {wait}"):
        limiter.admit("gpt-image-2", units(), 0.0)


def test_a_call_is_admitted_by_all_limits_or_takes_from_none() -> None:
    limiter = Limiter(Limits(images_per_min=10, tokens_per_min=100, requests_per_min=50), now_s=0.0)
    limiter.admit("m", units(1, 90), 0.0)
    with pytest.raises(ApiError, match="tokens per min") as caught:
        limiter.admit("m", units(1, 20), 0.0)
    assert caught.value.body["error"]["type"] == "tokens"
    remaining = {name.rpartition("g-")[2]: n for name, n in limiter.headers(0.0).items() if "remaining" in name}
    assert remaining == {"requests": "49", "input-images": "9", "tokens": "10"}


def test_a_call_that_no_wait_helps_is_told_so() -> None:
    with pytest.raises(ApiError, match=r"Limit 5, Requested 6\.$") as caught:
        Limiter(Limits(images_per_min=5), now_s=0.0).admit("m", units(6), 0.0)
    assert caught.value.headers == {}


def test_the_server_refuses_what_is_too_much_and_a_polite_caller_gets_on(server: SdkServer) -> None:
    server.change(limits=Limits(images_per_min=4, minute_s=2.0))
    answers = generate_all(server, *(f"mug {number}" for number in range(6)))
    refused = [answer for answer in answers if isinstance(answer, openai.RateLimitError)]
    assert len(refused) == 2
    assert refused[0].code == "rate_limit_exceeded" and refused[0].type == "input-images"
    headers = refused[0].response.headers
    assert headers["x-ratelimit-remaining-input-images"] == "0"
    time.sleep(float(headers["retry-after-ms"]) / 1000)
    assert generate(server, "mug 5").parse().data
    totals = server.totals()
    assert (totals.calls, totals.billed_calls, totals.outcomes) == (7, 5, {"ok": 5, "rate_limit_exceeded": 2})


def test_images_within_a_window_are_counted_at_its_fullest() -> None:
    assert most_within([], 60) == 0
    assert most_within([(0, 1), (59.9, 2), (60, 4), (119, 1)], 60) == 7
    assert most_within([(0, 1), (60, 1)], 60) == 1


# The record


def test_the_record_tells_everything_about_a_call(server: SdkServer) -> None:
    answers = [generate(server, n=2), generate(server, n=2), generate(server, "another", n=2)]
    one, two, other = server.calls()
    assert one.params == {"n": 2, "quality": "low", "size": "64x64"} and one.model == "gpt-image-2"
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert (one.occurrence, two.occurrence) == (1, 2)
    assert one.arrived_s <= (one.answered_s or 0) <= two.arrived_s
    assert one.usage == answers[0].parse().usage.model_dump()
    assert not np.array_equal(pixels(answers[0]), pixels(answers[1]))  # the API has no seed
    totals = server.totals()
    assert totals.calls_by_prompt == totals.billed_by_prompt == {"a red mug": 2, "another": 1}
    assert totals.images == totals.most_images_a_minute == 6
    assert totals.total_usd == pytest.approx(sum(call.cost_usd for call in (one, two, other)))
    assert [call.number for call in server.calls(after=two.number)] == [other.number]


def test_calls_in_flight_are_counted(server: SdkServer) -> None:
    server.change(latency_s=0.3)
    generate_all(server, *"abcdefg")
    assert server.totals().most_in_flight == 7
    generate(server)
    assert (server.calls()[-1].in_flight, server.totals().in_flight) == (1, 0)


def test_settings_that_are_not_allowed_change_nothing(server: SdkServer) -> None:
    url = server.base_url.removesuffix("/v1") + "/_settings"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(url, b'{"latency": 2}')
    with urllib.request.urlopen(url, b'{"latency_s": [1, 2]}') as answer:
        assert json.load(answer)["latency_s"] == [1.0, 2.0]
    with urllib.request.urlopen(url) as answer:
        assert Settings.model_validate(json.load(answer)) == SMALL.changed({"latency_s": (1, 2)})


# Kills

CLIENT = textwrap.dedent(
    """
    import sys, urllib.request
    body = b'{"prompt": "a mug", "size": "64x64"}'
    request = urllib.request.Request(sys.argv[1] + "/images/generations", body, {"Authorization": "Bearer k"})
    urllib.request.urlopen(request)
    """
)


def test_a_client_that_is_killed_in_the_middle_of_its_request_is_no_error_of_the_server(
    capfd: pytest.CaptureFixture[str],
) -> None:
    headers = b"Authorization: Bearer key\r\nContent-Type: application/json\r\nContent-Length: 100"
    reset_at_close = struct.pack("ii", 1, 0)  # as when a process with unread bytes is killed
    with FakeOpenAI(SMALL) as running:
        address = urllib.parse.urlsplit(running.base_url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n{")
            running.totals()  # by now, it reads the request
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_at_close)
        running.totals()
    assert capfd.readouterr().err == ""


def test_a_client_that_is_killed_with_its_group_is_billed_and_the_server_goes_on(server: SdkServer) -> None:
    server.change(latency_s=0.6)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, server.base_url], start_new_session=True)
    while server.totals().in_flight != 1:  # the call is recorded just before its body is read
        time.sleep(0.02)
    assert os.getpgid(server.pid) not in (os.getpgid(client.pid), os.getpgid(0))
    os.killpg(client.pid, signal.SIGKILL)
    client.wait()
    assert server.totals().in_flight == 1, "the server goes on with it"
    server.wait_until_idle()
    (call,) = server.calls()
    assert (call.status, call.billed, call.delivered) == (200, True, False)


def test_lines_of_calls_that_were_answered_survive_a_kill_of_the_server(tmp_path: Path) -> None:
    record = tmp_path / "calls.jsonl"
    server = FakeOpenAI(SMALL, record=record)
    with server:
        for _ in range(3):
            subprocess.run([sys.executable, "-c", CLIENT, server.base_url], check=True)
        os.kill(server.pid, signal.SIGKILL)
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    assert [(line["number"], line["prompt"], line["billed"]) for line in lines] == [
        (n, "a mug", True) for n in (1, 2, 3)
    ]
    assert lines[0]["answered_s"] >= lines[0]["arrived_s"] and lines[0]["request_id"] != lines[1]["request_id"]


def test_the_server_ends_with_the_process_that_started_it() -> None:
    code = "import time; from fake_openai import FakeOpenAI; print(FakeOpenAI().__enter__().base_url, flush=True)"
    command = [sys.executable, "-c", f"{code}; time.sleep(60)"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().decode().strip().removesuffix("/v1") + "/_settings"
        with urllib.request.urlopen(url) as answer:
            assert answer.status == 200
        owner.kill()
    end_s = time.monotonic() + 10
    with pytest.raises((urllib.error.URLError, ConnectionResetError)):
        while time.monotonic() < end_s:
            urllib.request.urlopen(url, timeout=10).close()
            time.sleep(0.05)
