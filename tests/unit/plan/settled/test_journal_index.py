"""Claims about the index of the journal: it says what the journal says, or that it does not know."""

from __future__ import annotations

import random

import pytest

from imagemake.core.recipe import Recipe
from imagemake.plan.inventory import Inventory, JournalFacts
from imagemake.plan.settled.journal_index import JournalIndex, NotRememberedError
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.journal_lines import line_of
from imagemake.store.store import Store

KEYS = [f"{number:064x}" for number in range(2**200, 2**203, 2**200)] + [f"{n + 1:x}" + "0" * 63 for n in range(9)]
NAMES = ["mug", "hat", "Mug", "ä"]
ENDS = [Outcome.MADE, Outcome.MADE, Outcome.SHARED, Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN, None]


class Journal:
    """A journal, and an index of it."""

    def __init__(self, folder, chance):
        self.folder, self.path, self.chance, self.n = folder / "journal", folder / "index.bin", chance, 0

    def index(self):
        return JournalIndex(self.folder, self.path)

    def update(self):
        self.index().update()
        return self.index()

    def write(self, *calls, name=None):
        """Write a file of calls: the key, the name, and the outcome of each, and what else its records have."""
        self.n += 1
        path = self.folder / (name or f"2026-11-27/{self.n:03}-generate.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(self._records(number, *call) for number, call in enumerate(calls)))
        return path

    def _records(self, number, key, name, outcome, sent=(), closed=()):
        call, at = f"{self.n:016}{number:016}", f"2026-11-27T{self.n // 60:02}:{self.n % 60:02}:00.000Z"
        recipe = Recipe("openai", "gpt-image-2", f"{name} {call}", 0, {"size": "64x64"}, endpoint="here").as_dict()
        head = {"event": "sent", "call": call, "at": at, "name": name, "key": key, "attempt": 0, "tried": 1}
        lines = line_of({**head, "recipe": recipe, "worst_usd": 0.25, **dict(sent)})
        if outcome is not None:
            lines += line_of(
                {"event": "closed", "call": call, "at": at, "outcome": outcome, "key": key, **dict(closed)}
            )
        return lines

    def some_call(self):
        chance = self.chance
        sent = {"attempt": chance.choice([0, 0, 1]), "worst_usd": chance.choice([0.25, 0.5, None])}
        sent |= chance.choice([{}, {}, {"submission": "s"}])
        closed = {"message": chance.choice(["", "no"]), "cost_usd": chance.choice([0.01, 0.04, None])}
        closed |= chance.choice([{}, {"seconds": chance.random()}, {"quota": True}, {"code": "moderation"}])
        return chance.choice(KEYS), chance.choice(NAMES), chance.choice(ENDS), sent, closed

    def facts(self, files):
        facts = JournalFacts()
        for call in read_calls(self.folder):
            if call.sent["call"][:16] in files:
                facts.add(call)
        return facts


@pytest.mark.parametrize("seed", range(6))
def test_an_inventory_which_reads_the_whole_journal_says_the_same_from_disk(tmp_path, seed):
    journal = Journal(tmp_path, random.Random(seed))
    for _ in range(6):
        journal.write(*(journal.some_call() for _ in range(journal.chance.randrange(1, 6))))
    whole, told = (
        journal.facts({f"{number + 1:016}" for number in range(6)}),
        Inventory(Store(tmp_path), tmp_path).journal,
    )
    for key in (*KEYS, "f" * 64):
        assert told.keys.get(key) == whole.keys.get(key)
        assert (key in told.keys) == (key in whole.keys)
    for name in (*NAMES, "nobody"):
        assert told.last_recipe.get(name) == whole.last_recipe.get(name)
        assert (name in told.last_recipe) == (name in whole.last_recipe)
    assert (told.answered_at, told.used_up_at) == (whole.answered_at, whole.used_up_at)
    assert told.costs.as_data() == whole.costs.as_data()


@pytest.mark.parametrize("seed", range(12))
def test_the_index_and_the_files_after_it_say_what_the_whole_journal_says(tmp_path, seed):
    journal = Journal(tmp_path, random.Random(seed))
    simply_made, indexed = set(), set()
    for _ in range(6):
        journal.write(*(journal.some_call() for _ in range(journal.chance.randrange(1, 6))))
        every_file = {f"{number + 1:016}" for number in range(journal.n)}
        whole, index = journal.facts(every_file), journal.index()
        simply_made |= {key for key, one in whole.keys.items() if one.calls == 1 and one.was_made}
        told = index.facts()
        for key in (*KEYS, "f" * 64):
            if key in indexed:
                with pytest.raises(NotRememberedError):
                    told.keys.get(key)
            else:
                assert told.keys.get(key) == whole.keys.get(key)
        for name in (*NAMES, "nobody"):
            assert told.last_recipe.get(name) == whole.last_recipe.get(name)
        assert told.costs.as_data() == whole.costs.as_data()
        assert told.times.as_data() == whole.times.as_data()
        assert (told.answered_at, told.used_up_at) == (whole.answered_at, whole.used_up_at)
        wanted = set(journal.chance.sample(KEYS, 3))
        calls = [call for call in read_calls(journal.folder) if call.sent["key"] in wanted]
        assert list(index.calls(wanted)) == calls
        if journal.chance.random() < 0.6:
            assert index.is_usable or not journal.path.exists()
            journal.update()
            assert journal.index().new_keys() == set()
            indexed = set(simply_made)


def test_only_the_keys_of_files_that_are_not_indexed_are_new(tmp_path):
    journal = Journal(tmp_path, random.Random(0))
    assert not journal.index().is_usable
    assert journal.update().is_usable
    journal.write((KEYS[0], "mug", Outcome.MADE))
    assert journal.index().is_usable
    assert journal.update().is_usable
    journal.write((KEYS[1], "hat", Outcome.MADE))
    assert journal.index().is_usable
    assert journal.index().new_keys() == {KEYS[1]}


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_question_to_a_model_is_told_from_a_call_for_an_image(tmp_path, is_indexed):
    journal = Journal(tmp_path, random.Random(0))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    assert not journal.update().asks()
    journal.write((KEYS[1], "hat", Outcome.MADE, {"kind": "judge"}))
    index = journal.update() if is_indexed else journal.index()
    assert index.asks()
    assert index.facts().last_recipe.get("hat") is None
    journal.write((KEYS[2], "hat", Outcome.MADE))
    assert journal.update().asks(), "once and for all"


@pytest.mark.parametrize(
    "change",
    [
        lambda journal, path: path.unlink(),
        lambda journal, path: path.write_bytes(path.read_bytes() * 2),
        lambda journal, path: journal.write((KEYS[2], "hat", Outcome.MADE), name="2026-11-27/001-judge.jsonl"),
    ],
    ids=["a file is gone", "a file grew", "a file came before others"],
)
def test_an_index_of_another_journal_is_not_used(tmp_path, change):
    journal = Journal(tmp_path, random.Random(0))
    path = journal.write((KEYS[0], "mug", Outcome.MADE))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    assert journal.update().is_usable
    journal.write((KEYS[0], "mug", Outcome.MADE))
    change(journal, path)
    index = journal.index()
    assert not index.is_usable
    assert index.new == [str(one.relative_to(journal.folder)) for one in sorted(journal.folder.glob("*/*"))]
    assert journal.update().is_usable


def test_an_index_of_another_version_knows_nothing_and_is_written_again(tmp_path, monkeypatch):
    journal = Journal(tmp_path, random.Random(0))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    journal.update()
    monkeypatch.setattr("imagemake.plan.settled.journal_index.VERSION", 0)
    assert journal.index().new_keys() == {KEYS[0]}
    assert journal.update().new_keys() == set()


def test_an_index_of_the_whole_journal_is_not_written_again(tmp_path):
    journal = Journal(tmp_path, random.Random(0))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    journal.update()
    written = journal.path.stat().st_ino
    journal.update()
    assert journal.path.stat().st_ino == written


@pytest.mark.parametrize("was_indexed", [False, True])
def test_a_damaged_journal_has_no_index(tmp_path, was_indexed):
    journal = Journal(tmp_path, random.Random(0))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    if was_indexed:
        journal.update()
    path = journal.write((KEYS[1], "hat", Outcome.MADE))
    path.write_bytes(path.read_bytes().replace(b"hat", b"cap", 1))
    journal.update()
    assert not journal.path.exists()


def test_a_recipe_that_is_not_where_it_was_is_not_remembered(tmp_path):
    journal = Journal(tmp_path, random.Random(0))
    path = journal.write((KEYS[0], "mug", Outcome.FAILED))
    journal.update()
    path.write_bytes(path.read_bytes().replace(b'"mug"', b'"cup"'))
    with pytest.raises(NotRememberedError):
        journal.index().facts().last_recipe.get("mug")


@pytest.mark.parametrize("ask", [JournalIndex.facts, lambda index: list(index.calls({KEYS[0]}))])
def test_a_damaged_record_in_a_new_file_is_told(tmp_path, capfd, ask):
    journal = Journal(tmp_path, random.Random(0))
    journal.write((KEYS[0], "mug", Outcome.MADE))
    journal.update()
    path = journal.write((KEYS[1], "hat", Outcome.MADE))
    path.write_bytes(path.read_bytes().replace(b"hat", b"cap", 1))
    ask(journal.index())
    assert "1 damaged record of the journal is ignored" in capfd.readouterr().err
