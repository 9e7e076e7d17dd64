"""The journal: every call is in it, whatever happened to the process."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.problems import NotReadyError
from imagemake.core.sealed import seal
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.journal_lines import Lost, line_of, records_in


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, "generate-0123", durable=True)


def sent(journal, key="k"):
    return journal.sent(campaign="c", name="n", key=key, attempt=0, tried=1, recipe={"model": "m"}, worst_usd=None)


def test_a_closed_call_has_its_outcome_and_what_came_with_it(journal, tmp_path):
    journal.closed(sent(journal), Outcome.MADE, key="k", cost_usd=0.05, request_id=None)
    (call,) = read_calls(tmp_path)
    assert call.outcome is Outcome.MADE
    assert call.closed["cost_usd"] == 0.05
    assert "request_id" not in call.closed, "what is unknown is left out"


def test_a_call_that_was_never_closed_is_unknown(journal, tmp_path):
    sent(journal)
    (call,) = read_calls(tmp_path)
    assert call.outcome is Outcome.UNKNOWN


def test_what_is_written_after_half_a_line_is_on_a_line_of_its_own(journal, tmp_path):
    call = journal.sent(key="k", campaign="c")
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"event":"closed","call":"')  # the process was killed
    later = Journal(tmp_path, "kept", durable=True, path=journal.path)
    later.closed(call, Outcome.MADE, key="k", digest="d")
    later.close()
    (read,) = read_calls(tmp_path)
    assert read.outcome is Outcome.MADE


def test_a_torn_last_line_loses_nothing_before_it(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("imagemake.store.journal_lines.MOMENT_S", 0)
    journal.closed(sent(journal, "one"), Outcome.MADE, key="one")
    sent(journal, "two")
    journal.close()
    content = journal.path.read_bytes()
    for end in range(len(content) - 1, content.rindex(b"\n", 0, len(content) - 1), -1):
        journal.path.write_bytes(content[:end])
        calls = list(read_calls(tmp_path))
        assert calls[0].outcome is Outcome.MADE
        assert len(calls) in (1, 2)


def test_a_full_disk_loses_the_line_that_did_not_fit_and_no_later_one(journal, tmp_path, monkeypatch):
    import os

    write, room = os.write, [5]

    def half(handle, data):
        if room:
            write(handle, data[: room.pop()])
            raise OSError("no space left on device")
        return write(handle, data)

    sent(journal, "before")
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="no space"):
        sent(journal, "lost")
    sent(journal, "after")
    assert [call.sent["key"] for call in read_calls(tmp_path)] == ["before", "after"]
    assert journal.path.read_bytes().count(b"\n") == 2  # the half line is gone


def test_jobs_that_write_at_the_same_time_have_files_of_their_own(tmp_path):
    journals = [Journal(tmp_path, "same-name", durable=False) for _ in range(5)]
    for journal in journals:
        sent(journal)
    assert len(list(tmp_path.glob("*/*.jsonl"))) == 5
    assert len(list(read_calls(tmp_path))) == 5


def test_a_job_without_calls_leaves_no_file(journal, tmp_path):
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"event": "closed", "call": "x", "outcome": "made"}, "the closed call was never sent"),
        ({"event": "closed", "call": "c", "outcome": "lovely"}, "unknown outcome 'lovely'"),
        ({"event": "begun", "call": "x"}, "unknown event 'begun'"),
    ],
)
def test_a_record_of_a_later_version_is_a_warning_that_names_its_line_and_hides_no_other(
    journal, tmp_path, capsys, record, told
):
    old = journal.path.parent / "old.jsonl"
    old.parent.mkdir()
    known = {"event": "sent", "call": "c", "at": "2026", "key": "k", "name": "n", "recipe": {"model": "m"}}
    old.write_bytes(line_of(known) + line_of(record))
    (read,) = read_calls(tmp_path)
    assert read.outcome is Outcome.UNKNOWN
    assert f"1 damaged record of the journal is ignored: {old}, line 2 ({told})." in capsys.readouterr().err


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.sampled_from(["sent", "submitted", "closed", "", "begun"]) | PLAIN
RECORDS = st.fixed_dictionaries(
    {}, optional={"event": EVENTS, "call": PLAIN, "key": PLAIN, "outcome": PLAIN | st.just("made"), "worst_usd": PLAIN}
)
LINES = RECORDS.filter(bool).map(line_of) | PLAIN.map(orjson.dumps).map(seal) | st.binary(max_size=40)


@given(lines=st.lists(LINES, max_size=4), data=st.data())
def test_no_line_hides_an_intact_call_or_ends_what_reads_the_journal(tmp_path_factory, lines, data):
    folder = tmp_path_factory.mktemp("journal")
    known = {"event": "sent", "call": "c-1", "key": "k", "recipe": {"model": "m"}}
    made = {"event": "closed", "call": "c-1", "outcome": "made", "digest": "d"}
    mixed = list(lines)
    mixed.insert(data.draw(st.integers(0, len(mixed))), line_of(known) + line_of(made))
    path = folder / "2026-11-27" / "a.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(mixed) + b"\n")
    calls = {call.sent["call"]: call for call in read_calls(folder)}
    assert calls["c-1"].outcome is Outcome.MADE
    assert all(isinstance(call.sent["key"], str) for call in calls.values())


DAMAGE = {
    "flipped": lambda line: line.replace(b'"cost_usd":0.05', b'"cost_usd":9.05'),
    "zeroed": lambda line: bytes(len(line)),
    "torn": lambda line: line[:100],
    "without its checksum": lambda line: line[:-18] + b"}",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told_once_with_the_line_and_what_was_lost_and_no_other_record_is_ignored(
    journal, tmp_path, capsys, monkeypatch, damage
):
    monkeypatch.delenv("IMAGEMAKE_TOLD", raising=False)
    for key in ("one", "two", "three"):
        journal.closed(sent(journal, key), Outcome.MADE, cost_usd=0.05)
    journal.close()
    lines = journal.path.read_bytes().splitlines()
    lines[3] = damage(lines[3])
    journal.path.write_bytes(b"\n".join(lines) + b"\n")
    for _ in range(2):
        outcomes = {call.sent["key"]: call.outcome for call in read_calls(tmp_path)}
        assert outcomes == {"one": Outcome.MADE, "two": Outcome.UNKNOWN, "three": Outcome.MADE}
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"1 damaged record of the journal is ignored: {journal.path}, line 4 (" in told
    assert "Restore the files from a backup" in told


def test_a_line_that_is_being_written_is_waited_for(journal, tmp_path, monkeypatch, capsys):
    sent(journal)
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-30])
    monkeypatch.setattr("time.sleep", lambda _: journal.path.write_bytes(whole))
    assert len(list(read_calls(tmp_path))) == 1
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_stops_with_its_name(journal, tmp_path):
    (tmp_path / "2026-01-01" / "odd.jsonl").mkdir(parents=True)
    with pytest.raises(NotReadyError, match=r"odd\.jsonl: this file of the journal cannot be read: Is a directory"):
        list(read_calls(tmp_path))


def test_what_is_written_after_dvc_has_linked_a_file_stays_out_of_its_cache(journal, tmp_path):
    one = sent(journal, "one")
    cached = tmp_path / "cached"
    cached.hardlink_to(journal.path)
    before = cached.read_bytes()
    journal.closed(one, Outcome.MADE, key="one")
    assert cached.read_bytes() == before
    (call,) = read_calls(tmp_path)
    assert call.outcome is Outcome.MADE, "and the journal has both"


@pytest.mark.parametrize("happens", ["moved", "replaced", "deleted"])
def test_a_file_that_loses_its_name_while_it_is_written_loses_no_record(journal, tmp_path, happens):
    one, aside = sent(journal, "one"), tmp_path / "aside"
    content = journal.path.read_bytes()
    journal.path.rename(aside)
    if happens == "replaced":
        journal.path.write_bytes(content)
    if happens == "deleted":
        aside.unlink()
    journal.closed(one, Outcome.MADE, key="one")
    (call,) = read_calls(tmp_path)
    assert call.outcome is Outcome.MADE
    assert happens == "deleted" or aside.read_bytes() == content


def test_a_linked_file_that_may_not_be_written_can_be_gone_on_with(journal, tmp_path):
    one = sent(journal, "one")
    journal.close()
    cached = tmp_path / "cached"
    cached.hardlink_to(journal.path)
    cached.chmod(0o444)
    before = cached.read_bytes()
    again = Journal(journal.path.parent, "generate-0123", durable=True, path=journal.path)
    again.closed(one, Outcome.MADE, key="one")
    assert cached.read_bytes() == before
    (call,) = read_calls(tmp_path)
    assert call.outcome is Outcome.MADE


def test_each_record_of_many_threads_is_on_disk_when_its_call_goes_on_and_they_share_what_forces_it(
    journal, tmp_path, monkeypatch
):
    import os
    import time
    from concurrent.futures import ThreadPoolExecutor

    sent(journal, "before")
    fsync, forced = os.fsync, []

    def slow(handle):
        content = os.pread(handle, os.fstat(handle).st_size, 0)
        end_s = time.monotonic() + 30
        while not forced and journal.path.read_bytes().count(b"\n") < 17 and time.monotonic() < end_s:
            time.sleep(0.001)  # until all others wait for the first one
        fsync(handle)
        forced.append(content)

    monkeypatch.setattr(os, "fsync", slow)

    def on_disk(number):
        call = sent(journal, str(number))
        return any(call.encode() in content for content in forced)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(on_disk, range(16)))
    assert len(forced) == 2
    assert len(list(read_calls(tmp_path))) == 17


def test_a_record_that_could_not_be_forced_to_disk_is_not_taken_for_safe(journal, monkeypatch):
    import os

    sent(journal, "before")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("input/output error")))
    for _ in range(2):
        with pytest.raises(OSError, match="input/output"):
            sent(journal, "lost")


def test_a_line_without_a_checksum_is_damaged_wherever_it_stands():
    end = {"event": "closed", "call": "job-1", "at": "2026-11-27T10:00:00.000Z", "outcome": "made", "key": "k"}
    bare = orjson.dumps(end) + b"\n"
    found = dict(records_in(bare + line_of(end) + bare, {"made"}))
    assert [isinstance(found[number], Lost) for number in (1, 2, 3)] == [True, False, True]
