"""The official SDK sees no difference between the stand-in's files and batches and those of the API."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from typing import Any

import openai
import pytest
from fake_openai import BatchSettings, Limits, Settings
from fake_openai.batch_input import read_lines
from PIL import Image
from sdk_server import SdkServer

GENERATIONS: Any = "/v1/images/generations"
START = Settings(any_size=True, batches=BatchSettings(duration_s=0.1))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return START


def line(custom_id: str, *, url: Any = GENERATIONS, method: str = "POST", **body: Any) -> dict[str, Any]:
    body = {"model": "gpt-image-2", "prompt": f"prompt of {custom_id}", "size": "64x64", "quality": "low", **body}
    return {"custom_id": custom_id, "method": method, "url": url, "body": body}


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in lines)


def submit(server: SdkServer, content: bytes, endpoint: Any = GENERATIONS, **more: Any) -> Any:
    client = server.client
    file = server.run(client.files.create(file=("requests.jsonl", content), purpose="batch"))
    return server.run(client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more))


def finished(server: SdkServer, batch: Any, timeout_s: float = 20) -> Any:
    end_s = time.monotonic() + timeout_s
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        assert time.monotonic() < end_s, batch
        time.sleep(0.05)
        batch = server.run(server.client.batches.retrieve(batch.id))
    return batch


def results(server: SdkServer, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    content = server.run(server.client.files.content(file_id)).content
    return [json.loads(row) for row in content.splitlines()]


def test_every_line_gets_its_image_at_half_the_price(server: SdkServer) -> None:
    batch = submit(server, jsonl([line("a"), line("b", n=2)]), metadata={"run": "7"})
    assert batch.status in ("validating", "in_progress") and batch.metadata == {"run": "7"}
    batch = finished(server, batch)
    assert batch.status == "completed" and batch.error_file_id is None and batch.model == "gpt-image-2"
    assert batch.request_counts.to_dict() == {"total": 2, "completed": 2, "failed": 0}
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    rows = {row["custom_id"]: row for row in results(server, batch.output_file_id)}
    assert [len(rows[name]["response"]["body"]["data"]) for name in "ab"] == [1, 2]
    for row in rows.values():
        assert row["error"] is None and row["response"]["status_code"] == 200 and row["id"].startswith("batch_req_")
        content = base64.b64decode(row["response"]["body"]["data"][0]["b64_json"])
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == (64, 64)
    usages = [row["response"]["body"]["usage"] for row in rows.values()]
    assert batch.usage.total_tokens == sum(usage["total_tokens"] for usage in usages)
    calls = server.calls()
    assert [call.custom_id for call in calls] == ["a", "b"]
    assert {(call.batch_id, call.in_flight) for call in calls} == {(batch.id, 0)}
    tokens = usages[0]["output_tokens"] * 30 + usages[0]["input_tokens"] * 5
    assert calls[0].cost_usd == pytest.approx(tokens / 1e6 / 2)


def test_lines_fail_alone_and_rate_limits_do_not_count(server: SdkServer) -> None:
    server.change(
        limits=Limits(images_per_min=1),
        rules=({"behavior": "moderation", "prompt": "of bad"}, {"behavior": "cut_before_answer", "prompt": "of cut"}),
    )
    lines = [line("good"), line("bad"), line("cut"), line("wrong", quality="best"), line("stream", stream=True)]
    batch = finished(server, submit(server, jsonl(lines)))
    assert batch.request_counts.to_dict() == {"total": 5, "completed": 2, "failed": 3}
    assert {row["custom_id"] for row in results(server, batch.output_file_id)} == {"good", "cut"}
    failed = {row["custom_id"]: row["response"] for row in results(server, batch.error_file_id)}
    codes = {name: (answer["status_code"], answer["body"]["error"]["code"]) for name, answer in failed.items()}
    assert codes == {
        "bad": (400, "moderation_blocked"),
        "wrong": (400, "invalid_value"),
        "stream": (400, "invalid_value"),
    }
    assert server.totals().billed_by_prompt == {"prompt of good": 1, "prompt of cut": 1}


def test_edits_take_stored_files_and_data_urls(server: SdkServer) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "PNG")
    stored = server.run(server.client.files.create(file=("mug.png", buffer.getvalue()), purpose="vision"))
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    lines = [
        line("stored", url="/v1/images/edits", images=[{"file_id": stored.id}]),
        line("inline", url="/v1/images/edits", images=[{"image_url": url}]),
        line("lost", url="/v1/images/edits", images=[{"file_id": "file-none"}]),
    ]
    batch = finished(server, submit(server, jsonl(lines), "/v1/images/edits"))
    assert {row["custom_id"] for row in results(server, batch.output_file_id)} == {"stored", "inline"}
    assert [row["custom_id"] for row in results(server, batch.error_file_id)] == ["lost"]
    first, second, _ = server.calls()
    assert first.references == second.references and first.usage is not None
    assert first.usage["input_tokens_details"]["image_tokens"] == 65 + 2 * 129


def test_an_expired_batch_returns_and_bills_what_was_done(server: SdkServer) -> None:
    server.change(batches=BatchSettings(duration_s=0, works_on=2))
    batch = submit(server, jsonl([line(f"line-{number}") for number in range(8)]))
    while server.totals().billed_calls < 2:
        time.sleep(0.05)
    server.change(batches=BatchSettings(expires_after_s=0))
    batch = finished(server, batch)
    assert batch.status == "expired" and batch.expired_at is not None
    done, missing = results(server, batch.output_file_id), results(server, batch.error_file_id)
    assert (len(done), len(missing)) == (2, 6)
    assert {row["error"]["code"] for row in missing} == {"batch_expired"}
    assert {row["response"] for row in missing} == {None}
    assert server.totals().billed_calls == len(done)


def test_a_cancelled_batch_keeps_what_was_done(server: SdkServer) -> None:
    server.change(batches=BatchSettings(duration_s=0, works_on=1))
    batch = submit(server, jsonl([line(f"line-{number}") for number in range(60)]))
    while not server.calls():
        time.sleep(0.05)
    batch = server.run(server.client.batches.cancel(batch.id))
    assert batch.status == "cancelling"
    batch = finished(server, batch)
    assert batch.status == "cancelled" and batch.cancelled_at >= batch.cancelling_at
    done, missing = results(server, batch.output_file_id), results(server, batch.error_file_id)
    assert done and len(done) + len(missing) == 60
    assert {row["error"]["code"] for row in missing} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError):
        server.run(server.client.batches.cancel(batch.id))


@pytest.mark.parametrize(
    ("content", "code", "line_number"),
    [
        (b"", "empty_file", None),
        (jsonl([line("a")]) + b"{\n", "invalid_json_line", 2),
        (jsonl([line("a"), line("a")]), "duplicate_custom_id", 2),
        (jsonl([line("a", url="/v1/images/edits")]), "invalid_url", 1),
        (jsonl([line("a", method="GET")]), "invalid_method", 1),
        (jsonl([line("a"), line("b", model="gpt-image-2.5-flare")]), "mismatched_model", 2),
        (b'{"custom_id": "a", "method": "POST"}\n', "missing_required_parameter", 1),
    ],
)
def test_a_file_that_breaks_a_rule_fails_the_whole_batch(
    server: SdkServer, content: bytes, code: str, line_number: int | None
) -> None:
    batch = finished(server, submit(server, content))
    assert batch.status == "failed" and batch.failed_at is not None and batch.output_file_id is None
    (problem,) = batch.errors.data
    assert (problem.code, problem.line) == (code, line_number)
    assert server.calls() == []


def test_a_file_of_more_than_50000_requests_is_refused() -> None:
    lines = [b'{"custom_id":"%d","method":"POST","url":"u","body":{}}\n' % number for number in range(50_001)]
    assert asyncio.run(read_lines(b"".join(lines), "u")).problems[0]["code"] == "too_many_requests"
    assert asyncio.run(read_lines(b"".join(lines[1:]), "u")).problems == []


def test_files_are_checked_listed_read_and_deleted(server: SdkServer) -> None:
    files = server.client.files
    content = jsonl([line("a")])
    server.run(files.create(file=("earlier.jsonl", content), purpose="batch"))
    stored = server.run(files.create(file=("requests.jsonl", content), purpose="batch"))
    assert (stored.bytes, stored.filename, stored.purpose, stored.status) == (
        len(content),
        "requests.jsonl",
        "batch",
        "processed",
    )
    assert server.run(files.retrieve(stored.id)) == stored
    assert server.run(files.content(stored.id)).content == content
    listed = server.run(files.list(purpose="batch", limit=1))
    assert listed.data == [stored] and listed.has_more
    assert server.run(files.delete(stored.id)).deleted
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        server.run(files.retrieve(stored.id))
    for name, large in (("requests.txt", b"{}"), ("requests.jsonl", bytes(200 * 1024**2 + 1))):
        with pytest.raises(openai.BadRequestError) as caught:
            server.run(files.create(file=(name, large), purpose="batch"))
        assert caught.value.code == ("invalid_file_format" if name.endswith("txt") else "file_too_large")


def test_batches_are_listed_page_by_page_and_wrong_ones_not_started(server: SdkServer) -> None:
    batches = server.client.batches
    made = [submit(server, jsonl([line("a")])).id for _ in range(3)]
    page = server.run(batches.list(limit=2))
    assert [batch.id for batch in page.data] == made[:0:-1] and page.has_more
    assert [batch.id for batch in server.run(batches.list(limit=1, after=made[1])).data] == made[:1]
    with pytest.raises(openai.NotFoundError):
        server.run(batches.retrieve("batch_none"))
    with pytest.raises(openai.NotFoundError):
        server.run(batches.create(input_file_id="file-none", endpoint=GENERATIONS, completion_window="24h"))
    with pytest.raises(openai.BadRequestError) as caught:
        submit(server, jsonl([line("a")]), "/v1/embeddings")
    assert caught.value.param == "endpoint"
