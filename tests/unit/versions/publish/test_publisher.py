"""Publishing: objects, order, names, and the effects of an interruption or of other writers."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from entries import an_entry
from hypothesis import given
from hypothesis import strategies as st

from imagemake.cli.main import main
from imagemake.config.remotes import LONG_LIVED, SHORT_LIVED, Publish
from imagemake.core.problems import UserError
from imagemake.release.manifest.tables import read_manifest, write_manifest
from imagemake.release.published_name import digest_name
from imagemake.store.remote.errors import PlaceError, Trouble
from imagemake.store.remote.storage import ListedObject, Storage
from imagemake.versions.publish import names
from imagemake.versions.publish.names import PublishedNames
from imagemake.versions.publish.objects import Object, SendOrder, content_type_of, objects_of
from imagemake.versions.publish.plan import plan_publish
from imagemake.versions.publish.publisher import Publisher
from imagemake.versions.publish.record import NAME, SentFile, is_safe, read_record, record_parts


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two released images and a configured remote."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    config = f"{{campaign: c, catalog: c.csv, prompt: p, name: n, publish: {{url: 'file://{tmp_path}/there'}}}}"
    (tmp_path / "config" / "config.yaml").write_text(config)
    release(tmp_path, a=b"image a", b=b"image b")
    return tmp_path


def release(project: Path, *, missing: tuple[str, ...] = (), **images: bytes) -> None:
    """Write a release."""
    folder = project / "results" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    entries = []
    for name, data in images.items():
        (folder / f"{name}.jpg").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        entries.append(an_entry(name, file=f"images/{name}.jpg", digest=digest))
    entries += [an_entry(name, verdict="review", file=None, digest=None) for name in missing]
    write_manifest(entries, project / "results" / "manifest.csv", project / "results" / "manifest.parquet")
    links = {name: f"images/{name}.jpg" for name in images}
    (project / "results" / "index.html").write_bytes(b"<script>" + orjson.dumps(links) + b"</script>")
    (project / "results" / "review.csv").write_text("for us\n")
    (project / "results" / "images.dvc").write_text("for DVC\n")


def publish(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> str:
    """Run the command, and return its output."""
    with pytest.raises(SystemExit) as ended:
        main(["publish", *arguments])
    told = capsys.readouterr()
    assert ended.value.code == expect, told
    return told.out + told.err


def there(project: Path) -> dict[str, bytes]:
    root = project / "there"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def published_name(name: str, data: bytes) -> str:
    return f"images/{name}.{hashlib.sha256(data).hexdigest()[:12]}.jpg"


def test_every_link_of_a_published_release_leads_to_what_it_says(project, capsys):
    publish(capsys)
    found = there(project)
    names = {"a": published_name("a", b"image a"), "b": published_name("b", b"image b")}
    assert set(found) == {*names.values(), "manifest.csv", "manifest.parquet", "index.html", NAME}
    rows = list(csv.DictReader(io.StringIO(found["manifest.csv"].decode("utf-8-sig"))))
    assert {row["name"]: row["file"] for row in rows} == names
    assert orjson.loads(found["index.html"][8:-9]) == names

    import pandas as pd

    table = pd.read_parquet(project / "there" / "manifest.parquet")
    assert dict(zip(table["name"], table["file"], strict=True)) == names
    own = pd.read_parquet(project / "results" / "manifest.parquet")
    assert table.drop(columns="file").equals(own.drop(columns="file"))
    assert list(table.dtypes) == list(own.dtypes)
    assert read_manifest(project / "results" / "manifest.csv")[0]["file"] == "images/a.jpg", "ours stays as it is"


def test_plain_names_are_those_of_the_release_byte_for_byte(project, capsys):
    config = project / "config" / "config.yaml"
    config.write_text(config.read_text().replace("publish: {", "publish: {names: plain, "))
    publish(capsys)
    own = {str(path.relative_to("results")): path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}
    found = there(project)
    assert {name: data for name, data in found.items() if name != NAME} == {
        name: data for name, data in own.items() if name not in ("review.csv", "images.dvc")
    }


def test_what_is_gone_from_a_release_stays_until_it_is_pruned_and_nothing_of_others_goes(project, capsys):
    publish(capsys)
    (project / "there" / "images" / "theirs.jpg").write_bytes(b"not ours")
    release(project, a=b"image a")
    assert "Kept 1 file of earlier releases" in publish(capsys)
    gone = published_name("b", b"image b")
    assert gone in there(project)
    assert f"delete                  {gone}" in publish(capsys, "--prune", "--dry-run")
    assert gone in there(project), "a dry run deletes nothing"
    publish(capsys, "--prune")
    assert gone not in there(project)
    assert "images/theirs.jpg" in there(project)
    assert "nothing to send" in publish(capsys, "--prune")


def test_an_image_that_somebody_spoiled_there_is_sent_again(project, capsys):
    publish(capsys)
    name = published_name("a", b"image a")
    (project / "there" / name).write_bytes(b"spoiled there")
    assert "1 file, 7 bytes, sent" in publish(capsys)
    assert there(project)[name] == b"image a"


def test_an_incomplete_release_is_refused_and_told_why_unless_it_is_meant(project, capsys):
    release(project, a=b"image a", missing=("b", "c"))
    told = publish(capsys, expect=2)
    assert "2 of 3 images are missing: 2 review" in told
    assert "--incomplete" in told
    assert not (project / "there").exists()
    publish(capsys, "--incomplete")


@pytest.mark.parametrize("fault", ["the image differs from the manifest", "but it is missing"])
def test_a_release_that_is_not_what_its_manifest_says_is_refused(project, capsys, fault):
    path = project / "results" / "images" / "a.jpg"
    path.write_bytes(b"another") if "image" in fault else path.unlink()
    assert fault in publish(capsys, expect=2)
    assert not (project / "there").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scope", "pilot"], "no release found"),
        (["s3://user:secret@bucket/x"], "where secrets could be"),
        (["--config", "nowhere.yaml"], "No such file"),
    ],
)
def test_a_users_mistake_is_told_in_words(project, capsys, arguments, words):
    told = publish(capsys, *arguments, expect=2)
    assert words in told
    assert "secret@" not in told


def test_a_pilot_goes_below_the_address_and_the_full_release_leaves_it_alone(project, capsys):
    Path("results").rename("pilot")
    (project / "results").mkdir()
    Path("pilot").rename("results/pilot")
    publish(capsys, "--scope", "pilot")
    assert "pilot/manifest.csv" in there(project)
    release(project, a=b"image a")
    publish(capsys, "--prune")
    assert {"pilot/manifest.csv", "manifest.csv"} <= set(there(project))


def test_a_broken_record_costs_a_warning_and_nothing_is_deleted(project, capsys):
    publish(capsys)
    before = set(there(project))
    (project / "there" / NAME).write_bytes(b"{")
    release(project, a=b"image a")
    told = publish(capsys, "--prune")
    assert "is not a valid publish record" in told
    assert before == set(there(project))


def test_ctrl_c_ends_in_words_and_the_next_publish_sends_the_rest(project, capsys, monkeypatch):
    put = Storage.put

    def interrupted(self, name, *arguments):
        if name.startswith("images/b"):
            raise KeyboardInterrupt
        return put(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", interrupted)
        assert "The files sent so far stay" in publish(capsys, expect=130)
    assert "manifest.csv" not in there(project)
    done = publish(capsys)
    assert "4 files" in done
    assert "1 were up to date" in done


class Failing(Storage):
    """Rejects files whose names have a prefix."""

    bad = ""

    def put(self, name: str, content: Any, content_type: str, cache_control: str | None = None) -> str | None:
        if self.bad and name.startswith(self.bad):
            raise PlaceError(Trouble.DENIED, self.address, "denied")
        return super().put(name, content, content_type, cache_control)


@pytest.mark.parametrize("bad", ["images/", "index", "manifest.p", "manifest.c", NAME])
def test_whatever_is_denied_the_manifest_there_leads_to_what_is_there(project, bad):
    settings = Publish()
    digests = {row["file"]: row["digest"] for row in read_manifest(Path("results/manifest.csv"))}
    place = Failing(f"memory://{project.name}-{len(bad)}", timeout_s=5)

    def send() -> None:
        publisher = Publisher(place, settings, lambda _: None)
        publisher.send(publisher.plan(objects_of(Path("results"), settings, digests.items())), lambda _: None)

    send()
    release(project, a=b"another a", c=b"image c")
    digests = {row["file"]: row["digest"] for row in read_manifest(Path("results/manifest.csv"))}
    place.bad = bad
    with pytest.raises(PlaceError):
        send()
    rows = csv.DictReader(io.StringIO((place.get("manifest.csv", 10**6) or b"").decode("utf-8-sig")))
    for row in rows:
        data = place.get(row["file"], 10**6)
        assert data is not None
        assert hashlib.sha256(data).hexdigest() == row["digest"]
    place.bad = ""
    send()
    assert b'"c"' in (place.get("manifest.csv", 10**6) or b"")


def test_a_file_that_changes_while_it_is_sent_replaces_nothing(tmp_path):
    place = Storage(f"file://{tmp_path}/there", timeout_s=5)
    place.put("table.csv", b"whole", "text/csv")
    (tmp_path / "table.csv").write_bytes(b"a\n" * 1_000_000)
    one = Object("table.csv", hashlib.sha256(b"as it was").hexdigest(), 9, "text/csv", False, tmp_path, "table.csv")
    with pytest.raises(UserError, match="changed during the publish"):
        place.put("table.csv", one.parts, "text/csv")
    assert place.get("table.csv", 9) == b"whole"


def an_object(name: str, data: bytes = b"x") -> Object:
    digest = hashlib.sha256(data).hexdigest()
    return Object(name, digest, len(data), content_type_of(name), name.startswith("images/"), Path(), name)


def in_table(published: PublishedNames, name: str, data: bytes) -> bytes:
    return b"".join(published.table(name, io.BytesIO(data)))


def test_names_are_replaced_in_every_block_of_a_large_table(monkeypatch):
    monkeypatch.setattr(names, "_BLOCK_BYTES", 5)
    published = PublishedNames({"images/a.jpg": "images/a.123.jpg"})
    lines = [b'"images/a.jpg",1', b'"images/b.jpg",2', b"", b'"images/a.jpg"']
    replaced = [line.replace(b"/a.", b"/a.123.") for line in lines]
    for end in (b"", b"\n"):
        assert in_table(published, "manifest.csv", b"\n".join(lines) + end) == b"\n".join(replaced) + end


def test_new_images_go_before_replaced_ones_tables_after_images_the_page_after_its_parts_and_the_manifest_last():
    names = ("images/a.jpg", "images/b.jpg", "index.html", "index/list-1.html", "manifest.csv", "z.json")
    objects = [an_object(name) for name in names]
    due = plan_publish(objects, {"images/a.jpg": ListedObject(5)}, {}, lambda one, there: False)
    assert [(turn, one.name) for turn, one, _ in due.send] == [
        (SendOrder.NEW_IMAGE, "images/b.jpg"),
        (SendOrder.REPLACED_IMAGE, "images/a.jpg"),
        (SendOrder.TABLE, "index/list-1.html"),
        (SendOrder.TABLE, "z.json"),
        (SendOrder.PAGE, "index.html"),
        (SendOrder.MANIFEST, "manifest.csv"),
    ]


@pytest.mark.parametrize(
    ("listed", "sent", "is_there"),
    [
        (ListedObject(1, "e"), SentFile(an_object("a").digest, "e"), True),
        (ListedObject(1, "e"), SentFile("0" * 64, "e"), False),
        (ListedObject(2, "e"), SentFile(an_object("a").digest, "e"), False),
        (ListedObject(1, "other"), SentFile(an_object("a").digest, "e"), None),
        (ListedObject(1, "e"), SentFile(an_object("a").digest, None, is_complete=False), None),
        (ListedObject(1), SentFile(an_object("a").digest), True),
        (ListedObject(1), SentFile(an_object("a").digest, is_complete=False), None),
        (ListedObject(1), None, None),
        (None, SentFile(an_object("a").digest), False),
    ],
    ids=str,
)
def test_what_is_there_is_known_by_record_and_listing_and_else_by_its_content(listed, sent, is_there):
    asked = []

    def is_whole(one: Object, there: ListedObject) -> bool:
        asked.append(one)
        return True

    due = plan_publish([an_object("a")], {"a": listed} if listed else {}, {"a": sent} if sent else {}, is_whole)
    assert bool(asked) == (is_there is None)
    assert bool(due.same) == (is_there is not False)


def test_what_somebody_else_wrote_over_ours_is_not_deleted():
    due = plan_publish(
        [],
        {"a": ListedObject(1, "theirs"), "b": ListedObject(1, "e")},
        {"a": SentFile("0" * 64, "e"), "b": SentFile("0" * 64, "e")},
        lambda *_: True,
    )
    assert (due.superseded, due.foreign) == (["b"], ["a"])


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a//b", "", ".imagemake/published.json", "a/./b", "a/"])
def test_a_record_cannot_lead_a_deletion_out_of_the_release(name):
    assert not is_safe(name)
    assert read_record(orjson.dumps({"version": 1, "files": {name: {"digest": "0" * 64, "sure": True}}})) == {}


@given(
    st.dictionaries(
        st.text("ab/.é", min_size=1).filter(is_safe),
        st.builds(SentFile, st.just("0" * 64), st.none() | st.just("e"), st.booleans()),
    )
)
def test_a_record_is_read_as_it_was_written(files):
    assert read_record(b"".join(record_parts(files))) == files


@given(
    st.binary(max_size=50)
    | st.recursive(
        st.none() | st.text() | st.integers(-(2**63), 2**63 - 1),
        lambda inner: st.dictionaries(st.sampled_from(["version", "files", "a"]), inner),
    ).map(orjson.dumps)
)
def test_any_record_is_read_or_refused(data):
    try:
        read_record(data)
    except ValueError as error:
        assert "not a valid publish record" in str(error)


NAMES = st.text("aZ09_-.é", min_size=1, max_size=12).filter(lambda name: name.strip("."))


@given(st.lists(NAMES, min_size=1, unique=True), st.text(max_size=30))
def test_only_whole_names_between_quotes_are_replaced(names, text):
    published = {f"images/{name}.jpg": digest_name(f"images/{name}.jpg", "0" * 64) for name in names}
    data = orjson.dumps([text, {"file": list(published), "told": f"see images/{names[0]}.jpg"}])
    told = orjson.loads(in_table(PublishedNames(published), "x.json", data))
    assert told == [published.get(text, text), {"file": list(published.values()), "told": f"see images/{names[0]}.jpg"}]


def test_a_table_beside_images_may_leave_their_folder_out():
    published = PublishedNames({"sheets/a.png": "sheets/a.0.png", "images/b.jpg": "images/b.1.jpg"})
    data = b'{"image":"a.png","other":"b.jpg","main":"images/b.jpg"}'
    assert in_table(published, "sheets/a.json", data) == b'{"image":"a.0.png","other":"b.jpg","main":"images/b.1.jpg"}'
    assert (
        in_table(published, "images/b.jpg.json", data) == b'{"image":"a.png","other":"b.1.jpg","main":"images/b.1.jpg"}'
    )


def test_files_of_an_export_keep_their_names_and_are_not_cached_for_long(tmp_path):
    for name in ("images/a.jpg", "exports/train/a.jpg", "exports/train/metadata.jsonl", "exports/train/shard.tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'{"file_name":"a.jpg"}')
    image, *exported = sorted(objects_of(tmp_path, Publish(), ()), key=lambda one: not one.is_image)
    assert image.name.startswith("images/a.")
    assert image.name != "images/a.jpg"
    assert [one.name for one in exported] == [
        f"exports/train/{name}" for name in ("a.jpg", "metadata.jsonl", "shard.tar")
    ]
    assert {one.cache_control(Publish()) for one in exported} == {"no-cache"}
    assert [one.content_type for one in exported] == ["image/jpeg", "application/jsonl", "application/x-tar"]
    assert b"".join(exported[1].parts()) == b'{"file_name":"a.jpg"}', "the name that the image has there"


def test_cache_headers_are_long_only_where_a_name_says_its_content():
    image, table = an_object("images/a.jpg"), an_object("manifest.csv")
    assert image.cache_control(Publish()) == LONG_LIVED
    assert image.cache_control(Publish(names="plain")) == SHORT_LIVED
    assert {table.cache_control(Publish()), table.cache_control(Publish(names="plain"))} == {"no-cache"}
    assert content_type_of("a/B.JPG") == "image/jpeg"
    assert content_type_of("a/b") == "application/octet-stream"
