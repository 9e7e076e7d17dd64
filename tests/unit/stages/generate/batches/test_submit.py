"""Half-price batches: what is submitted, what is paid, and what a crash leaves, against the stand-in."""

import asyncio
import os
import threading
import time
import urllib.request
from dataclasses import replace
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from fake_openai import BatchSettings, Settings

from imagemake.config.job_settings import JobSettings
from imagemake.config.run import Budget
from imagemake.core.files import FileLock
from imagemake.core.recipe import Recipe
from imagemake.core.sealed import parsed_sealed
from imagemake.plugins.providers import BatchFileLimits, FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.lines import lines_of
from imagemake.plugins.providers.openai.batch_state import refusal_in
from imagemake.plugins.providers.openai.batches import result_in
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.stages.generate.batches.follow import BatchPoller
from imagemake.stages.generate.calls import StoppedError
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome, calls_in, read_calls
from imagemake.store.journal_lines import line_of
from imagemake.store.layout import spending_file, stop_file
from imagemake.store.remote.storage import Storage
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store
from imagemake.store.submissions import Submission, Submissions, SubmissionStep
from imagemake.store.whole.leased_spending import NAME, LeasedSpendTracker


@pytest.fixture
def server(stand_in):
    stand_in.renew(Settings(any_size=True, batches=BatchSettings(duration_s=0.1)))
    return stand_in


@pytest.fixture
def buy(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")

    def run(
        n=4,
        mode="batch",
        limits=None,
        names="p",
        store="store",
        work=".",
        path="",
        name="gpt-image-2",
        hands_over=False,
        **job_settings,
    ):
        parameters = {"size": "64x64", "quality": "low"}
        recipes = [Recipe("openai", name, f"{names}{i}", 0, parameters, endpoint="here") for i in range(n)]
        items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new", hands_over=hands_over) for recipe in recipes]
        model = {"provider": "openai", "name": name, "base_url": server.base_url + path, "identity": "here"}
        model["key_from"] = "OPENAI_API_KEY"
        limits = {"first_wait_s": 0.02, "longest_wait_s": 0.1, **(limits or {})}
        given = JobSettings({"campaign": "c", "model": {**model, "mode": mode}, "limits": limits, **job_settings})
        return generate_for_job(items, given, job="j", calls=2, store=tmp_path / store, work=tmp_path / work)

    return run


@pytest.fixture
def started(monkeypatch):
    """How often a provider was started."""
    starts = []
    start = OpenAIProvider.__init__

    def counted(self, connection):
        starts.append(connection)
        start(self, connection)

    monkeypatch.setattr(OpenAIProvider, "__init__", counted)
    return starts


def journal(tmp_path):
    return list(read_calls(tmp_path / "store" / "journal"))


def after_two_images(patch, act):
    """Act once a batch has two images, given the provider and the batch's ID."""
    whole, acted = OpenAIProvider.poll_batch, []

    async def polled(self, batch):
        state = await whole(self, batch)
        if state.n_done == 2 and not acted:
            acted.append(await act(self, batch))
        return state

    patch.setattr(OpenAIProvider, "poll_batch", polled)


def check_books(server, tmp_path, n=4):
    told = sum(call.closed.get("cost_usd", 0) for call in journal(tmp_path) if call.closed)
    assert told == pytest.approx(server.totals().total_usd, abs=1e-6 * n)
    assert server.totals().billed_calls == n
    assert not list(Submissions(tmp_path / "store").all())


def test_a_batch_makes_every_image_at_half_the_price(server, buy, tmp_path):
    made = buy()
    assert all(item.raw for item in made)
    check_books(server, tmp_path)
    assert {call.sent["submission"] for call in journal(tmp_path)} != {None}
    assert all(call.closed["batch"].startswith("batch_") for call in journal(tmp_path))


@pytest.mark.parametrize("step", ["upload_batch", "create_batch", "poll_batch", "batch_results"])
@pytest.mark.parametrize("mode", ["batch", "sync"])
def test_a_run_that_dies_at_any_step_is_taken_up_and_pays_once(server, buy, tmp_path, monkeypatch, step, mode):
    whole = getattr(OpenAIProvider, step)

    async def dies(*args, **kwargs):
        await whole(*args, **kwargs)
        raise RuntimeError("killed")

    async def dies_in_the_middle(*args, **kwargs):
        async for result in whole(*args, **kwargs):
            yield result
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, step, dies_in_the_middle if step == "batch_results" else dies)
        with pytest.raises(RuntimeError, match="killed"):
            buy()
    waiting = [call.outcome for call in journal(tmp_path)].count(Outcome.WAITING)
    assert waiting == (3 if step == "batch_results" else 4)
    assert all(item.raw for item in buy(mode=mode))
    assert server.totals().billed_calls == 4
    assert not list(Submissions(tmp_path / "store").all())


