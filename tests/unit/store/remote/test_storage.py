"""Places by their address: which are refused, what is asked, and what trouble is called."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from s3_proxy import an_s3_proxy
from s3_server import an_s3_server

from imagemake.config.campaign import load_campaign
from imagemake.config.remotes import fault_of_address
from imagemake.core.problems import UserError
from imagemake.store.remote.errors import PlaceError, Trouble, in_words
from imagemake.store.remote.storage import ListedObject, Storage

CAMPAIGN = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory):
    with an_s3_server(tmp_path_factory.mktemp("s3"), "bucket") as running:
        yield running


@pytest.fixture
def here(s3, monkeypatch: pytest.MonkeyPatch):
    def enter(**changes: str) -> None:
        for name, value in s3.environment(**changes).items():
            monkeypatch.setenv(name, value)

    enter()
    return enter


@pytest.mark.parametrize(
    "address", ["s3://bucket", "s3://bucket/a/b", "gs://b/x", "file:///mnt/team", "memory://x", "s3://bucket/ä b"]
)
def test_places_have_addresses(address):
    assert fault_of_address(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "empty"),
        ("bucket/prefix", "scheme"),
        ("./team", "absolute path of a folder"),
        ("//host/team", "scheme"),
        ("s3://", "no bucket"),
        ("s3://AKIA1:secret@bucket/x", "secrets"),
        ("https://host/x?token=secret", "secrets"),
        ("s3://bucket/a/../b", "contains '..'"),
        ("simplecache::s3://bucket", "chained"),
        ("file://mnt/team", "absolute path"),
        ("file:///", "absolute path"),
        ("s3://buck\net/x", "control"),
        ("s3://[bucket", "not an address"),
    ],
)
def test_what_is_no_address_or_holds_a_secret_is_refused_in_words(address, why):
    what, remedy = fault_of_address(address)
    assert why in what + remedy
    with pytest.raises(UserError) as refused:
        load_campaign({**CAMPAIGN, "store": {"remote": address or "?"}})
    assert "secret@" not in str(refused.value)
    assert "token=secret" not in str(refused.value)


def test_a_folder_can_be_written_as_its_path(tmp_path):
    campaign = load_campaign({**CAMPAIGN, "store": {"remote": f" {tmp_path}/team/ "}, "publish": {"url": "/srv/shop"}})
    assert campaign.store.remote == f"file://{tmp_path}/team"
    assert campaign.publish.url == "file:///srv/shop"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_has_a_fault(text):
    fault = fault_of_address(text)
    assert fault is None or all(fault)


@pytest.mark.parametrize("kind", ["s3", "memory", "file"])
def test_what_is_put_is_listed_fetched_and_deleted(kind, here, tmp_path: Path):
    places = {"s3": "s3://bucket/p", "memory": f"memory://{tmp_path.name}/p", "file": f"file://{tmp_path}/p"}
    place = Storage(places[kind], timeout_s=20)
    assert (place.get("x", 9), place.list(), place.list("sub")) == (None, {}, {})
    place.put("sub/é x.jpg", b"hello", "image/jpeg", "no-cache")
    place.put("other", b"", "text/plain")
    assert place.get("sub/é x.jpg", 9) == b"hello"
    assert place.get("other", 9) == b""
    assert place.get("sub/é x.jpg", 3) == b"hell", "one more than asked for tells that it is larger"
    listed = place.list()
    assert {name: one.bytes for name, one in listed.items()} == {"sub/é x.jpg": 5, "other": 0}
    assert place.list("sub") == {"sub/é x.jpg": listed["sub/é x.jpg"]}
    assert (listed["other"].etag is not None) == (kind == "s3")
    place.put("other", lambda: iter((b"sec", b"ond")), "text/plain")
    assert place.get("other", 9) == b"second"
    for _ in range(2):
        place.delete("sub/é x.jpg")
        place.delete("other")
    assert place.list() == {}


def test_a_folder_holds_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def dies(*args: object) -> None:
        raise OSError("killed")

    place = Storage(f"file://{tmp_path}/p", timeout_s=5, tries=1)
    monkeypatch.setattr("imagemake.core.files.os.replace", dies)
    with pytest.raises(PlaceError):
        place.put("a", b"hello", "text/plain")
    assert place.list() == {}


@pytest.mark.parametrize(
    ("address", "changes", "trouble", "words"),
    [
        ("s3://bucket/p", {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, Trouble.DENIED, "denied"),
        ("s3://bucket/p", {"AWS_ACCESS_KEY_ID": "nobody-known"}, Trouble.DENIED, "denied"),
        ("s3://bucket/p", {"AWS_PROFILE": "nobody"}, Trouble.DENIED, "no credentials"),
        ("s3://no-such-bucket/p", {}, Trouble.MISSING, "bucket or folder does not exist"),
        ("s3://bucket/p", {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, Trouble.UNREACHABLE, "unreachable"),
        (
            "s3://bucket/p",
            {"AWS_ENDPOINT_URL_S3": "http://me:pass-word@127.0.0.1:9"},
            Trouble.UNREACHABLE,
            "unreachable",
        ),
        ("s3://bucket/p", {"AWS_ENDPOINT_URL_S3": "s3.example.com"}, Trouble.MISSPELLED, "Invalid endpoint"),
        ("nobody-speaks-it://bucket/p", {}, Trouble.UNKNOWN_KIND, "no installed package supports this address"),
    ],
)
def test_trouble_is_told_in_words_with_a_remedy_and_without_a_secret(here, address, changes, trouble, words):
    here(**changes)
    for ask in (lambda place: place.put("x", b"1", "text/plain"), lambda place: place.list()):
        with pytest.raises(PlaceError, match=words) as told:
            ask(Storage(address, timeout_s=10, tries=1))
        assert told.value.trouble is trouble
        assert told.value.remedy
        assert not any(secret and secret in str(told.value) for secret in ("not-the-secret", "pass-word"))


def test_a_server_that_does_not_answer_is_given_up_and_a_full_one_is_called_full(s3, here):
    with an_s3_proxy(s3.endpoint) as proxy:
        here(AWS_ENDPOINT_URL_S3=proxy.endpoint)
        proxy.delay_s = 3
        with pytest.raises(PlaceError, match="no response in time"):
            Storage("s3://bucket/p", timeout_s=0.3, tries=1).put("x", b"1", "text/plain")
        proxy.delay_s, proxy.refusal = 0, lambda: 507
        with pytest.raises(PlaceError) as told:
            Storage("s3://bucket/p", timeout_s=10, tries=1).put("x", b"1", "text/plain")
        assert told.value.trouble is Trouble.FULL


def test_what_passes_is_tried_again_and_what_does_not_is_not(monkeypatch):
    place = Storage("memory://tries", timeout_s=1, tries=3)
    asked = []

    def fail_twice(error: Exception) -> None:
        def cat_file(*_, **__) -> bytes:
            asked.append(1)
            if len(asked) < 3:
                raise error
            return b"7"

        monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)

    fail_twice(TimeoutError())
    assert place.get("x", 9) == b"7"
    asked.clear()
    fail_twice(PermissionError("no"))
    with pytest.raises(PlaceError, match="denied"):
        place.get("x", 9)
    assert len(asked) == 1


def test_one_failure_ends_what_was_not_begun():
    place = Storage("memory://each", timeout_s=1, parallel=2)
    begun, first = [], threading.Event()

    def do(number: int) -> None:
        begun.append(number)
        if number == 0:
            first.set()
            raise PlaceError(Trouble.FULL, "x", "full")
        first.wait(5)
        time.sleep(0.01)  # a thousand of these take longer than whoever ends it needs to look

    with pytest.raises(PlaceError):
        place.each(do, range(1000))
    assert len(begun) < 1000


def test_a_message_that_holds_a_secret_is_hidden():
    assert "pass-word" not in str(in_words(ConnectionError("no way to http://me:pass-word@host/x"), "s3://b"))


def test_a_message_that_quotes_a_known_secret_is_told_without_it(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    told = str(in_words(OSError("signature of wJalrXUtnFEMI/K7MDENG is wrong"), "s3://b"))
    assert told == "s3://b: signature of [secret] is wrong", "the secret is told"


@given(st.text(max_size=400))
def test_a_message_is_one_short_printable_line(text):
    told = str(in_words(ValueError(text), "s3://b"))
    assert told.isprintable()
    assert len(told) < 400


def test_neither_a_campaign_without_a_place_nor_one_with_places_imports_what_speaks_to_them():
    program = (
        "import sys; from imagemake.config.campaign import load_campaign; import imagemake.workflow.planner;"
        f"load_campaign({CAMPAIGN!r} | dict(store=dict(remote='s3://b/x'), publish=dict(url='s3://b/y')));"
        "assert not {'fsspec', 's3fs', 'botocore', 'aiohttp', 'pyarrow'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_process_that_spoke_to_s3_can_still_start_others(here):
    Storage("s3://bucket/p", timeout_s=20).put("x", b"1", "text/plain")
    done = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True)
    assert done.stdout == b"1\n"
    assert Storage("s3://bucket/p", timeout_s=20).list()["x"] == ListedObject(1, "c4ca4238a0b923820dcc509a6f75849b")


def test_a_storage_that_is_let_go_within_an_event_loop_leaves_no_task_behind(here):
    here()
    told = []

    async def like_snakemake():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))
        await asyncio.to_thread(lambda: Storage("s3://bucket/p", timeout_s=20).get("nothing", 9))
        gc.collect()
        await asyncio.sleep(0.2)
        gc.collect()

    asyncio.run(like_snakemake())
    gc.collect()
    assert told == []
