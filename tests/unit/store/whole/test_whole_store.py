"""A store in a bucket: jobs that share nothing else pay once per key, and a bucket in trouble stops them first.

The server is rclone, which knows no conditional writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from fake_openai import FakeOpenAI, Settings
from folders import TESTS
from s3_proxy import an_s3_proxy
from s3_server import S3Server, an_s3_server

from imagemake.cli.main import main
from imagemake.config.job_settings import JobSettings
from imagemake.config.remotes import SharedStore
from imagemake.core.recipe import Recipe
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.answers import AnswerStore, KeptAnswers, answer_key
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.open_calls import OpenCalls
from imagemake.store.remote.errors import PlaceError
from imagemake.store.store import Store
from imagemake.store.stored_file import StoredFile
from imagemake.store.whole import liveness, whole_store
from imagemake.store.whole.attaching import attached
from imagemake.store.whole.copying import copy_both_ways
from imagemake.store.whole.whole_store import WholeStore
from imagemake.workflow.job_store import store_for_job

CALLS = 4


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with an_s3_server(tmp_path_factory.mktemp("s3"), "ours") as running:
        yield running


@pytest.fixture
def address(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new store in the bucket."""
    for name, value in s3.environment(OPENAI_API_KEY="sk-stand-in").items():
        monkeypatch.setenv(name, value)
    return f"s3://ours/{tmp_path.name}"


@pytest.fixture
def server(stand_in: FakeOpenAI) -> FakeOpenAI:
    stand_in.renew(Settings(any_size=True))
    return stand_in


def settings(server: FakeOpenAI, address: str) -> JobSettings:
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "here"}
    return JobSettings(
        {
            "campaign": "c",
            "model": {**model, "key_from": "OPENAI_API_KEY"},
            "limits": {"first_wait_s": 0.02, "longest_wait_s": 0.1},
            "store": {"remote": address, "share": "everything", "timeout_s": 60},
        }
    )


def items(n: int, first: int = 0) -> list[Item]:
    parameters = {"size": "64x64", "quality": "low"}
    recipes = [
        Recipe("openai", "gpt-image-2", f"p{i}", 0, parameters, endpoint="here") for i in range(first, first + n)
    ]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


def generate(folder: Path, given: JobSettings, wanted: list[Item]) -> list[Item]:
    """Generate as a job does that finds an empty folder."""
    store = folder / "store"
    with store_for_job(given.store, store, folder / "work", "j", wanted):
        return generate_for_job(wanted, given, job="j", calls=CALLS, store=store, work=folder / "work")


def generate_elsewhere(folder: Path, server: FakeOpenAI, address: str, n: int, first: int = 0):
    """Start such a job in a process of its own."""
    arguments = [str(folder), server.base_url, address, str(n), str(first)]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, __file__, *arguments], env=environment, stderr=subprocess.PIPE)


def copied(folder: Path, given: JobSettings) -> Store:
    """The store, as it is copied to where nobody was before."""
    with attached(given.store, folder / "store", "copy", writes=False) as whole:
        copy_both_ways(whole, sends=False)
    return Store(folder / "store")


def test_jobs_that_share_only_a_bucket_pay_once_for_each_key_and_one_that_joins_later_pays_for_nothing(
    server, address, tmp_path
):
    given = settings(server, address)
    server.renew(Settings(any_size=True, latency_s=0.2))
    jobs = [generate_elsewhere(tmp_path / name, server, address, 12, first) for name, first in (("ann", 0), ("bob", 4))]
    wait_until(lambda: server.totals().billed_calls >= 2)
    jobs.append(generate_elsewhere(tmp_path / "eve", server, address, 16))
    for job in jobs:
        _, told = job.communicate(timeout=60)
        assert job.returncode == 0, told.decode()
    billed = server.totals().billed_by_prompt
    assert len(billed) == 16
    assert set(billed.values()) == {1}

    made = generate(tmp_path / "dan", given, items(16))
    assert all(item.raw for item in made)
    assert not list((tmp_path / "dan").rglob("*.png")), "it is enough to know that they are there"
    assert server.totals().billed_calls == 16
    calls = list(read_calls(copied(tmp_path / "all", given).journal_folder))
    assert Counter(call.outcome for call in calls) == {Outcome.MADE: 16}


