"""The ledger: every call is in one group, sums are exact, and what is not known is never taken for nothing."""

import csv
import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.cli.ledger_lines import lines_of_calls, lines_of_sums
from imagemake.cli.main import main
from imagemake.core.problems import UserError
from imagemake.store.journal import Call, Journal, Outcome, read_calls
from imagemake.store.ledger import COLUMNS, Selection, Tally, cost_of, listed, read_question, sum_calls

HOSTILE = "mug\x1b[2J\r\n\x9b31m\u202e\x07"


def call(day=1, name="MUG_red", model="gpt-image-2", campaign="Autumn", worst_usd=0.25, closed="made", **fields):
    sent = {
        "at": f"2026-01-{day:02}T23:59:59.999Z",
        "campaign": campaign,
        "name": name,
        "attempt": 0,
        "tried": 1,
        "recipe": {"model": model},
        "worst_usd": worst_usd,
    }
    return Call(sent, None if closed is None else {"outcome": closed, **fields})


def test_attempts_are_counted_from_1():
    assert listed(call())["attempt"] == 1


def some_calls():
    """Calls of all kinds."""
    money = st.none() | st.integers(0, 10**9).map(lambda micro_usd: micro_usd / 1_000_000)
    return st.lists(
        st.builds(
            call,
            day=st.integers(1, 4),
            name=st.sampled_from(["MUG_red", "MUG_teal", "total", "=1+1", HOSTILE]),
            model=st.sampled_from(["gpt-image-2", "gpt-image-1.5"]),
            campaign=st.sampled_from(["Autumn", "Winter"]),
            worst_usd=money,
            closed=st.none() | st.sampled_from([outcome.value for outcome in Outcome]),
            cost_usd=money,
        ),
        max_size=30,
    )


def some_columns():
    return st.lists(st.sampled_from(list(COLUMNS)), min_size=1, unique=True)


@given(some_calls(), some_columns())
def test_the_sums_of_groups_equal_the_total_of_all_calls(calls, by):
    sums = sum_calls(calls, by)
    total = Tally()
    for one in calls:
        total.add(one)
    assert sums.total == total
    assert sum(tally.calls + tally.shared for tally in sums.groups.values()) == len(calls)
    assert sum(tally.billed_usd for tally in sums.groups.values()) == total.billed_usd
    assert sum(tally.cost_unknown for tally in sums.groups.values()) == total.cost_unknown
    bounds = [tally.worst_usd for tally in sums.groups.values()]
    assert total.worst_usd == (None if None in bounds else sum(bounds))


@given(some_calls(), some_columns())
def test_a_group_is_what_is_left_by_its_own_filter(calls, by):
    for values, tally in sum_calls(calls, by).groups.items():
        chosen = [one for one in calls if all(COLUMNS[c](one) == v for c, v in zip(by, values, strict=True))]
        assert sum_calls(chosen, by).total == tally


@given(some_calls())
def test_every_call_has_one_outcome_and_one_day_to_be_filtered_by(calls):
    by_outcome = [Selection(outcome=outcome).test() for outcome in Outcome]
    before, after = Selection(until=date(2026, 1, 2)).test(), Selection(since=date(2026, 1, 3)).test()
    for one in calls:
        assert sum(holds(one) for holds in by_outcome) == 1
        assert before(one) != after(one)


def test_dimes_add_up_to_exactly_their_sum():
    total = sum_calls([call(cost_usd=0.1)] * 3, ["day"]).total
    assert total.billed_usd == Decimal("0.3"), "as floats they are 0.30000000000000004"


@pytest.mark.parametrize(
    ("one", "cost_usd"),
    [
        (call(cost_usd=0.05), Decimal("0.05")),
        (call(cost_usd=0.0), Decimal(0)),
        (call(), None),
        (call(closed="unreadable"), None),
        (call(closed="unknown"), None),
        (call(closed=None), None),
        (call(closed="refused"), Decimal(0)),
        (call(closed="failed"), Decimal(0)),
    ],
)
def test_only_a_call_that_is_never_billed_costs_nothing_without_saying_so(one, cost_usd):
    assert cost_of(one) == cost_usd


def test_a_call_that_was_never_closed_is_unknown_at_its_worst_case():
    total = sum_calls([call(closed=None, worst_usd=0.25), call(closed="unknown", worst_usd=0.5)], ["name"]).total
    assert total == Tally(calls=2, made=0, billed_usd=Decimal(0), cost_unknown=2, unknown=2, worst_usd=Decimal("0.75"))


