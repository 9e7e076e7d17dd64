"""Whatever stands anywhere in a provider's answer, the worst that comes of it is an error that a terminal can show."""

import asyncio
import base64
import copy
import json
import secrets

import httpx2
import pytest

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, ProviderError, provider_class
from imagemake.plugins.providers.gemini.batches import result_in
from imagemake.plugins.providers.queue import Pending

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
HOSTILE = (
    "null",
    "5",
    "1e400",
    "NaN",
    "9" * 4000,
    f'"{"x" * 3000}"',
    r'"\u001b[31m\u202e"',
    r'"\ud800"',
    "[]",
    "[5]",
    "{}",
    "[" * 990 + "]" * 990,
    '{"a":' * 990 + "1" + "}" * 990,
    '"https://["',
    r'"https://queue.fal.run/\u0001"',
    r'"https://api.replicate.com/\ud800"',
    r'"https:/\t/api.bfl.ai/x"',
    '"0001-01-01T00:00:00"',
)
FAL = "https://queue.fal.run/fal-ai/flux/requests/1"
SUBMITTED = {
    "fal": {"request_id": "1", "status_url": f"{FAL}/status", "response_url": FAL, "cancel_url": f"{FAL}/cancel"},
    "replicate": {"id": "1", "urls": {"get": "https://api.replicate.com/v1/predictions/1"}},
    "bfl": {"id": "1", "polling_url": "https://api.bfl.ai/v1/get_result?id=1"},
    "dashscope": {"output": {"task_id": "1", "task_status": "PENDING"}, "request_id": "r"},
}
TOLD = {
    "fal": (
        {"status": "COMPLETED", "error": "e", "error_type": "t"},
        {"status": "COMPLETED", "images": [{"url": "https://x/y"}], "has_nsfw_concepts": [False], "seed": 3},
        {"detail": [{"type": "content_policy_violation", "loc": ["body", "prompt"], "msg": "m"}]},
    ),
    "replicate": ({"status": "failed", "error": "e"}, {"status": "succeeded", "output": ["https://x/y"]}),
    "bfl": (
        {"status": "Request Moderated", "details": {"Moderation Reasons": ["r"]}},
        {"status": "Ready", "result": {"sample": "https://x/y", "seed": 4}},
    ),
    "dashscope": (
        {"output": {"task_status": "FAILED", "code": "c", "message": "m"}, "request_id": "r"},
        {"output": {"task_status": "SUCCEEDED", "choices": [{"message": {"content": [{"image": "https://x/y"}]}}]}},
        {"code": "c", "message": "m", "request_id": "r"},
    ),
    "openrouter": (
        {"data": [{"b64_json": PNG}], "usage": {"cost": 0.1, "is_byok": True, "cost_details": {"upstream": 0.2}}},
        {"error": {"code": 403, "message": "m", "metadata": {"reasons": ["r"], "provider_name": "p", "raw": "{}"}}},
    ),
    "gemini": (
        {
            "candidates": [{"content": {"parts": [{"inlineData": {"data": PNG}}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 4, "candidatesTokensDetails": [{"tokenCount": 4}]},
            "responseId": "r",
        },
        {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [{"category": "c", "probability": "HIGH"}]}},
        {"error": {"code": 400, "message": "m", "details": [{"reason": "r", "violations": [{"quotaId": "q"}]}]}},
    ),
}


def hostile(answer):
    """Yield an answer with each of its values in turn replaced by each of the hostile ones."""
    mark = secrets.token_hex(8)
    for path in paths(answer):
        changed = copy.deepcopy(answer)
        inner = changed
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = mark
        text = json.dumps(changed)
        for value in HOSTILE:
            yield text.replace(f'"{mark}"', value).encode()


def paths(value, so_far=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield (*so_far, name)
        yield from paths(inner, (*so_far, name))


def as_a_terminal_can_show(error):
    shown = " ".join(str(one) for one in (error, error.code, error.request_id, error.limit))
    return shown.isprintable() and len(shown) < 2000


@pytest.fixture
def served(monkeypatch):
    """Return a provider whose server answers each request with what is in a list of status and body."""
    now = [200, b""]

    def start(name):
        cls = provider_class(name)
        monkeypatch.setenv(cls.key_variable, "hostile-answers-key-0123456789")
        provider = cls(Connection())
        transport = httpx2.MockTransport(lambda request: httpx2.Response(now[0], content=now[1]))
        provider._client._pools.all[0].client = httpx2.AsyncClient(transport=transport)
        return provider, now

    return start


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_queue_can_answer_anything_to_a_submission_and_to_what_follows_from_it(served, name):
    provider, now = served(name)
    recipe = Recipe(name, "fal-ai/flux", "A cup.", 1)

    async def all_answers():
        for body in hostile(SUBMITTED[name]):
            now[:] = 200, body
            ticket = await shown(provider.submit(recipe, {}))
            if ticket is not None:
                await shown(provider.poll(ticket))
                await shown(provider.cancel(ticket))

    asyncio.run(all_answers())


@pytest.mark.parametrize("status", [200, 422])
@pytest.mark.parametrize("name", TOLD)
def test_a_provider_can_say_anything_of_an_image(served, name, status):
    provider, now = served(name)
    recipe = Recipe(name, "fal-ai/flux", "A cup.", 1)

    async def all_answers():
        ticket = None
        if name in SUBMITTED:
            now[:] = 200, json.dumps(SUBMITTED[name]).encode()
            ticket = await provider.submit(recipe, {})
        for answer in TOLD[name]:
            for body in hostile(answer):
                now[:] = status, body
                await shown(provider.poll(ticket) if ticket else provider.generate(recipe))

    asyncio.run(all_answers())


async def shown(call):
    """Return what a call returns; None for an error, and what it says can be shown."""
    try:
        found = await call
    except ProviderError as error:
        assert as_a_terminal_can_show(error)
        json.dumps([error.usage, error.cost_usd], allow_nan=False)
        return None
    if isinstance(found, Pending):
        assert found.words.isprintable()
    return found


@pytest.mark.parametrize("answer", TOLD["gemini"])
def test_a_line_of_a_batch_can_say_anything(answer):
    for body in hostile({"key": "call", "response": answer, "error": answer.get("error", {})}):
        found = result_in(body)
        if not isinstance(found, str) and isinstance(found.outcome, ProviderError):
            assert as_a_terminal_can_show(found.outcome)


@pytest.mark.parametrize("location", ["https://[", "http://127.0.0.1/x", "https://evil.example/x", ""])
def test_a_download_of_a_batch_follows_no_redirect_elsewhere(served, location):
    provider, _ = served("gemini")
    asked = []

    def redirect(request):
        asked.append(request.url.host)
        return httpx2.Response(302, headers={"location": location})

    provider._client._pools.all[0].client = httpx2.AsyncClient(transport=httpx2.MockTransport(redirect))

    async def read():
        return [one async for one in provider.batch_results("files/abc")]

    with pytest.raises(ProviderError, match="redirected"):
        asyncio.run(read())
    assert set(asked) == {"generativelanguage.googleapis.com"}