@pytest.mark.parametrize("damage", ["torn", "zeroed", "flipped", "a list", "a folder"])
@pytest.mark.parametrize("step", ["upload_batch", "create_batch", "poll_batch"])
def test_a_damaged_submission_is_restored_from_the_journal_and_its_batch_is_paid_once(
    buy, server, tmp_path, monkeypatch, capsys, step, damage
):
    whole = getattr(OpenAIProvider, step)

    async def dies(*args, **kwargs):
        await whole(*args, **kwargs)
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, step, dies)
        with pytest.raises(RuntimeError, match="killed"):
            buy()
    (path,) = (tmp_path / "store" / "submissions").glob("*.json")
    content = path.read_bytes()
    call = next(iter(orjson.loads(content)["calls"])).encode()
    damaged = {"torn": content[:70], "zeroed": bytes(len(content)), "a list": b"[]", "a folder": b""}
    path.write_bytes(damaged.get(damage, content.replace(call, b"x" + call[1:])))
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    os.utime(path, (0, 0))  # the provider's list has it by now
    assert all(item.raw for item in buy())
    assert f"{path} was damaged, and is written again from the journal" in capsys.readouterr().err
    check_books(server, tmp_path)


def test_an_image_is_collected_although_the_journal_lost_its_call(buy, server, tmp_path, monkeypatch):
    async def dies(*_, **__):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "poll_batch", dies)
        with pytest.raises(RuntimeError, match="killed"):
            buy()
    (path,) = (tmp_path / "store" / "journal").glob("*/*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"attempt":0', b'"attempt":7', 2))
    assert len(journal(tmp_path)) == 2
    assert all(item.raw for item in buy())
    assert server.totals().billed_calls == 4


def test_what_an_expired_batch_made_is_kept_and_the_rest_is_submitted_again(server, buy, tmp_path, monkeypatch):
    async def expire(*_):
        server.change(batches={"expires_after_s": 0})

    server.change(batches={"duration_s": 0, "works_on": 2})
    with monkeypatch.context() as patch:
        after_two_images(patch, expire)
        made = buy(limits={"tries": 1})
    assert sum(item.raw is not None for item in made) == 2
    server.change(batches={"duration_s": 0.1})
    assert all(item.raw for item in buy())
    assert Outcome.FAILED in {call.outcome for call in journal(tmp_path)}
    check_books(server, tmp_path)


def test_a_key_is_known_to_be_in_a_batch_before_its_claim_is_looked_at(buy, tmp_path, monkeypatch):
    """Else a single call could begin between the two, and both would pay."""
    held, claim = [], Store.claim

    def claimed(store, key):
        held.append(Submissions(store.root).holds(key))
        return claim(store, key)

    monkeypatch.setattr(Store, "claim", claimed)
    assert all(item.raw for item in buy(n=2))
    assert held == [True, True]


def test_keys_are_chosen_by_one_job_at_a_time(buy, tmp_path):
    other = Submissions(tmp_path / "store").submitting()
    other.acquire()
    chosen = []

    def chooses():
        chosen.extend(Submissions(tmp_path / "store").all())
        other.release()

    timer = threading.Timer(0.5, chooses)
    timer.start()
    assert all(item.raw for item in buy(n=1))
    timer.join()
    assert chosen == []


def test_what_does_not_fit_into_the_budget_is_left_out_at_the_price_of_a_batch(server, buy, tmp_path):
    buy(n=1)
    worst = journal(tmp_path)[0].sent["worst_usd"]
    SpendTracker(spending_file(tmp_path), Budget()).open(Decimal(0))
    made = buy(n=4, budget_usd={"run": worst * 2.2})
    assert [item.failure.reason for item in made if item.failure] == ["budget"]
    check_books(server, tmp_path, 3)


def test_without_a_shared_disk_a_batch_gives_back_what_it_did_not_cost(buy, tmp_path, monkeypatch):
    bucket, budget = SimpleNamespace(claim=lambda key: FileLock(tmp_path / key)), Budget(run=9.0)
    place = Storage(f"memory://{tmp_path.name}", timeout_s=5)
    LeasedSpendTracker(place, bucket, budget, 1).open(Decimal(0))
    monkeypatch.setattr(
        "imagemake.stages.generate.job_means.spend_tracker_of",
        lambda store, work, budget, calls: LeasedSpendTracker(place, bucket, budget, calls),
    )
    assert all(item.raw for item in buy(n=1, budget_usd={"run": 9.0}))
    cost = sum(Decimal(str(call.closed["cost_usd"])) for call in journal(tmp_path))
    assert Decimal(parsed_sealed(place.get(NAME, 10_000))["run"]) == cost


def test_a_campaign_that_asks_a_provider_without_batches_is_told_so():
    with pytest.raises(ValueError, match="provider preview has no batch mode"):
        print(JobSettings({"model": {"mode": "batch"}}).model)


@pytest.mark.parametrize("line", [b"no json", b"[]", b"7", b"{}", b'{"custom_id": 7}', b"null"])
def test_a_line_that_is_no_result_is_a_warning(line):
    assert isinstance(result_in(line), str)


@pytest.mark.parametrize(
    ("response", "error", "failure"),
    [
        ({"status_code": 400, "body": {"error": {"code": "moderation_blocked"}}}, None, "refused"),
        ({"status_code": 500, "body": "?"}, None, "unavailable"),
        ({"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}, None, "quota"),
        (None, {"code": "batch_expired", "message": "late"}, "unavailable"),
        (None, None, "unavailable"),
        ({"status_code": 200, "body": {"data": []}}, None, "unreadable"),
    ],
)
def test_a_line_without_an_image_says_what_it_means(response, error, failure):
    result = result_in(orjson.dumps({"custom_id": "a", "response": response, "error": error}))
    assert isinstance(result.outcome, ProviderError)
    assert not isinstance(result.outcome, ImageResponse)
    assert result.outcome.failure == failure


def test_lines_are_split_wherever_the_chunks_end_and_one_that_is_too_long_is_left_out():
    async def split():
        async def chunks():
            for chunk in (b"a", b"b\nc\n", b"\nlong", b"long\nd", b"e\nlonglong"):
                yield chunk

        return [line async for line in lines_of(chunks(), 5)]

    assert asyncio.run(split()) == [b"ab", b"c", None, b"de", None]


def test_a_torn_journal_is_gone_on_with_and_loses_no_other_line(tmp_path):
    path = tmp_path / "j.jsonl"
    sent = {"event": "sent", "call": "a", "at": "2026-11-24T", "name": "n", "key": "k", "recipe": {"model": "m"}}
    path.write_bytes(line_of({**sent, "submission": "s"}) + b'{"event":"clo')
    assert calls_in(path)[0].outcome is Outcome.WAITING
    again = Journal(path.parent, "j", durable=True, path=path)
    again.closed("a", Outcome.MADE)
    again.close()
    assert calls_in(path)[0].outcome is Outcome.MADE


def test_a_quota_that_is_used_up_stops_the_job_with_what_to_do(buy, tmp_path, monkeypatch):
    async def refuses(*_):
        raise ProviderError("no money", FailureKind.STOP, remedy="Pay the bill.")

    monkeypatch.setattr(OpenAIProvider, "create_batch", refuses)
    with pytest.raises(StoppedError, match="no money") as stopped:
        buy()
    assert stopped.value.remedy == "Pay the bill."
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.FAILED}


def test_a_quota_that_is_used_up_ends_no_job_whose_images_another_model_can_make(buy, tmp_path, monkeypatch):
    asked = []

    async def refuses(*_):
        asked.append(1)
        raise ProviderError("no money", FailureKind.QUOTA, remedy="Pay the bill.")

    monkeypatch.setattr(OpenAIProvider, "create_batch", refuses)
    assert {item.failure.message for item in buy(hands_over=True)} == {"no money"}
    assert {call.closed["quota"] for call in journal(tmp_path)} == {True}
    buy(hands_over=True, names="q")
    assert len(asked) == 1, "the next job of the run does not ask"


def check_nothing_is_final(server, buy, tmp_path):
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.FAILED}
    assert not list(Submissions(tmp_path / "store").all())
    stop_file(tmp_path).unlink(missing_ok=True)  # as the next run does
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)


