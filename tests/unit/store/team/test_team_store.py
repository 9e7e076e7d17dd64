"""The team store: nobody pays twice, and what is wrong with it costs a warning, never a wrong or a lost image."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_openai import BatchSettings, FakeOpenAI, Settings
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.job_settings import JobSettings
from imagemake.config.remotes import SharedStore
from imagemake.core.recipe import Recipe
from imagemake.plan.inventory import Inventory
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.remote.errors import PlaceError, Trouble
from imagemake.store.remote.storage import Storage
from imagemake.store.store import Store, StoredFile
from imagemake.store.team import team_cache as exchange_module
from imagemake.store.team.asking import keys_of_team, unshared_words
from imagemake.store.team.origin_record import OriginRecord, image_name, note_bytes, note_name, read_note
from imagemake.store.team.team_store import TeamStore
from imagemake.versions import audit


@pytest.fixture
def server(stand_in: FakeOpenAI) -> FakeOpenAI:
    stand_in.renew(Settings(any_size=True, batches=BatchSettings(duration_s=0.1)))
    return stand_in


@dataclass
class Till:
    """What a test's calls were billed for."""

    server: FakeOpenAI
    before: int

    @property
    def billed_calls(self) -> int:
        return self.server.totals().billed_calls - self.before


@pytest.fixture
def till(server: FakeOpenAI) -> Till:
    return Till(server, server.totals().billed_calls)


@pytest.fixture
def team(tmp_path: Path) -> Storage:
    """The team's place."""
    return Storage(f"memory://team-{tmp_path.name}", timeout_s=5)


@pytest.fixture
def build(server: FakeOpenAI, team: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds in a project of its own name, as a job does."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")

    def run(project: str, n: int = 3, mode: str = "sync", **store: Any) -> list[Item]:
        given = JobSettings(
            {
                "campaign": "c",
                "model": {
                    "provider": "openai",
                    "name": "gpt-image-2",
                    "base_url": server.base_url,
                    "identity": "here",
                    "key_from": "OPENAI_API_KEY",
                }
                | {"mode": mode},
                "limits": {"first_wait_s": 0.02, "longest_wait_s": 0.1},
                "store": {"remote": team.address, **store},
            }
        )
        folder = tmp_path / project
        return generate_for_job(items(n), given, job="j", calls=4, store=folder / "store", work=folder / "work")

    return run


def items(n: int = 3) -> list[Item]:
    parameters = {"size": "64x64", "quality": "low"}
    recipes = [Recipe("openai", "gpt-image-2", f"p{i}", 0, parameters, endpoint="here") for i in range(n)]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


def image_of(name: str) -> bytes:
    """An image that no other name has."""
    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (8, 8), tuple(name.encode()[:3])).save(buffer, "PNG")
    return buffer.getvalue()


def store_of(tmp_path: Path, project: str) -> Store:
    return Store(tmp_path / project / "store")


def unshared(tmp_path: Path, project: str) -> set[str]:
    return {path.name for path in store_of(tmp_path, project).unshared.glob("[0-9a-f]*")}


@pytest.mark.parametrize("second", ["sync", "batch"])
@pytest.mark.parametrize("first", ["sync", "batch"])
def test_what_one_paid_for_nobody_else_in_the_team_pays_for(build, till, team, tmp_path, first, second):
    made = build("ann", mode=first)
    assert all(item.raw for item in made)
    paid = till.billed_calls
    assert paid == 3
    got = build("bob", mode=second)
    assert till.billed_calls == paid
    assert [item.raw for item in got] == [item.raw for item in made]
    assert unshared(tmp_path, "ann") == unshared(tmp_path, "bob") == set()
    assert len(team.list()) == 6, "a note and an image each, put there once"