def test_a_killed_job_loses_only_calls_in_flight_and_the_bucket_has_the_record_of_each(
    server, address, tmp_path, s3, monkeypatch
):
    given = settings(server, address)
    server.renew(Settings(any_size=True, latency_s=0.4))
    job = generate_elsewhere(tmp_path / "killed", server, address, 16)
    images = lambda: [name for name in s3.objects("ours") if f"{tmp_path.name}/raw/" in name]  # noqa: E731
    wait_until(lambda: len(images()) >= 5)
    job.kill()
    job.communicate()
    server.wait_until_idle()
    kept = set(images())
    unknown = [call for call in read_calls(copied(tmp_path / "seen", given).journal_folder) if call.closed is None]
    assert len(unknown) <= CALLS
    assert server.totals().billed_calls <= len({call.sent["key"] for call in unknown} | keys_of(kept))

    monkeypatch.setattr(liveness, "BEAT_S", 0.5)
    monkeypatch.setattr(liveness, "DEAD_S", 3.0)  # else its claims count for two minutes
    made = generate(tmp_path / "next", given, items(16))
    assert all(item.raw for item in made)
    billed = server.totals().billed_by_prompt
    assert len(billed) == 16
    assert sum(billed.values()) - 16 <= len(unknown) <= CALLS
    assert kept <= set(images())


def keys_of(names) -> set[str]:
    return {name.rpartition("/")[2].partition(".")[0] for name in names}


def test_a_claim_is_held_by_one_and_goes_when_its_process_is_silent(address, tmp_path, monkeypatch):
    ones = [WholeStore(address, 5, tmp_path / str(n), f"j{n}") for n in range(2)]
    for one in ones:
        one.begin()
    first, second = ones[0].claim("k"), ones[1].claim("k")
    assert first.acquire()
    assert not second.acquire(wait=False)
    second = ones[1].claim("k")
    monkeypatch.setattr(liveness, "DEAD_S", 0.5)
    time.sleep(2)  # of the server's clock, which has whole seconds
    ones[1].begin()
    assert second.acquire(wait=False), "its process has not told for too long that it works"
    for one in ones:
        one.close()
    assert not ones[0].storage.list("alive")


@pytest.mark.parametrize("lag_s", [0, 2])
def test_two_that_find_each_other_both_try_until_each_had_the_claim(address, s3, tmp_path, monkeypatch, lag_s):
    with an_s3_proxy(s3.endpoint) as proxy:
        if lag_s:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
            proxy.lag_s = lag_s
        claim_at_once(address, tmp_path)


def claim_at_once(address, tmp_path):
    ones = [WholeStore(address, 5, tmp_path / str(n), f"j{n}") for n in range(4)]
    within, most, order = [0], [0], []

    def work(one):
        one.begin()
        claim = one.claim("k")
        claim.acquire()
        within[0] += 1
        most[0] = max(most[0], within[0])
        time.sleep(0.2)
        within[0] -= 1
        order.append(one)
        claim.release()
        one.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in ones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(order) == 4


@pytest.mark.parametrize("trouble", ["wrong secret", "no bucket", "nobody there"])
def test_a_bucket_that_cannot_be_used_stops_a_job_before_it_pays(server, address, tmp_path, monkeypatch, trouble):
    monkeypatch.setattr(whole_store, "TRIES", 1)
    given = settings(server, address if trouble != "no bucket" else "s3://not-there/store")
    if trouble == "wrong secret":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses")
    if trouble == "nobody there":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(PlaceError) as stopped:
        generate(tmp_path / "a", given, items(3))
    assert stopped.value.remedy
    assert "somebody-elses" not in stopped.value.in_words()
    assert server.totals().billed_calls == 0