def test_a_wrong_address_stops_the_job_at_once_and_the_next_run_asks_again(server, buy, tmp_path):
    with pytest.raises(StoppedError, match="HTTP 404") as stopped:
        buy(path="/v3")
    assert "model.base_url" in stopped.value.remedy
    assert len(journal(tmp_path)) == 4, "it was tried again"
    check_nothing_is_final(server, buy, tmp_path)


def test_a_mistyped_model_stops_the_job_and_says_what_to_do(server, buy, tmp_path):
    with pytest.raises(StoppedError, match="gpt-imge-2") as stopped:
        buy(name="gpt-imge-2")
    assert "Correct model.name" in stopped.value.remedy
    assert len(journal(tmp_path)) == 4, "it was tried again"
    check_nothing_is_final(server, buy, tmp_path)


def test_a_file_that_fails_for_its_model_is_a_fault_of_the_configuration():
    failed = {"line": None, "code": "model_not_found", "message": "The model 'gpt-imge-2' does not exist"}
    error, _ = refusal_in({"errors": {"data": [failed]}})
    assert (error.failure, error.remedy.partition(" in ")[0]) == (FailureKind.CONFIGURATION, "Correct model.name")


def test_an_account_without_money_stops_the_job(server, buy, tmp_path):
    server.change(rules=[{"behavior": "billing_limit"}])
    with pytest.raises(StoppedError) as stopped:
        buy()
    assert "quota" in stopped.value.remedy
    server.change(rules=[])
    check_nothing_is_final(server, buy, tmp_path)