def test_the_worst_case_is_unknown_as_soon_as_one_call_has_no_bound():
    calls = [call(closed=None, worst_usd=0.25), call(closed=None, worst_usd=None), call(closed=None, worst_usd=0.25)]
    assert sum_calls(calls, ["day"]).total.worst_usd is None
    assert " ".join([*lines_of_sums(sum_calls(calls, ["day"]), "table")][-1].split()) == "total 3 0 0.00 3 unknown"
    assert [*lines_of_sums(sum_calls(calls, ["day"]), "csv")][-1] == "total,3,0,0.000000,3,unknown"
    assert json.loads("\n".join(lines_of_sums(sum_calls(calls, ["day"]), "json")))["total"]["worst_usd"] is None


def test_a_made_image_without_a_bound_leaves_the_worst_case_known():
    assert sum_calls([call(cost_usd=0.1, worst_usd=None)], ["day"]).total.worst_usd == 0


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"since": "2026-01-02"}, ["two", "three"]),
        ({"until": "2026-01-02"}, ["one", "two"]),
        ({"since": "2026-01-02", "until": "2026-01-02"}, ["two"]),
        ({"name": "t*"}, ["two", "three"]),
        ({"name": "T*"}, []),
        ({"name": "t"}, []),
        ({"model": "*-2", "name": "[!o]*"}, ["two"]),
        ({"campaign": "W?nter"}, ["three"]),
        ({"outcome": "unknown"}, ["three"]),
        ({}, ["one", "two", "three"]),
    ],
)
def test_a_filter_lets_through_what_it_says(asked, names):
    calls = [
        call(1, "one"),
        call(2, "two"),
        call(3, "three", model="gpt-image-1.5", campaign="Winter", closed=None),
    ]
    _, selection = read_question("day", **asked)
    assert [one.sent["name"] for one in calls if selection.test()(one)] == names


def test_every_mistake_is_told_at_once_with_its_remedy():
    with pytest.raises(UserError) as told:
        read_question("modle,day,day", since="2026-02-30", until="soon", outcome="maed")
    message = str(told.value)
    for part in ("'modle'", "'model'?", "twice", "'2026-02-30'", "'soon'", "YYYY-MM-DD", "'maed'", "'made'?"):
        assert part in message


def test_days_in_the_wrong_order_are_a_mistake():
    with pytest.raises(UserError, match="2026-01-01 is before --since 2026-01-02"):
        read_question("day", since="2026-01-02", until="2026-01-01")


def test_a_table_shows_cents_and_the_other_forms_millionths():
    sums = sum_calls([call(cost_usd=1234.567891), call(2, cost_usd=0.000001)], ["day", "model"])
    table = [line.split() for line in lines_of_sums(sums, "table")]
    assert table[1] == ["2026-01-01", "gpt-image-2", "1", "1", "1,234.57", "0", "0.00"]
    assert table[2][4] == "<0.01", "a small bill is not nothing"
    assert table[3] == ["total", "2", "2", "1,234.57", "0", "0.00"]
    assert [*lines_of_sums(sums, "csv")][1:] == [
        "2026-01-01,gpt-image-2,1,1,1234.567891,0,0.000000",
        "2026-01-02,gpt-image-2,1,1,0.000001,0,0.000000",
        "total,,2,2,1234.567892,0,0.000000",
    ]
    shown = json.loads("\n".join(lines_of_sums(sums, "json")))
    assert [group["billed_usd"] for group in shown["groups"]] == [1234.567891, 0.000001]
    assert shown["groups"][1]["day"] == "2026-01-02"
    assert shown["total"]["billed_usd"] == 1234.567892


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_no_control_character_of_a_name_or_an_answer_is_shown(form):
    calls = [call(name=HOSTILE, model=HOSTILE, code=HOSTILE, request_id=HOSTILE)]
    lines = [*lines_of_calls(calls, form), *lines_of_sums(sum_calls(calls, ["name", "model"]), form)]
    assert all(line.isprintable() for line in lines)
    assert "mug" in "".join(lines)


def test_a_name_comes_through_json_as_it_was():
    (shown,) = json.loads("".join(lines_of_calls([call(name=HOSTILE + "ü")], "json")))
    assert shown["name"] == HOSTILE + "ü"


def test_a_formula_does_not_run_in_a_spreadsheet():
    one = call(name="=1+1", request_id="@SUM(A1)", code='-1,"')
    header, row = csv.reader(lines_of_calls([one], "csv"))
    shown = dict(zip(header, row, strict=True))
    assert (shown["name"], shown["request_id"], shown["code"]) == ("'=1+1", "'@SUM(A1)", "'-1,\"")


