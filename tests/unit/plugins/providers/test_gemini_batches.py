"""Gemini's Batch API behind `mode: batch`: half the price, files of 100, attached to again after a kill."""

import asyncio
from decimal import Decimal

import orjson
import pytest
from fake_gemini import KEY, Behavior, FakeGemini, Rule
from image_files import saved
from PIL import Image

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import BatchFileLimits, Connection, FailureKind, ProviderError
from imagemake.plugins.providers.gemini.client import GeminiClient
from imagemake.plugins.providers.gemini.provider import GeminiProvider
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.submissions import Submissions

PRO = "gemini-3-pro-image"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with FakeGemini() as running:
        yield running


@pytest.fixture
def buy(server, tmp_path):
    """Generates images in a batch, or one by one."""

    def run(n=4, mode="batch", **limits):
        recipes = [Recipe("gemini", PRO, f"p{i}", i, {"size": "1:1@2K"}, endpoint="here") for i in range(n)]
        items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
        model = {"provider": "gemini", "name": PRO, "base_url": server.base_url, "identity": "here", "mode": mode}
        limits = {"first_wait_s": 0.02, "longest_wait_s": 0.1, "tries": 2, **limits}
        given = {"campaign": "c", "model": {**model, "key_from": "GEMINI_API_KEY"}, "limits": limits}
        settings = JobSettings(given)
        return generate_for_job(items, settings, job="j", calls=2, store=tmp_path / "store", work=tmp_path)

    return run


def journal(tmp_path):
    return list(read_calls(tmp_path / "store" / "journal"))


def booked_usd(tmp_path):
    return sum(Decimal(str(call.closed.get("cost_usd") or 0)) for call in journal(tmp_path) if call.closed)


def check_books(server, tmp_path, n=4):
    assert server.record.images == n, "each image is paid for once"
    assert abs(booked_usd(tmp_path) - server.record.total_usd) < Decimal("0.000001") * max(1, len(server.calls))
    assert not list(Submissions(tmp_path / "store").all())


def test_a_batch_makes_every_image_at_half_the_price(server, buy, tmp_path):
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)
    assert {(call.in_batch, call.seed) for call in server.calls} == {(True, n) for n in range(4)}
    assert booked_usd(tmp_path) / 4 == pytest.approx(Decimal("0.0690"), abs=Decimal("0.0001"))
    assert len(server.stand.files.deleted) == 2, "the requests and the results are deleted"
    assert server.record.key_elsewhere == [None], "the address of an upload is the permission: no key is sent to it"


def test_a_batch_is_closed_to_its_files_also_if_google_does_not_repeat_their_names(server, buy, tmp_path):
    server.change(echoes_input=False)
    buy()
    assert server.stand.files.files == {}


def test_a_batch_is_found_by_its_name_on_any_page(server, buy, tmp_path, monkeypatch):
    create = GeminiProvider.create_batch

    async def lost(self, file, endpoint, metadata):
        await create(self, file, endpoint, metadata)
        for n in range(5):  # newer batches of somebody else fill pages of two
            await create(self, file, endpoint, {"n": str(n)})
        raise ProviderError("the connection was lost", FailureKind.UNKNOWN)

    server.change(batch_s=0.5)
    monkeypatch.setattr(GeminiProvider, "create_batch", lost)
    assert all(item.raw for item in buy())
    assert {call.closed["batch"] for call in journal(tmp_path)} == {next(iter(server.stand.batches.batches))}


def test_a_file_has_at_most_a_hundred_images(server, buy, tmp_path, monkeypatch):
    assert GeminiProvider.file_limits == BatchFileLimits(lines=100, size_bytes=2 * 10**9)
    monkeypatch.setattr(GeminiProvider, "file_limits", BatchFileLimits(lines=3))
    assert all(item.raw for item in buy(7))
    assert [batch.lines for batch in server.stand.batches.batches.values()] == [3, 3, 1]


def test_refusals_in_a_batch_are_final_and_what_they_cost_is_told(server, buy, tmp_path):
    server.change(rules=(Rule(Behavior.BLOCKED_PROMPT, "p0"), Rule(Behavior.IMAGE_SAFETY, "p1")))
    made = buy()
    assert [item.failure and item.failure.reason for item in made] == ["refused", "refused", None, None]
    assert "DANGEROUS_CONTENT: HIGH" in made[0].failure.message
    assert len(server.calls) == 4
    check_books(server, tmp_path, 2)


@pytest.mark.parametrize("behavior", [Behavior.INTERNAL, Behavior.RATE_LIMITED, Behavior.IMAGE_OTHER])
def test_a_line_that_failed_for_the_moment_is_asked_for_in_another_batch(server, buy, tmp_path, behavior):
    server.change(rules=(Rule(behavior, "p0", first=1),))
    assert all(item.raw for item in buy())
    assert [batch.lines for batch in server.stand.batches.batches.values()] == [4, 1]
    check_books(server, tmp_path)


def test_a_batch_that_partially_succeeds_gives_its_images_and_leaves_the_rest_unknown(server, buy, tmp_path):
    server.change(batch_end="PARTIALLY_SUCCEEDED")
    made = buy(unknown="hold")
    assert [item.raw is not None for item in made] == [False, True, False, True]
    assert {item.failure.reason for item in made if item.failure} == {"unknown"}
    check_books(server, tmp_path, 2)


