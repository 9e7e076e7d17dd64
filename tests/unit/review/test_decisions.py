"""The decision log: several writers at once, undo, and manual edits."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.core.problems import UserError
from imagemake.plan.reviews import COLUMNS, Review, read_reviews, read_rows
from imagemake.review.decisions import ChangedMeanwhileError, DecisionLog, version_of

MUG, VASE, LAMP = ("a" * 64, "b" * 64, "c" * 64)
APPROVE, REJECT = Review("approve", "", "kim", ""), Review("reject", "", "kim", "")
HEAD = "key,decision,note,reviewer,time"


@pytest.fixture
def log(tmp_path):
    return DecisionLog(tmp_path / "config" / "reviews.csv", tmp_path / "work" / "reviews.lock")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "reviews.csv"


def other(log):
    """The same log, as a second process sees it."""
    return DecisionLog(log.path, log.lock)


def decisions(log):
    return {key: review.decision for key, review in read_reviews(log.path).items()}


def test_a_decision_is_read_back_with_reviewer_and_a_time_in_utc(log):
    log.decide([MUG], Review("regenerate", "too dark", "kim", "", patch="Bright light."))
    review = read_reviews(log.path)[MUG]
    assert (review.decision, review.note, review.reviewer, review.patch) == (
        "regenerate",
        "too dark",
        "kim",
        "Bright light.",
    )
    assert review.time.endswith("Z") and "T" in review.time
    assert log.path.read_text().splitlines()[0] == ",".join(COLUMNS)


def test_the_last_decision_about_a_key_holds_and_every_one_stays_in_the_file(log):
    log.decide([MUG], APPROVE)
    log.decide([MUG], REJECT)
    assert decisions(log) == {MUG: "reject"}
    assert [review.decision for _, review in read_rows(log.path)] == ["approve", "reject"]


def test_undo_goes_back_step_by_step_and_adds_rows_instead_of_removing_them(log):
    log.decide([MUG], APPROVE)
    log.decide([MUG], REJECT)
    assert [review.decision for _, review in log.undo("kim")] == ["reject"]
    assert decisions(log) == {MUG: "approve"}
    assert [review.decision for _, review in log.undo("kim")] == ["approve"]
    assert decisions(log) == {}
    assert log.undo("kim") == []
    assert len(read_rows(log.path)) == 4


def test_what_was_decided_in_bulk_is_taken_back_in_bulk(log):
    log.decide([LAMP], REJECT)
    log.decide([MUG, VASE], APPROVE)
    assert {key for key, _ in log.undo("kim")} == {MUG, VASE}
    assert decisions(log) == {LAMP: "reject"}


def test_undo_never_takes_back_what_somebody_else_decided_later(log):
    log.decide([MUG, VASE], APPROVE)
    other(log).decide([MUG], Review("reject", "", "alex", ""))
    assert [key for key, _ in log.undo("kim")] == [VASE]
    assert decisions(log) == {MUG: "reject"}


def test_a_note_decides_nothing(log):
    log.decide([MUG], APPROVE)
    log.decide([MUG], Review("note", "ask the client", "kim", ""))
    assert decisions(log) == {MUG: "approve"}
    assert [key for key, _ in log.undo("kim")] == [MUG], "a note is no step"


def test_who_decides_on_an_old_page_is_told_and_nothing_is_written(log):
    other(log).decide([MUG], Review("reject", "", "alex", ""))
    with pytest.raises(ChangedMeanwhileError) as changed:
        log.decide([MUG], APPROVE, expected={MUG: version_of(None)})
    assert changed.value.now.reviewer == "alex"
    assert decisions(log) == {MUG: "reject"}


WRITER = """
import sys
from pathlib import Path
from imagemake.plan.reviews import Review
from imagemake.review.decisions import DecisionLog
log = DecisionLog(Path(sys.argv[1]), Path(sys.argv[2]))
for n in range(int(sys.argv[4])):
    log.decide([f"{int(sys.argv[3]):032x}{n:032x}"], Review("approve", "", sys.argv[3], ""))
"""


def test_processes_and_threads_that_write_at_once_lose_nothing(log):
    command = [sys.executable, "-c", WRITER, str(log.path), str(log.lock)]
    processes = [subprocess.Popen([*command, str(number), "40"]) for number in range(2)]
    threads = [
        threading.Thread(target=lambda n=n: [log.decide([f"{n:063x}{m:x}"], REJECT) for m in range(16)])
        for n in range(10, 13)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0]
    rows = read_rows(log.path)
    assert len(rows) == 2 * 40 + 3 * 16 == len({key for key, _ in rows})
    assert len(log.read().rows) == len(rows)


def test_a_file_that_was_edited_by_hand_keeps_every_byte(log, path):
    edited = f"\ufeff{HEAD},mine,patch,prompt\r\n{MUG},approve,art,kim,,1,,".encode()
    path.write_bytes(edited)
    log.decide([VASE], Review("reject", "ugly", "kim", ""))
    assert path.read_bytes().startswith(edited + b"\n")
    assert decisions(log) == {MUG: "approve", VASE: "reject"}


def test_an_edit_between_two_decisions_stays(log):
    log.decide([MUG], APPROVE)
    log.path.write_text(log.path.read_text().replace("approve", "reject"))
    log.decide([VASE], APPROVE)
    assert decisions(log) == {MUG: "reject", VASE: "approve"}


def test_a_file_with_the_columns_of_before_gets_the_new_ones_and_keeps_its_rows(log, path):
    path.write_text(f"{HEAD}\n{MUG},approve,art,kim,2026-01-01\n")
    log.decide([VASE], Review("regenerate", "", "kim", "", prompt="A vase"))
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["time"], first["prompt"], second["prompt"]) == ("2026-01-01", "", "A vase")


def test_a_link_to_the_file_stays_a_link(log, path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere.csv")
    log.decide([MUG], APPROVE)
    assert path.is_symlink()
    assert decisions(log) == {MUG: "approve"}


@settings(deadline=None, max_examples=50)  # each example forces a file to disk
@given(note=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80))
def test_any_note_reads_back_the_same_and_no_cell_begins_like_a_formula(note, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    log = DecisionLog(folder / "reviews.csv", folder / "lock")
    log.decide([MUG], Review("reject", note, "=kim()", ""))
    review = read_reviews(log.path)[MUG]
    lines = note.replace("\r\n", "\n").replace("\r", "\n")
    assert (review.note, review.reviewer) == (lines, "=kim()")
    with log.path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) and not _is_number(cell) for cell in cells)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (f"{MUG},maybe,,,,,", "unknown decision 'maybe'"),
        ("abc,approve,,,,,", "'abc' is not a key"),
        (f"{MUG},approve,,,,brighter,", "'approve' takes no patch and no prompt"),
        (f"{MUG},regenerate,,,,brighter,A mug", "has both a patch and a prompt"),
        (f"{MUG},regenerate,,,,,{'x' * 32_001}", "more than 32,000 characters"),
        (f'{MUG},reject,"no end,,,,', "invalid CSV"),
    ],
)
def test_a_row_that_cannot_be_understood_is_told_and_stops_every_writer(log, path, row, what):
    path.write_text(f"{','.join(COLUMNS)}\n{row}\n")
    with pytest.raises(UserError, match=what):
        read_reviews(path)
    with pytest.raises(UserError, match=what):
        log.decide([VASE], APPROVE)
    assert path.read_text().endswith(f"{row}\n"), "nothing was written"