def test_a_server_that_is_down_ends_the_job_with_its_address(server, buy, tmp_path):
    server.stop()
    with pytest.raises(StoppedError, match=r"ConnectError.*127\.0\.0\.1"):
        buy(limits={"tries": 2})
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.FAILED}
    assert len(journal(tmp_path)) == 8


def test_a_file_that_is_refused_for_its_content_is_not_sent_again_by_the_same_run(server, buy, tmp_path, monkeypatch):
    async def refuses(*_):
        raise ProviderError("flagged", FailureKind.REFUSED, status=400)

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "upload_batch", refuses)
        assert {item.failure.message for item in buy()} == {"flagged"}
    assert len(journal(tmp_path)) == 4
    check_nothing_is_final(server, buy, tmp_path)


def left_out(buy, monkeypatch, **changes):
    """A batch that was submitted and polled once by a run that then died."""

    async def dies(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "poll_batch", dies)
        with pytest.raises(RuntimeError, match="killed"):
            buy(**changes)


def test_a_batch_that_the_provider_has_forgotten_ends_as_unknown_and_stops_nobody(server, buy, tmp_path, monkeypatch):
    left_out(buy, monkeypatch)

    async def not_found(*_):
        raise ProviderError("no such batch", FailureKind.REFUSED, status=404)

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "poll_batch", not_found)
        made = buy(mode="sync")
    assert all(item.raw for item in made)
    outcomes = [call.outcome for call in journal(tmp_path)]
    assert (outcomes.count(Outcome.UNKNOWN), outcomes.count(Outcome.MADE)) == (4, 4)
    assert not list(Submissions(tmp_path / "store").all())


def test_images_of_a_batch_that_nobody_asks_for_any_more_are_collected_too(server, buy, tmp_path, monkeypatch):
    left_out(buy, monkeypatch)
    asking = urllib.request.Request(server.base_url + "/batches", headers={"Authorization": "Bearer sk-stand-in"})
    while orjson.loads(urllib.request.urlopen(asking).read())["data"][0]["status"] != "completed":
        time.sleep(0.05)
    made = buy(names="q", n=1)
    assert made[0].raw
    assert [call.outcome for call in journal(tmp_path)].count(Outcome.MADE) == 5
    check_books(server, tmp_path, 5)


def test_a_batch_that_nobody_asks_for_and_that_is_not_over_keeps_nobody_waiting(server, buy, tmp_path, monkeypatch):
    server.change(batches={"works_on": 0})
    left_out(buy, monkeypatch)
    assert buy(names="q", n=1, mode="sync")[0].raw
    assert [call.outcome for call in journal(tmp_path)].count(Outcome.WAITING) == 4