def test_the_journal_says_where_an_image_came_from_and_that_nothing_was_paid(build, tmp_path):
    build("ann")
    build("bob")
    paid = {call.sent["key"]: call.closed for call in read_calls(store_of(tmp_path, "ann").journal_folder)}
    got = list(read_calls(store_of(tmp_path, "bob").journal_folder))
    assert {call.outcome for call in got} == {Outcome.SHARED}
    for call in got:
        theirs = paid[call.sent["key"]]
        assert call.closed["cost_usd"] == call.sent["worst_usd"] == 0
        assert call.closed["digest"] == theirs["digest"]
        assert call.closed["request_id"] == theirs["request_id"]
        assert call.closed["origin"]["generated_at"] == theirs["at"]
        assert call.closed["origin"]["cost_usd"] == theirs["cost_usd"] > 0
        assert call.closed["origin"]["store"].startswith("memory://team-")
    assert audit.cost_of(got) == 0, "not unknown"
    assert all(audit.call_facts(call)["origin"]["cost_usd"] > 0 for call in got)
    history = Inventory(store_of(tmp_path, "bob"), tmp_path / "bob" / "work").journal.keys.get(items()[0].key)
    assert history.was_made
    assert history.unknown == 0


def test_a_member_without_a_key_of_the_provider_builds_what_the_team_has(build, monkeypatch):
    build("ann")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert all(item.raw for item in build("bob"))


def test_only_what_the_team_lacks_is_paid_for(build, till):
    build("ann", n=2)
    build("bob", n=5)
    assert till.billed_calls == 5
    build("ann", n=5)
    assert till.billed_calls == 5


