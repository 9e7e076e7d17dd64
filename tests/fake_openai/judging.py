"""Answers about images and texts: decisions, chat completions by a schema, and moderations.

The stand-in sees what it planted itself: tags in the metadata of images that it made, such as `wrong_color`.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import orjson
from aiohttp import web
from PIL import Image

from fake_openai import errors
from fake_openai.chance import fraction
from fake_openai.record import Call
from fake_openai.references import tags_of
from fake_openai.settings import JudgeSettings
from fake_openai.stand import NOT_JSON_BODY, Stand

_ASKED = re.compile(r"^q(\d+) \((yes or no|0 to 10 points)\): (.*)$", re.MULTILINE)
USD_PER_TOKEN = 1e-6
CHAT = "/v1/chat/completions"
Answering = Callable[[dict[str, Any], Stand, Call], dict[str, Any]]


def handler(stand_key: web.AppKey[Stand], answer: Answering, endpoint: str) -> Callable[[web.Request], Awaitable[Any]]:
    """Return the handler of an endpoint: records the call, applies the settings' faults, and answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        stand = request.app[stand_key]
        call = stand.record.open(endpoint)
        try:
            told = answered(answer, orjson.loads(await request.read()), stand, call)
        except errors.ApiError as error:
            stand.record.record_cost(call, error.status, error.code or "error")
            raise
        judge, drawn = stand.settings.judge, fraction("response", stand.settings.seed, endpoint, call.number)
        if drawn < judge.garbage_share:
            stand.record.record_cost(call, 200, "garbage")
            return web.Response(body=judge.garbage.encode() or NOT_JSON_BODY, content_type="application/json")
        if drawn < judge.cut_share:
            stand.record.record_cost(call, None, "cut")
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        stand.record.record_cost(call, 200, "ok")
        return web.Response(
            body=orjson.dumps(told), content_type="application/json", headers={"x-request-id": call.request_id}
        )

    return handle


def answered(answer: Answering, body: dict[str, Any], stand: Stand, call: Call) -> dict[str, Any]:
    """Answer a call or a line of a batch, and bill it; the latter at half the price.

    Raises:
        ApiError: If a setting requires it.
    """
    call.model, judge = body.get("model"), stand.settings.judge
    if judge.fail_first >= len([one for one in stand.record.calls if one.endpoint == call.endpoint]):
        raise errors.server_error(judge.fail_status, call.request_id)
    if judge.blocked:
        raise errors.moderation_blocked(call.request_id, "input", ("violence",))
    told = answer(body, stand, call)
    tokens = call.usage["total_tokens"] if call.usage else 0
    call.billed, call.cost_usd = tokens > 0, tokens * USD_PER_TOKEN * (1 if call.batch_id is None else 0.5)
    return told


def decide(body: dict[str, Any], stand: Stand, call: Call) -> dict[str, Any]:
    """`POST /v1/decisions`."""
    unknown = sorted({*body} - {"model", "input", "questions"})
    if unknown or not 1 <= len(body["questions"]) <= 400:
        raise errors.ApiError(400, f"unknown fields {unknown}, or not 1 to 400 questions")
    parts = [part for message in body["input"] for part in message["content"]]
    image = next(part["image_url"] for part in parts if part["type"] == "input_image")
    call.prompt = "\n".join(one["instructions"] for one in body["questions"])
    answers = [_decided(one, image, stand) for one in body["questions"]]
    _use(call, image, call.prompt)
    told = {**(call.usage or {}), "input_tokens_details": {}, "output_tokens_details": {}}
    kept = [one for one in answers if one is not None]
    return {"answers": kept, "model": body["model"], "usage": told}


def complete(body: dict[str, Any], stand: Stand, call: Call) -> dict[str, Any]:
    """`POST /v1/chat/completions` with a JSON schema."""
    schema = body["response_format"]["json_schema"]["schema"]
    content = body["messages"][-1]["content"]
    if "questions" in schema["properties"]:
        call.prompt = content
        _use(call, "", content)
        return _completion(body, call, orjson.dumps({"questions": derived(content)}).decode())
    if "prompt" in schema["properties"]:
        call.prompt = content
        _use(call, "", content)
        rewrite = stand.settings.judge.rewrite
        text = None if rewrite is None else rewrite.replace("{prompt}", orjson.loads(content)["prompt"])
        return _completion(body, call, None if text is None else orjson.dumps({"prompt": text}).decode())
    text = next(part["text"] for part in content if part["type"] == "text")
    image = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
    call.prompt = text
    _use(call, image, text)
    answers: dict[str, Any] = {}
    for number, scale, question in _ASKED.findall(text):
        probability = answer_to(question, image, stand.settings.judge, stand.settings.seed)
        if probability is None:
            return _completion(body, call, None)
        if not math.isnan(probability):
            word = "yes" if probability >= 0.5 else "no"
            answers[f"q{number}"] = word if scale == "yes or no" else round(10 * probability)
    return _completion(body, call, orjson.dumps(answers).decode(), answers)


