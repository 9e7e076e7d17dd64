"""What was paid for finds a place, whatever the store's disk refuses, and the next run has it without another call."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import threading
import time

import pytest

from imagemake.config.job_settings import JobSettings
from imagemake.config.run import Budget, Limits
from imagemake.core import files
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, Provider, ProviderError
from imagemake.stages.generate import keeping
from imagemake.stages.generate.calls import CallRunner, ToldToStopError
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.stages.generate.stoppable import generate_batch
from imagemake.store.fallback import VARIABLE, KeptElsewhereError, kept_elsewhere, take_back
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.room import Room
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store

QUICK = Limits(first_wait_s=0.001, longest_wait_s=0.002, tries=3)


class Disk:
    """Refuses to write below some folders while it is told to."""

    def __init__(self, monkeypatch, *folders):
        self.number = None
        self.when_refusing = lambda: None
        self.folders = folders
        write, append = files.writing, Journal._append

        def refuse(path):
            if (number := self.number) and any(path.is_relative_to(folder) for folder in self.folders):
                self.when_refusing()
                raise OSError(number, os.strerror(number), str(path))

        def writing(path, **options):
            refuse(path)
            return write(path, **options)

        def append_records(journal, *records):
            refuse(journal.path)
            append(journal, *records)

        monkeypatch.setattr(files, "writing", writing)
        monkeypatch.setattr(Journal, "_append", append_records)


class Filling(Provider):
    """A provider during whose calls the disk fills."""

    paid = True

    def __init__(self, disk, number, outcome=None, wait_s=0.01):
        super().__init__(Connection())
        self.disk, self.number, self.outcome, self.wait_s = disk, number, outcome, wait_s
        self.calls = 0

    async def generate(self, recipe):
        self.calls += 1
        await asyncio.sleep(self.wait_s)
        self.disk.number = self.number
        if self.outcome is not None:
            raise self.outcome
        return ImageResponse(image=f"image of {recipe.prompt}".encode(), more=(b"another",), request_id="req_1")

    async def close(self):
        pass


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "WAITS_S", (0.0, 0.01))
    monkeypatch.setattr(keeping, "EVERY_S", 0.01)
    monkeypatch.setattr(keeping, "HELD_TIMES", 3)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "elsewhere"


@pytest.fixture
def disk(tmp_path, monkeypatch):
    return Disk(monkeypatch, tmp_path / "store")


def items(*prompts):
    recipes = [Recipe("openai", "m", prompt, 0) for prompt in prompts]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


def buy(tmp_path, provider, given, grace_s=5.0):
    async def inside():
        gate = Gate(4, SharedPace(tmp_path / "pace.json", QUICK))
        journal = Journal(tmp_path / "store" / "journal", "job", durable=True)
        store, spend_tracker = Store(tmp_path / "store"), SpendTracker(tmp_path / "spending.json", Budget())
        room = Room((store.root, tmp_path), 4)
        caller = Caller(provider, store, journal, QUICK, gate, spend_tracker, "c", lambda _: None, room=room)
        return await generate_batch([(CallRunner(caller), given)], 4, grace_s)

    return asyncio.run(inside())


REFUSALS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EMFILE, errno.EIO]


@pytest.mark.parametrize("number", REFUSALS)
def test_answers_that_arrive_on_a_disk_that_refuses_are_kept_elsewhere_and_taken_by_the_next_run(
    tmp_path, store, disk, elsewhere, number
):
    provider, given = Filling(disk, number), items("a", "b")
    with pytest.raises(KeptElsewhereError, match=f"What arrived is kept in {elsewhere}/"):
        buy(tmp_path, provider, given)
    assert store.raw.index() == {}
    assert [call.outcome for call in read_calls(store.journal_folder)] == [Outcome.UNKNOWN] * 2
    disk.number = None

    # A job on another machine of a cluster has no plan that takes it.
    made = generate_for_job(given, JobSettings({}), job="generate-1", calls=2, store=store.root, work=tmp_path / "work")

    assert [store.raw.read(item.raw) for item in made] == [b"image of a", b"image of b"]
    assert [call.outcome for call in read_calls(store.journal_folder)] == [Outcome.MADE] * 2
    assert all(call.closed["request_id"] == "req_1" for call in read_calls(store.journal_folder))
    assert [path.read_bytes() for path in (store.root / "more").iterdir()] == [b"another"] * 2
    assert provider.calls == 2
    assert kept_elsewhere(store.root) == []
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("refused", [("store",), ("store/raw",), ("store/journal",)])
def test_a_project_that_was_moved_meanwhile_finds_what_was_kept_elsewhere_and_a_copy_takes_nothing(
    tmp_path, store, disk, elsewhere, refused
):
    disk.folders = [tmp_path / folder for folder in refused]
    given = items("a", "b")
    with pytest.raises(KeptElsewhereError):
        buy(tmp_path, Filling(disk, errno.ENOSPC), given)
    disk.number = None
    shutil.copytree(store.root, tmp_path / "copy" / "store")
    assert kept_elsewhere(tmp_path / "copy" / "store") == []
    moved = Store(tmp_path / "moved" / "store")
    moved.root.parent.mkdir()
    store.root.rename(moved.root)
    assert kept_elsewhere(tmp_path / "another" / "store") == []
    take_back(moved.root)
    assert [moved.raw.find(item.key) is not None for item in given] == [True, True]
    assert [call.outcome for call in read_calls(moved.journal_folder)] == [Outcome.MADE] * 2
    assert list(elsewhere.iterdir()) == []


def test_a_response_that_could_not_be_read_is_kept_elsewhere_too(tmp_path, store, disk, elsewhere):
    unreadable = ProviderError("no image", FailureKind.UNREADABLE, body=b"<html>")
    with pytest.raises(KeptElsewhereError):
        buy(tmp_path, Filling(disk, errno.ENOSPC, unreadable), items("a"))
    disk.number = None
    assert take_back(store.root) == 1
    (kept,) = (store.root / "unreadable").iterdir()
    assert kept.read_bytes() == b"<html>"
    assert [call.outcome for call in read_calls(store.journal_folder)] == [Outcome.UNREADABLE]


def test_nothing_is_final_for_a_key_whose_answer_met_a_full_disk(tmp_path, store, disk, elsewhere):
    with pytest.raises(KeptElsewhereError):
        buy(tmp_path, Filling(disk, errno.ENOSPC), items("a"))
    assert not [call for call in read_calls(store.journal_folder) if call.outcome is Outcome.REFUSED]


def test_no_call_starts_after_the_disk_refused(tmp_path, disk, elsewhere):
    provider = Filling(disk, errno.ENOSPC)
    with pytest.raises(KeptElsewhereError):
        buy(tmp_path, provider, items(*"abcdefghijkl"))
    assert provider.calls == 4  # those in flight


def test_a_disk_that_has_room_again_soon_costs_nothing(tmp_path, store, disk, elsewhere):
    refused = []

    def has_room_soon():
        refused.append(True)
        disk.number = None if len(refused) == 2 else disk.number

    disk.when_refusing = has_room_soon
    (made,) = buy(tmp_path, Filling(disk, errno.ENOSPC), items("a"))
    assert store.raw.read(made.raw) == b"image of a"
    assert not elsewhere.exists()


def test_without_any_place_an_answer_is_held_in_memory_and_the_user_is_told(tmp_path, store, disk, elsewhere, capsys):
    disk.folders = (tmp_path,)
    with pytest.raises(OSError, match="No space left"):
        buy(tmp_path, Filling(disk, errno.ENOSPC), items("a"))
    told = [line for line in capsys.readouterr().err.splitlines() if "held in memory" in line]
    assert told
    assert all("the disk is full" in line and "Free some space now." in line for line in told)


def test_a_signal_while_an_answer_is_held_writes_it_elsewhere_at_once(tmp_path, store, disk, elsewhere, monkeypatch):
    monkeypatch.setattr(keeping, "WAITS_S", (60.0,))
    disk.when_refusing = lambda: os.kill(os.getpid(), signal.SIGTERM)
    start = time.monotonic()
    with pytest.raises(ToldToStopError):
        buy(tmp_path, Filling(disk, errno.ENOSPC), items("a"), grace_s=0.0)
    assert time.monotonic() - start < 30, "it did not wait for the next try"
    disk.number = None
    assert take_back(store.root) == 2
    assert [call.outcome for call in read_calls(store.journal_folder)] == [Outcome.MADE]


@pytest.mark.parametrize("refuses", [True, False])
def test_a_call_that_is_given_up_while_its_answer_is_being_written_loses_nothing(
    tmp_path, store, elsewhere, monkeypatch, refuses
):
    keeper = keeping.Keeper(store, Journal(store.journal_folder, "job", durable=True), paid=True)
    is_writing, may_end = threading.Event(), threading.Event()
    put = store.raw.put

    def slowly(*arguments, **options):
        is_writing.set()
        may_end.wait()
        if refuses:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(*arguments, **options)

    monkeypatch.setattr(store.raw, "put", slowly)
    key = items("a")[0].key

    async def give_up():
        keeping_it = asyncio.create_task(keeper.image(key, b"image"))
        await asyncio.to_thread(is_writing.wait)
        keeping_it.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await keeping_it

    asyncio.run(give_up())
    with pytest.raises(asyncio.CancelledError):
        keeper.end()
    assert take_back(store.root) == refuses
    assert store.raw.find(key) is not None


def test_free_images_are_not_held(tmp_path, disk, elsewhere):
    provider = Filling(disk, errno.ENOSPC)
    provider.paid = False
    with pytest.raises(OSError, match="No space left"):
        buy(tmp_path, provider, items("a"))
    assert not elsewhere.exists()


def test_a_call_whose_image_will_find_no_room_is_not_made(tmp_path, store, disk, monkeypatch):
    def full(room, recipe):
        raise NotReadyError("no room", "Free some space.")

    monkeypatch.setattr(Room, "check", full)
    provider = Filling(disk, None)
    with pytest.raises(NotReadyError, match="no room"):
        buy(tmp_path, provider, items("a"))
    assert list(read_calls(store.journal_folder)) == []