def spoil(team: Storage, how: str) -> None:
    """Let the team store lie about every image."""
    for name in team.list():
        if not name.endswith(".json"):
            continue
        data = team.get(name, 10**6) or b""
        origin = orjson.loads(data)
        image = image_name(StoredFile(origin["key"], origin["digest"], origin["extension"]))
        whole = team.get(image, 10**7) or b""
        match how:
            case "other bytes":
                team.put(image, b"x" + whole[1:], "image/png")
            case "truncated":
                team.put(image, whole[:-20], "image/png")
            case "longer":
                team.put(image, whole + b"more", "image/png")
            case "gone":
                team.delete(image)
            case "half an image that fits its note":
                half = whole[: len(whole) // 2]
                digest = hashlib.sha256(half).hexdigest()
                team.put(image_name(StoredFile(origin["key"], digest, "png")), half, "image/png")
                team.put(name, orjson.dumps({**origin, "digest": digest, "bytes": len(half)}), "application/json")
            case "no image at all":
                page = b"<html>log in first</html>"
                digest = hashlib.sha256(page).hexdigest()
                team.put(image_name(StoredFile(origin["key"], digest, "png")), page, "image/png")
                team.put(name, orjson.dumps({**origin, "digest": digest, "bytes": len(page)}), "application/json")
            case "recipe of another key":
                other = {**origin["recipe"], "prompt": "another"}
                team.put(name, orjson.dumps({**origin, "recipe": other}), "application/json")
            case "note of another key":
                team.put(name, orjson.dumps({**origin, "key": "0" * 64}), "application/json")
            case "path in the note":
                team.put(name, orjson.dumps({**origin, "extension": "/../x"}), "application/json")
            case "no note":
                team.put(name, b"\xff{", "application/json")
            case _:
                raise AssertionError(how)


@pytest.mark.parametrize(
    "how",
    [
        "other bytes",
        "truncated",
        "longer",
        "gone",
        "half an image that fits its note",
        "no image at all",
        "recipe of another key",
        "note of another key",
        "path in the note",
        "no note",
    ],
)
def test_a_store_that_lies_costs_a_warning_and_a_call_and_is_put_right(build, till, team, tmp_path, capfd, how):
    build("ann")
    spoil(team, how)
    made = build("bob")
    assert till.billed_calls == 6
    content_store = store_of(tmp_path, "bob").raw
    assert all(content_store.read(item.raw).startswith(b"\x89PNG") for item in made)
    assert len(list(content_store.all())) == 3, "nothing of what came from there was kept"
    assert "is not used" in capfd.readouterr().err
    build("cid")
    assert till.billed_calls == 6, "who was lied to puts right what is there"


class Troubled(Storage):
    """Fails at what is asked of it, and counts how often it was asked."""

    trouble: Trouble | None = None
    reads = writes = True
    asked = 0

    def _fails(self) -> None:
        type(self).asked += 1
        if self.trouble is not None:
            raise PlaceError(self.trouble, self.address, self.trouble.value)

    def get(self, name: str, max_bytes: int) -> bytes | None:
        if self.reads:
            self._fails()
        return super().get(name, max_bytes)

    def put(self, name: str, data: bytes, content_type: str, cache_control: str | None = None) -> str | None:
        if self.writes:
            self._fails()
        return super().put(name, data, content_type, cache_control)


@pytest.fixture
def troubled(monkeypatch: pytest.MonkeyPatch) -> type[Troubled]:
    class Own(Troubled):
        pass

    monkeypatch.setattr("imagemake.store.team.team_store.Storage", Own)
    return Own


@pytest.mark.parametrize("trouble", [Trouble.DENIED, Trouble.MISSING, Trouble.UNREACHABLE, Trouble.SLOW, Trouble.FULL])
def test_a_store_in_trouble_costs_a_warning_and_is_not_asked_for_ever(build, till, troubled, capfd, trouble):
    troubled.trouble = trouble
    made = build("ann", n=40)
    assert all(item.raw for item in made)
    assert till.billed_calls == 40
    told = capfd.readouterr().err
    assert told.count("Warning") == 2, "one for reading, one for writing"
    assert troubled.asked <= 2 * 16 + 4, "no more than were under way when it was given up"


def test_a_folder_that_is_not_mounted_is_told_and_not_made(build, till, tmp_path, capfd, monkeypatch):
    place = {"remote": f"file://{tmp_path}/mounted/team"}
    settings, told = SharedStore(**place), []
    assert keys_of_team(settings, [item.recipe for item in items()], told.append) == set()
    assert "the folder does not exist. Mount it" in told[0]
    build("ann", **place)
    assert "Warning: the team store is not used" in capfd.readouterr().err
    assert not (tmp_path / "mounted").exists()
    assert len(unshared(tmp_path, "ann")) == 3, "they are shared once it is there"
    (tmp_path / "mounted" / "team").mkdir(parents=True)
    monkeypatch.setattr(exchange_module, "YOUNG_S", -1.0)
    build("ann", n=4, **place)
    build("bob", n=4, **place)
    assert till.billed_calls == 4


def test_what_could_not_be_put_there_is_made_up_for_by_the_next_job(build, till, troubled, team, tmp_path, monkeypatch):
    troubled.trouble, troubled.reads = Trouble.FULL, False
    build("ann")
    keys = {item.key for item in items()}
    assert unshared(tmp_path, "ann") == keys
    settings = SharedStore(remote=team.address)
    assert unshared_words(settings, store_of(tmp_path, "ann"))[0].startswith(
        "3 images of this store are not in the team store yet"
    )
    troubled.trouble = None
    monkeypatch.setattr(exchange_module, "YOUNG_S", -1.0)
    build("ann", n=4)
    assert unshared(tmp_path, "ann") == set()
    assert unshared_words(settings, store_of(tmp_path, "ann")) == []
    build("bob", n=4)
    assert till.billed_calls == 4


def test_who_may_only_read_saves_money_all_the_same(build, till, troubled):
    build("ann")
    troubled.trouble, troubled.reads = Trouble.DENIED, False
    assert all(item.raw for item in build("bob"))
    assert till.billed_calls == 3


def test_a_kill_between_the_image_and_the_team_loses_neither(build, till, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(TeamStore, "put", lambda *args: False)  # as if the process had died before
        build("ann")
    assert len(unshared(tmp_path, "ann")) == 3
    monkeypatch.setattr(exchange_module, "YOUNG_S", -1.0)
    build("ann", n=4)
    build("bob", n=4)
    assert till.billed_calls == 4


def test_prompts_stay_out_of_the_teams_store_where_they_are_to(build, till, team):
    build("ann", remote_recipes=False)
    notes = [team.get(name, 10**6) or b"" for name in team.list() if name.endswith(".json")]
    assert len(notes) == 3
    for origin in notes:
        assert set(orjson.loads(origin)) == {
            *("version", "key", "digest", "extension", "bytes"),
            *("generated_at", "request_id", "cost_usd"),
        }
    build("bob")
    assert till.billed_calls == 3, "an image without a recipe beside it is used by its digest"


def test_a_note_holds_nothing_of_campaign_catalog_or_machine(build, team):
    build("ann")
    for name in team.list():
        if name.endswith(".json"):
            told = orjson.loads(team.get(name, 10**6) or b"")
            assert set(told) - {"recipe"} == {
                *("version", "key", "digest", "extension", "bytes"),
                *("generated_at", "request_id", "cost_usd"),
            }
            assert told["recipe"] in [item.recipe.as_dict() for item in items()]


def test_two_who_put_a_key_there_at_the_same_moment_leave_one_that_everybody_can_use(team):
    images = {name: image_of(name) for name in ("ann", "bob")}
    together = threading.Barrier(2)

    def put(name: str) -> None:
        store = TeamStore(SharedStore(remote=team.address), team, pytest.fail)
        for item in items(20):
            stored = StoredFile(item.key, hashlib.sha256(images[name]).hexdigest(), "png")
            together.wait()
            assert store.put(images[name], OriginRecord(stored, len(images[name])), item.recipe.as_dict())

    threads = [threading.Thread(target=put, args=[name]) for name in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = TeamStore(SharedStore(remote=team.address), team, pytest.fail)
    found = [reader.fetch(item.key) for item in items(20)]
    assert all(one is not None and one[0] in images.values() for one in found)


def test_two_images_of_one_key_do_no_harm_and_the_first_note_holds(team):
    store = TeamStore(SharedStore(remote=team.address), team, pytest.fail)
    recipe = items()[0].recipe
    images = [image_of("ann"), image_of("bob")]
    stored = [StoredFile(recipe.key(), hashlib.sha256(data).hexdigest(), "png") for data in images]
    for data, one in zip(images, stored, strict=True):
        assert store.put(data, OriginRecord(one, len(data)), recipe.as_dict())
    assert read_note(team.get(note_name(recipe.key()), 10**6) or b"", recipe.key()).stored == stored[0]


def test_a_plan_says_which_images_the_team_has_and_warns_where_it_cannot_ask(build, team, monkeypatch):
    build("ann", n=2)
    settings = SharedStore(remote=team.address)
    recipes = [item.recipe for item in items(4)]
    warned: list[str] = []
    assert keys_of_team(settings, recipes, warned.append) == {recipe.key() for recipe in recipes[:2]}
    monkeypatch.setattr("imagemake.store.team.team_store.FEW_KEYS", 3)
    assert keys_of_team(settings, recipes, warned.append) == {recipe.key() for recipe in recipes[:2]}, "by a listing"
    assert warned == []
    assert keys_of_team(SharedStore(remote="nobody-speaks-it://x"), recipes, warned.append) == set()
    assert "the team store is not used" in warned[0]
    drawn = [Recipe("preview", "preview-1", "p", 0)]
    assert keys_of_team(SharedStore(remote="nobody-speaks-it://x"), drawn, pytest.fail) == set(), "what is free"
    assert keys_of_team(SharedStore(), recipes, pytest.fail) == set()


NOTED = OriginRecord(StoredFile("a" * 64, "b" * 64, "png"), 5, "2026-11-25T10:00:00.000Z", "req_1", 0.04)


def test_a_note_is_read_as_it_was_written():
    assert read_note(note_bytes(NOTED, None), "a" * 64) == NOTED
    recipe = items()[0].recipe
    stored = StoredFile(recipe.key(), "b" * 64, "png")
    assert read_note(note_bytes(OriginRecord(stored, 5), recipe.as_dict()), recipe.key()) == OriginRecord(stored, 5)


@pytest.mark.parametrize(
    "facts",
    [
        {"generated_at": "yesterday"},
        {"generated_at": 7},
        {"request_id": "\x1b[2J"},
        {"request_id": ["x"]},
        {"cost_usd": -1},
        {"cost_usd": "1"},
        {"cost_usd": True},
        {"cost_usd": 1e300},
    ],
)
def test_what_a_note_tells_of_a_call_is_left_out_where_it_cannot_be(facts):
    (name,) = facts
    told = {**orjson.loads(note_bytes(NOTED, None)), **facts}
    assert getattr(read_note(orjson.dumps(told), "a" * 64), name) is None


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["version", "key", "digest", "extension", "bytes", "recipe"]),
        st.sampled_from([1, -1, None, "a" * 64, "png", "../x", True, 5.0, [], {"recipe": 1}, {"é": 1}, 10**12]),
    ).map(orjson.dumps)
)
def test_any_note_is_read_or_refused_with_a_reason(data):
    try:
        origin = read_note(data, "a" * 64)
    except ValueError as error:
        assert str(error)
    else:
        assert image_name(origin.stored) == f"raw/aa/{'a' * 64}.{origin.stored.digest}.{origin.stored.extension}"