def test_a_sync_run_leaves_alone_what_another_folder_has_in_a_batch(server, buy, tmp_path, monkeypatch):
    server.change(batches={"works_on": 0})
    left_out(buy, monkeypatch)
    monkeypatch.setattr(BatchPoller, "collect_open", nothing_to_collect)
    made = buy(mode="sync")
    assert {item.failure.reason for item in made} == {"waiting"}
    assert not [call for call in server.calls() if call.batch_id is None]


async def nothing_to_collect(*_):
    """As if the submission had been made after this run looked."""


@pytest.mark.parametrize("limits", [BatchFileLimits(lines=3), BatchFileLimits(size_bytes=660)])
def test_what_does_not_fit_into_one_file_goes_into_several(server, buy, tmp_path, monkeypatch, limits):
    sizes = []
    whole = OpenAIProvider.upload_batch

    async def measured(self, path):
        sizes.append((len(path.read_bytes().splitlines()), path.stat().st_size))
        return await whole(self, path)

    monkeypatch.setattr(OpenAIProvider, "upload_batch", measured)
    monkeypatch.setattr(OpenAIProvider, "file_limits", limits)
    assert all(item.raw for item in buy(n=7))
    assert len(sizes) == 3
    assert max(n for n, _ in sizes) <= limits.lines
    assert max(size for _, size in sizes) <= limits.size_bytes
    check_books(server, tmp_path, 7)
    assert not list(tmp_path.glob("store/submissions/*.jsonl"))


def dies_after(step):
    """A provider's step that a run does not survive."""
    whole = getattr(OpenAIProvider, step)

    async def dies(*args, **kwargs):
        await whole(*args, **kwargs)
        raise RuntimeError("killed")

    return dies


def test_a_batch_that_nobody_noted_is_found_on_a_later_page_of_a_list_that_lags(server, buy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "create_batch", dies_after("create_batch"))
        with pytest.raises(RuntimeError, match="killed"):
            buy()
    for n in range(3):  # newer than ours: the list shows them first
        buy(n=1, names=f"other{n}", store="another")
    server.change(batches={"page_size": 1, "list_lag_s": 3, "duration_s": 0.1})
    assert all(item.raw for item in buy(limits={"longest_wait_s": 5}))
    assert server.totals().billed_calls == 4 + 3
    assert not list(Submissions(tmp_path / "store").all())


def test_a_batch_that_was_never_created_ends_as_unknown_within_a_bound(server, buy, tmp_path, monkeypatch):
    async def lost(*_):
        raise ProviderError("cut", FailureKind.UNKNOWN)

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "create_batch", lost)
        made = buy(limits={"unknown": "hold"})
    assert {item.failure.reason for item in made} == {"unknown"}
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.UNKNOWN}
    assert not list(Submissions(tmp_path / "store").all())


def test_a_download_that_breaks_is_asked_for_again_and_loses_nothing(server, buy, tmp_path):
    server.change(batches={"cut_downloads": 3, "duration_s": 0.1})
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)
    assert len(journal(tmp_path)) == 4


def test_a_line_that_is_not_taken_holds_back_no_other_and_is_refused_for_this_run_only(server, buy, tmp_path):
    server.change(batches={"invalid_prompt": "^p2$", "duration_s": 0.1})
    made = buy()
    assert [item.failure.reason if item.failure else "made" for item in made] == ["made", "made", "failed", "made"]
    assert "body is not valid" in made[2].failure.message
    assert [call.sent["name"] for call in journal(tmp_path)].count("p2") == 1
    server.change(batches={"duration_s": 0.1})
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)


def test_a_file_that_is_refused_as_a_whole_is_not_submitted_again_in_this_run(server, buy, tmp_path, monkeypatch):
    request, upload = OpenAIProvider.batch_request, OpenAIProvider.upload_batch

    async def upload_nonsense(self, path):
        path.write_bytes(b"no json\n" * len(path.read_bytes().splitlines()))
        return await upload(self, path)

    monkeypatch.setattr(OpenAIProvider, "batch_request", lambda *args: ("/v1/images/edits", request(*args)[1]))
    monkeypatch.setattr(OpenAIProvider, "upload_batch", upload_nonsense)
    assert {item.failure.reason for item in buy(n=2)} == {"failed"}
    assert len(journal(tmp_path)) == 2


