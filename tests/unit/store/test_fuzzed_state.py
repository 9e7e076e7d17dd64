"""Whatever happens to the bytes of journals and tables, nothing raises, and whatever is intact is kept."""

from decimal import Decimal
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import GOOD, World

from imagemake.core.recipe import Recipe
from imagemake.plan.inventory import Inventory
from imagemake.plan.resolve import resolve
from imagemake.plan.state import Stage
from imagemake.store.items import Item, write_table
from imagemake.store.journal import Journal, Outcome, calls_of, read_calls
from imagemake.store.kept_measures import keep_measures
from imagemake.store.spending import spent_usd
from imagemake.store.store import Store
from imagemake.store.tables import discard_damaged, intact_rows

PNG = b"\x89PNG\r\n\x1a\n"
KEYS = [f"{n:064x}" for n in range(6)]


@st.composite
def damages(draw):
    """Flips, cuts, insertions, and zeroed ranges, as functions of a place between 0 and 1."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "zero", "end"]))
    place, size = draw(st.floats(0, 1)), draw(st.integers(1, 600))
    extra = draw(st.binary(min_size=1, max_size=20))

    def damage(content: bytes) -> bytes:
        at = int(place * len(content))
        match kind:
            case "flip" if at < len(content):
                return content[:at] + bytes([content[at] ^ (1 << size % 8)]) + content[at + 1 :]
            case "cut":
                return content[:at] + content[at + size :]
            case "insert":
                return content[:at] + extra + content[at:]
            case "zero":
                return content[:at] + bytes(min(size, len(content) - at)) + content[at + size :]
        return content[:at]

    return damage


def journal_of(folder):
    journal = Journal(folder, "job", durable=False)
    for key in KEYS:
        recipe = {"provider": "openai", "model": "m", "prompt": f"A “mug” {key}"}
        call = journal.sent(campaign="c", name=key[:4], key=key, attempt=0, tried=1, recipe=recipe, worst_usd=0.04)
        journal.closed(call, Outcome.MADE, key=key, cost_usd=0.03, usage={"total_tokens": 7})
    journal.close()
    return journal.path


@given(st.lists(damages(), min_size=1, max_size=4))
def test_a_damaged_journal_keeps_each_intact_record_and_counts_the_others(tmp_path_factory, happened):
    path = journal_of(tmp_path_factory.getbasetemp() / "journal")
    try:
        whole = path.read_bytes()
        content = whole
        for damage in happened:
            content = damage(content)
        path.write_bytes(content)
        damaged = []
        with patch("imagemake.store.journal_lines.MOMENT_S", 0):
            calls = calls_of(path, None, damaged)
    finally:
        path.unlink()
    written = set(whole.split(b"\n"))
    strange = [number for number, line in enumerate(content.split(b"\n"), 1) if line and line not in written]
    assert {one.number for one in damaged} >= set(strange)
    intact = [line for line in content.split(b"\n") if line in written]
    sent = {line for line in intact if b'"event":"sent"' in line}
    assert {call.sent["key"] for call in calls} == {key for key in KEYS if any(key.encode() in line for line in sent)}
    for call in calls:
        assert call.closed is None or (call.closed["key"], call.closed["cost_usd"]) == (call.sent["key"], 0.03)


ITEMS = [
    Item(f"“mug” {n}", 0, recipe := Recipe("preview", "preview-1", "A mug", n), recipe.key(), "new") for n in range(5)
]


@given(st.lists(damages(), min_size=1, max_size=4))
def test_a_damaged_table_is_discarded_and_no_row_of_it_is_used(tmp_path_factory, happened):
    folder = tmp_path_factory.getbasetemp() / "tables"
    table = folder / "table.jsonl"
    write_table(table, ITEMS)
    content = whole = table.read_bytes()
    for damage in happened:
        content = damage(content)
    table.write_bytes(content)
    is_intact = content == whole
    assert [row["name"] for row in intact_rows([table])] == [item.name for item in ITEMS if is_intact]
    assert discard_damaged([folder]) == [table for _ in [0] if not is_intact]
    assert table.exists() == is_intact


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Four images with measures, of which a call each is in the journal, and a fifth request that was refused."""
    folder = tmp_path_factory.mktemp("project")
    world, store = World("a", "b", "c", "d", "refused"), Store(folder / "store")
    journal, items = Journal(store.journal_folder, "job", durable=False), []
    for state in world.resolve():
        name, recipe = state.request.name, state.recipe.as_dict()
        call = journal.sent(campaign="c", name=name, key=state.key, attempt=0, tried=1, recipe=recipe, worst_usd=0.1)
        if name == "refused":
            journal.closed(call, Outcome.REFUSED, key=state.key)
            continue
        raw = store.raw.put(state.key, PNG + name.encode(), durable=False)
        journal.closed(call, Outcome.MADE, key=state.key, cost_usd=0.1, digest=raw.digest)
        phash = {"hash": f"{(len(items) + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}", "colors": f"{2 * len(items)}0" * 27}
        measures = {"file@1": {"format": "png"}, "tone@1": GOOD, "phash@1": phash}
        items.append(Item(name, 0, state.recipe, state.key, "new", raw=raw, measures=measures))
    journal.close()
    write_table(folder / "work" / "validated" / "all.jsonl", items)
    keep_measures(store, folder / "work")
    files = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    measures = {item.raw.digest: item.measures for item in items}
    return SimpleNamespace(folder=folder, store=store, world=world, files=files, measures=measures)


@given(st.lists(st.tuples(st.integers(0, 2), damages()), min_size=1, max_size=6))
def test_whatever_is_damaged_no_image_is_lost_or_paid_for_again(project, happened):
    for path, content in project.files.items():
        path.write_bytes(content)
    for number, damage in happened:
        path = sorted(project.files)[number]
        path.write_bytes(damage(path.read_bytes()))
    discard_damaged([project.folder / "work" / "validated"])
    inventory = Inventory(project.store, project.folder / "work")
    with patch("imagemake.store.journal_lines.MOMENT_S", 0):
        states = resolve(project.world.requests, inventory, project.world.policy, {})
        spent = spent_usd(read_calls(project.store.journal_folder), "c")
    assert spent <= Decimal("0.5")
    assert {state.stage for state in states[:4]} <= {Stage.VALIDATE, Stage.POSTPROCESS}
    assert states[4].stage in (Stage.REFUSED, Stage.GENERATE)
    assert all(inventory.measured(digest) in ({}, values) for digest, values in project.measures.items())