def test_results_that_google_has_deleted_leave_the_outcome_unknown_and_block_nothing(
    server, buy, tmp_path, monkeypatch
):
    poll = GeminiProvider.poll_batch

    async def too_late(self, batch):
        state = await poll(self, batch)
        if state.is_over:
            server.stand.files.files.clear()
        return state

    monkeypatch.setattr(GeminiProvider, "poll_batch", too_late)
    assert {item.failure.reason for item in buy(unknown="hold")} == {"unknown"}
    assert not list(Submissions(tmp_path / "store").all())


@pytest.mark.parametrize("end", ["FAILED", "EXPIRED"])
def test_a_batch_that_made_nothing_is_asked_for_again(server, buy, tmp_path, end):
    server.change(batch_end=end)
    made = buy()
    assert {item.failure.reason for item in made} == {"failed"}
    assert len(server.stand.batches.batches) == 2, "once per try"
    server.change(batch_end="SUCCEEDED")
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)


def run(server, ask):
    """Start a provider, and return what it is asked for."""

    async def wait():
        provider = GeminiProvider(Connection(server.base_url, 20, "GEMINI_API_KEY"))
        try:
            return await ask(provider)
        finally:
            await provider.close()

    return asyncio.run(wait())


def test_a_canceled_batch_gives_what_is_done(server, tmp_path):
    async def ask(provider):
        lines = [provider.batch_line(f"c{n}", Recipe("gemini", PRO, f"p{n}", n)) for n in range(4)]
        path = tmp_path / "requests.jsonl"
        path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
        endpoint, _ = provider.batch_request(Recipe("gemini", PRO, "p", 0))
        created = await provider.create_batch(await provider.upload_batch(path), endpoint, {"a": "b"})
        while not server.calls:
            await asyncio.sleep(0.02)
        state = await provider.cancel_batch(created.id)
        while not state.is_over:
            await asyncio.sleep(0.02)
            state = await provider.poll_batch(created.id)
        return state, [one async for one in provider.batch_results(state.files[0])]

    server.change(batch_s=2.0)
    state, results = run(server, ask)
    assert (state.status, state.was_cancelled, state.n_all) == ("cancelled", True, 4)
    assert 0 < len(results) == state.n_done < 4
    assert state.expires_at > 0


def test_references_are_uploaded_once_before_the_lines_that_name_them(server, tmp_path):
    red = saved(Image.new("RGB", (8, 8), "red"), "PNG")
    recipe = Recipe("gemini", PRO, "p", 1, references=("d",))

    async def ask(provider):
        before = len(orjson.dumps(provider.batch_line("c", recipe)))
        await provider.upload_image("d", red)
        await provider.upload_image("d", red)
        return before, provider.batch_line("c", recipe)["request"]["contents"][0]["parts"]

    before, (image, text) = run(server, ask)
    (stored,) = server.stand.files.files.values()
    assert (stored.content, stored.mime_type) == (red, "image/png")
    assert server.stand.files.content_of(image["fileData"]["fileUri"]) == red
    assert text == {"text": "p"}
    assert before >= len(orjson.dumps([image, text])), "room is kept for the address before it is known"


@pytest.mark.parametrize("name", ["files/../models", "https://example.com/x", "", "files/a/b"])
def test_a_name_that_a_server_invents_leads_nowhere(server, name):
    async def ask(provider):
        return [one async for one in provider.batch_results(name)]

    with pytest.raises(ProviderError, match="no name of a file"):
        run(server, ask)


def test_outcomes_in_the_journal_are_those_of_the_results(server, buy, tmp_path):
    server.change(rules=(Rule(Behavior.NO_IMAGE, "p0"), Rule(Behavior.BAD_BASE64, "p1")))
    made = buy()
    assert [item.failure and item.failure.reason for item in made] == ["failed", "unreadable", None, None]
    found = {call.sent["name"]: call.outcome for call in journal(tmp_path)}
    assert found == {"p0": Outcome.FAILED, "p1": Outcome.UNREADABLE, "p2": Outcome.MADE, "p3": Outcome.MADE}
    check_books(server, tmp_path, 3)


@pytest.mark.parametrize(
    ("base_url", "location", "goes_on", "with_key"),
    [
        (None, "/v1beta/other", True, True),
        (None, "https://storage.googleapis.com/x", True, True),
        (None, "https://lh3.googleusercontent.com/x", True, False),
        (None, "https://example.com/x", False, False),
        (None, "http://storage.googleapis.com/x", False, False),
        (None, "http://169.254.169.254/", False, False),
        ("http://127.0.0.1:1/v1beta", "/x", True, True),
        ("http://127.0.0.1:1/v1beta", "http://127.0.0.1:2/x", False, False),
        ("http://127.0.0.1:1/v1beta", "https://storage.googleapis.com/x", False, False),
    ],
)
def test_a_download_is_redirected_within_google_or_its_own_server_only(
    monkeypatch, base_url, location, goes_on, with_key
):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    client = GeminiClient(Connection(base_url))
    try:
        target, own = client._redirected(f"{client.base}/files/x:download?alt=media", location)
    except ProviderError as error:
        assert "another server" in str(error)
        assert not goes_on
    else:
        assert (target.endswith(location), goes_on, own) == (True, True, with_key)
    finally:
        asyncio.run(client.close())