def test_a_full_queue_is_waited_for_and_counts_as_no_try(server, buy, tmp_path, monkeypatch):
    def work_on(poller, what):
        if "queue is full" in what:
            server.change(batches={"most_enqueued": 4, "duration_s": 0})

    server.change(batches={"most_enqueued": 4, "works_on": 0})
    left_out(buy, monkeypatch)
    monkeypatch.setattr(BatchPoller, "tell", work_on)
    made = buy(names="q", n=2, limits={"tries": 1})
    assert all(item.raw for item in made)
    check_books(server, tmp_path, 6)


def test_a_full_queue_that_nothing_of_ours_fills_ends_with_what_the_provider_says(server, buy, tmp_path):
    server.change(batches={"most_enqueued": 2})
    made = buy(limits={"tries": 2})
    assert {item.failure.message.partition(" reached")[0] for item in made} == {"Enqueued token limit"}
    assert len(journal(tmp_path)) == 8


@pytest.mark.parametrize("tells_cancelled", [True, False])
def test_what_a_cancelled_batch_did_not_make_is_free_and_not_asked_for_again_by_the_same_run(
    server, buy, tmp_path, monkeypatch, tells_cancelled
):
    server.change(batches={"duration_s": 0, "works_on": 2, "tells_cancelled": tells_cancelled})
    with monkeypatch.context() as patch:
        after_two_images(patch, OpenAIProvider.cancel_batch)
        made = buy()
    assert [item.failure.reason for item in made if item.failure] == ["failed"] * 2
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.MADE, Outcome.FAILED}
    assert len(journal(tmp_path)) == 4
    server.change(batches={"duration_s": 0.1})
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)


def test_two_folders_that_share_a_store_pay_once_and_both_get_every_image(server, buy, tmp_path):
    server.change(batches={"duration_s": 1})

    def run(folder):
        os._exit(sum(item.raw is not None for item in buy(work=folder)))

    both = [get_context("fork").Process(target=run, args=(folder,)) for folder in ("a", "b")]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [4, 4]
    check_books(server, tmp_path)


def test_a_provider_is_started_once_also_where_a_sync_run_collects_first(buy, tmp_path, monkeypatch, started):
    left_out(buy, monkeypatch)
    started.clear()
    assert all(item.raw for item in buy(mode="sync", n=6))
    assert len(started) == 1


def test_a_state_file_that_has_not_changed_is_read_once_for_all_items(tmp_path, monkeypatch):
    submissions = Submissions(tmp_path)
    submission = Submission("s", SubmissionStep.CREATED, "openai", None, "m", "j", {"c": "k"}, "2026-11-24T00:00:00Z")
    submissions.save(submission)
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
    assert [submissions.holds(key) for key in ("k", "l", "k")] == [True, False, True]
    assert len(reads) == 1
    submissions.save(replace(submission, calls={"c": "l"}))
    assert [submissions.holds(key) for key in ("k", "l")] == [False, True]
    submissions.remove(submission)
    assert not submissions.holds("l")


def test_images_of_a_batch_that_are_at_urls_are_fetched(server, buy, tmp_path):
    server.change(url_status=200)
    assert all(item.raw for item in buy())
    check_books(server, tmp_path)
    assert not list(tmp_path.glob("store/unreadable/*"))


@pytest.mark.parametrize("mode", ["batch", "sync"])
def test_images_of_a_batch_that_did_not_come_are_read_by_the_next_job(server, buy, tmp_path, monkeypatch, mode):
    monkeypatch.setattr("imagemake.plugins.providers.http.download.WAITS_S", ())
    server.change(url_status=500)
    with pytest.raises(StoppedError, match="HTTP 500"):
        buy()
    assert {call.outcome for call in journal(tmp_path)} == {Outcome.UNREADABLE}
    stop_file(tmp_path).unlink()
    assert {item.failure.reason for item in buy(mode=mode)} == {"unreadable"}, "it waits for them"
    server.change(url_status=200)
    assert all(item.raw for item in buy(mode=mode))
    check_books(server, tmp_path)
    assert {call.closed["batch"][:6] for call in journal(tmp_path)} == {"batch_"}
    assert all(call.closed["request_id"] for call in journal(tmp_path))