def moderate(body: dict[str, Any], stand: Stand, call: Call) -> dict[str, Any]:
    """`POST /v1/moderations`."""
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    call.prompt = "\n".join(one if isinstance(one, str) else "image" for one in texts)
    flags = re.compile(stand.settings.judge.flagged or r"(?!)")

    def result(one: Any) -> dict[str, Any]:
        is_text = isinstance(one, str)
        flagged = bool(flags.search(one)) if is_text else "violence" in tags_in(one["image_url"]["url"])
        scores = {"violence": 0.97 if flagged else 0.01, "sexual": 0.001, "violence/graphic": 0.002}
        return {"flagged": flagged, "categories": dict.fromkeys(scores, flagged), "category_scores": scores}

    return {"id": f"modr-{uuid.uuid4().hex}", "model": body["model"], "results": [result(one) for one in texts]}


def tags_in(url: str) -> frozenset[str]:
    """Return the tags that were planted in an image."""
    data = base64.b64decode(url.partition(",")[2])
    with Image.open(BytesIO(data)) as image:
        return tags_of(image)


def answer_to(question: str, image: str, judge: JudgeSettings, seed: int) -> float | None:
    """Return the probability of yes about an image; None for a refusal, and NaN for no answer."""
    tags = tags_in(image)

    def happens(what: str, share: float) -> bool:
        return fraction(what, seed, question, hashlib.sha256(image.encode()).hexdigest()) < share

    if happens("refused", judge.refused_share):
        return None
    if happens("missing", judge.missing_share):
        return math.nan
    right = True
    for rule in judge.sees:
        if re.search(rule.question, question, re.IGNORECASE):
            right = (rule.tag in tags) == rule.yes_if_present
            break
    if happens("wrong", judge.wrong_share):
        right = not right
    return judge.sure if right else 1 - judge.sure


def derived(prompt: str) -> list[str]:
    """Return questions about the parts of a prompt."""
    parts = [part.strip(" .") for part in re.split(r"[,.]", prompt) if part.strip(" .")]
    return [f"Does the image show this: {part}?" for part in parts]


def _decided(question: dict[str, Any], image: str, stand: Stand) -> dict[str, Any] | None:
    name, kind = question.get("name"), question["type"]
    probability = answer_to(question["instructions"], image, stand.settings.judge, stand.settings.seed)
    if probability is None:
        return {"type": "refusal", "name": name}
    if math.isnan(probability):
        return None
    if kind == "predicate":
        return {"type": "predicate", "name": name, "probability": probability}
    return {"type": "score", "name": name, "score": 10 * probability, "confidence": 0.9, "probabilities": []}


def _completion(
    body: dict[str, Any], call: Call, text: str | None, answers: dict[str, Any] | None = None
) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None if text is not None else "I cannot judge this."}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": message}
    if body.get("logprobs") and text is not None:
        choice["logprobs"] = {"content": _tokens(text)}
    usage = call.usage or {}
    counts = {"prompt_tokens": usage.get("input_tokens", 0), "completion_tokens": usage.get("output_tokens", 0)}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": {**counts, "total_tokens": sum(counts.values())},
    }


def _tokens(text: str) -> list[dict[str, Any]]:
    found = []
    for token in re.findall(r"yes|no|\w+|\W", text):
        top = [{"token": token, "logprob": math.log(0.9)}]
        if token in ("yes", "no"):
            top.append({"token": "no" if token == "yes" else "yes", "logprob": math.log(0.1)})
        found.append({"token": token, "logprob": math.log(0.9), "top_logprobs": top})
    return found


def _use(call: Call, image: str, text: str) -> None:
    sent = len(text) // 4 + (765 if image else 0)
    call.usage = {"input_tokens": sent, "output_tokens": 20, "total_tokens": sent + 20}