@pytest.mark.parametrize(("status", "words"), [(507, "full"), (403, "AccessDenied")])
def test_a_bucket_that_takes_no_more_stops_the_job_and_loses_no_image_that_is_here(
    server, address, s3, tmp_path, monkeypatch, status, words
):
    monkeypatch.setattr(whole_store, "PATIENCE_S", 0.5)
    monkeypatch.setattr(whole_store, "PAUSE_S", 0.1)
    given = settings(server, address)
    with an_s3_proxy(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        proxy.refusal = lambda: status if server.totals().billed_calls >= 3 else 0
        with pytest.raises(PlaceError, match=words):
            generate(tmp_path / "a", given, items(20))
        paid = server.totals().billed_calls
        assert 3 <= paid <= 3 + CALLS, "no call started after the bucket refused"
        proxy.refusal = lambda: 0
        with attached(given.store, tmp_path / "a" / "store", "run") as whole:
            copy_both_ways(whole)
        assert all(item.raw for item in generate(tmp_path / "b", given, items(20)))
        assert server.totals().billed_calls == 20, "the copy had what the bucket lacked"


def test_a_bucket_whose_reads_begin_to_be_denied_stops_the_job_and_has_each_image_that_was_paid_for(
    server, address, s3, tmp_path, monkeypatch
):
    given = settings(server, address)
    server.renew(Settings(any_size=True, latency_s=0.2))
    with an_s3_proxy(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        proxy.on_put = lambda: setattr(proxy, "denies_reads", server.totals().billed_calls >= 3)
        with pytest.raises(PlaceError) as stopped:
            generate(tmp_path / "a", given, items(20))
        told = stopped.value.in_words()
        assert told.startswith(f"{address}: listing "), told
        assert "denied: " in told and told.endswith(" It needs s3:ListBucket."), told
        server.wait_until_idle()
        paid = server.totals().billed_calls
        assert 3 <= paid <= 3 + CALLS, "no call started after reads were denied"
        proxy.on_put, proxy.denies_reads = lambda: None, False
        calls = list(read_calls(copied(tmp_path / "seen", given).journal_folder))
        assert Counter(call.outcome for call in calls) == {Outcome.MADE: paid}, "writes went on"
        assert all(item.raw for item in generate(tmp_path / "b", given, items(20)))
    assert server.totals().billed_calls == 20


def test_a_slow_bucket_costs_time_and_nothing_else(server, address, s3, tmp_path, monkeypatch):
    with an_s3_proxy(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        proxy.delay_s = 0.3
        assert all(item.raw for item in generate(tmp_path / "a", settings(server, address), items(4)))
    assert server.totals().billed_calls == 4


def test_wrong_bytes_are_noticed_kept_aside_and_never_used(server, address, s3, tmp_path, capfd):
    given = settings(server, address)
    (made,) = generate(tmp_path / "a", given, items(1))
    name = f"{address.removeprefix('s3://ours/')}/raw/{made.raw.place}"
    with attached(given.store, tmp_path / "a" / "store", "test") as whole:
        whole.storage.put(name.partition("/")[2], b"something else", "image/png")
    store = copied(tmp_path / "b", given)
    assert store.raw.find(made.key) is None
    assert "does not match its digest" in capfd.readouterr().err
    generate(tmp_path / "c", given, items(1))
    assert server.totals().billed_calls == 2
    assert copied(tmp_path / "d", given).raw.find(made.key) is not None, "the new image, which has the same name or not"


def test_the_copy_gets_the_journal_whatever_parts_it_has_and_sends_what_only_it_has(address, tmp_path):
    given = SharedStore(remote=address, share="everything")
    root = tmp_path / "a" / "store"
    with attached(given, root, "j") as whole:
        journal = Journal(root / "journal", "j", durable=True)
        calls = [journal.sent(key=f"k{n}", worst_usd=1.0) for n in range(3)]
        assert len(whole.storage.list("journal")) == 3
        half = tmp_path / "half"
        with attached(given, half, "k") as other:
            copy_both_ways(other)
            assert len(list(read_calls(half / "journal"))) == 3
            journal.closed(calls[0], Outcome.FAILED)
            journal.close()
            assert len(whole.storage.list("journal")) == 1
            copy_both_ways(other)
            assert sum(call.closed is not None for call in read_calls(half / "journal")) == 1
        assert journal.path.read_bytes() == next((half / "journal").glob("*/*")).read_bytes()

        # A process that continues the file where it was copied, and one that was killed while the bucket was away.
        path = next((half / "journal").glob("*/*"))
        with attached(given, half, "k") as other:
            later = Journal(path.parent, "k", durable=True, path=path)
            later.closed(calls[1], Outcome.FAILED)
            later.close()
        alone = Journal(path.parent, "k", durable=True, path=path)
        alone.closed(calls[2], Outcome.FAILED)
        alone.close()
        path.write_bytes(path.read_bytes() + b'{"event":"clo')
        with attached(given, half, "k") as other:
            copy_both_ways(other)
        copy_both_ways(whole)
    for folder in (root, half):
        assert all(call.closed is not None for call in read_calls(folder / "journal"))


def test_a_job_elsewhere_finds_answers_about_its_images_and_the_calls_that_wait_in_a_queue(address, tmp_path):
    given = SharedStore(remote=address, share="everything")
    here, there = tmp_path / "a" / "store", tmp_path / "b" / "store"
    (item,) = items(1)
    raw = StoredFile(item.key, "d" * 64, "png")
    content = orjson.dumps({"asked": {}, "answers": [{"q": "yes"}], "image": raw.digest})
    with attached(given, here, "j"):
        AnswerStore(here).raw.put(answer_key(raw.digest, item.recipe), content, durable=True)
        AnswerStore(here).raw.put(answer_key("e" * 64, item.recipe), content, durable=True)
        journal = Journal(here / "journal", "j", durable=True)
        OpenCalls(here).begin(item.key, journal.path)
        call = journal.sent(key=item.key, recipe=item.recipe.as_dict(), worst_usd=1.0)
        journal.submitted(call, key=item.key, ticket={"id": "t"})
    with store_for_job(given, there, tmp_path / "b" / "work", "k", [item, replace(item, raw=raw)], asks=True):
        assert [one["answers"] for one in KeptAnswers(there).about(raw.digest)] == [[{"q": "yes"}]]
        assert len(list(there.glob("answers/*/*"))) == 1, "and not those about other images"
        found = OpenCalls(there).find(item.key)
        assert found is not None
        assert found.ticket == {"id": "t"}
        later = Journal(found.journal.parent, "k", durable=True, path=found.journal)
        later.closed(call, Outcome.FAILED, key=item.key)
        later.close()
        OpenCalls(there).end(item.key)
    with attached(given, here, "j") as whole:
        assert copy_both_ways(whole).brought == 1
    assert OpenCalls(here).all() == []
    assert next(iter(read_calls(here / "journal"))).closed is not None


def test_share_brings_the_whole_store_to_a_new_folder_and_sends_an_old_one(
    server, address, tmp_path, monkeypatch, capsys
):
    given = settings(server, address)
    (made,) = generate(tmp_path / "a", given, items(1))
    folder = tmp_path / "b"
    (folder / "config").mkdir(parents=True)
    config = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "n", "model": {"provider": "preview"}}
    config["model"]["name"] = "preview-1"
    (folder / "config" / "config.yaml").write_bytes(orjson.dumps({**config, "store": dict(given.store)}))
    monkeypatch.chdir(folder)
    own = Store(Path("store")).raw.put("f" * 64, b"paid for before", durable=True)
    with pytest.raises(SystemExit) as ended:
        main(["share"])
    assert not ended.value.code
    assert "1 sent there" in capsys.readouterr().out
    assert Store(Path("store")).raw.read(made.raw)
    assert copied(tmp_path / "c", given).raw.read(own) == b"paid for before"


def wait_until(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


if __name__ == "__main__":
    _, folder, base_url, address, n, first = sys.argv
    given = settings(SimpleNamespace(base_url=base_url), address)
    made = generate(Path(folder), given, items(int(n), int(first)))
    sys.exit(0 if all(item.raw for item in made) else f"{[item.failure for item in made]}")