def test_an_endless_code_does_not_widen_the_table():
    assert max(map(len, lines_of_calls([call(code="x" * 10_000)], "table"))) < 300


def test_a_list_shows_each_call_with_what_is_unknown():
    made = call(cost_usd=0.05, seconds=1.5, request_id="req_1")
    refused = call(closed="refused", code="moderation_blocked", seconds=0.3)
    rows = list(csv.DictReader(lines_of_calls([made, refused, call(closed=None)], "csv")))
    assert [row["cost_usd"] for row in rows] == ["0.050000", "0.000000", "unknown"]
    assert [row["code"] for row in rows] == ["", "moderation_blocked", ""]
    assert [row["seconds"] for row in rows] == ["1.5", "0.3", "unknown"]
    assert (rows[0]["request_id"], rows[0]["try"], rows[2]["outcome"]) == ("req_1", "1", "unknown")


def test_the_first_lines_come_before_the_last_call_is_read():
    read = 0

    def many():
        nonlocal read
        for _ in range(100_000):
            read += 1
            yield call()

    lines = lines_of_calls(many(), "table")
    next(lines)
    assert read < 1_000


@pytest.fixture
def store(tmp_path):
    """A store whose journal has a made call, an unclosed one, and a torn last line."""
    journal = Journal(tmp_path / "journal", "generate-0123", durable=False)
    fields = {"campaign": "Autumn", "key": "k", "attempt": 0, "tried": 1, "recipe": {"model": "gpt-image-2"}}
    journal.closed(journal.sent(name="MUG_red", worst_usd=0.25, **fields), Outcome.MADE, cost_usd=0.0512)
    journal.sent(name="MUG_teal", worst_usd=0.25, **fields)
    journal.closed(journal.sent(name="MUG_gold", worst_usd=0.5, **fields), Outcome.MADE, cost_usd=0.05)
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    return tmp_path


def ledger(capsys, store: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["ledger", "--store", str(store), *arguments])
    shown = capsys.readouterr()
    return end.value.code, shown.out, shown.err


def test_a_call_whose_end_was_torn_off_is_unknown_and_not_lost(capsys, store):
    status, shown, _ = ledger(capsys, store, "--format", "csv")
    assert status == 0
    assert shown.splitlines()[1:] == [
        "made,1,1,0.051200,0,0.000000",
        "unknown,2,0,0.000000,2,0.750000",
        "total,3,1,0.051200,2,0.750000",
    ]


def test_a_list_is_of_the_selected_calls(capsys, store):
    status, shown, _ = ledger(capsys, store, "--calls", "--outcome", "unknown", "--format", "json")
    assert status == 0
    assert [one["name"] for one in json.loads(shown)] == ["MUG_teal", "MUG_gold"]
    assert [one["cost_usd"] for one in json.loads(shown)] == [None, None]


def test_a_selection_of_nothing_says_so_and_what_was_asked(capsys, store):
    status, shown, told = ledger(capsys, store, "--model", "dall-e*", "--since", "2020-01-01", "--format", "csv")
    assert status == 0
    assert "--since '2020-01-01' --model 'dall-e*'" in told
    assert shown.splitlines()[1:] == ["total,0,0,0.000000,0,0.000000"]


def test_no_journal_ends_with_2_and_an_empty_one_with_0(capsys, tmp_path):
    status, shown, told = ledger(capsys, tmp_path / "elsewhere")
    assert (status, shown) == (2, "")
    assert "elsewhere" in told and "--store" in told
    (tmp_path / "journal").mkdir()
    status, _, told = ledger(capsys, tmp_path)
    assert status == 0
    assert "has no calls yet" in told


def test_mistakes_end_with_2(capsys, store):
    status, shown, told = ledger(capsys, store, "--by", "week", "--outcome", "lost")
    assert (status, shown) == (2, "")
    assert "'week'" in told and "'lost'" in told


def test_a_reader_that_goes_away_ends_the_command_quietly(store):
    journal = Journal(store / "journal", "generate-4567", durable=False)
    for _ in range(3_000):
        journal.sent(campaign="c", name="n" * 50, key="k", attempt=0, tried=1, recipe={"model": "m"}, worst_usd=None)
    journal.close()
    assert len(list(read_calls(store / "journal"))) == 3_003
    program = "from imagemake.cli.main import main; main()"
    command = [sys.executable, "-c", program, "ledger", "--calls", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141, "as a shell reports a program that a closed pipe ended"
