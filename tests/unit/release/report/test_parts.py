"""A large contact sheet: small files that tell all there is, and that change only with their requests."""

import html
import json
import re
from dataclasses import replace

import pytest
from entries import an_attempt, an_entry, without_image
from pages import write_page

from imagemake.release.manifest.chunks import chunk
from imagemake.release.metrics.metrics import metrics_of
from imagemake.release.report import contact_sheet, parts
from imagemake.release.report.parts import LISTED

JPEG = b"\xff\xd8\xff\xe0 and so on"
N = 60


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write the page of some requests in small parts, and return its bytes and theirs."""
    monkeypatch.setattr(contact_sheet, "MOST_IN_ONE_FILE", 20)
    for where, names in ((chunk, {"MEAN": 64, "MOST": 128}), (parts, {"IN_CARDS": 8, "MOST_IN_CARDS": 20})):
        for name, n in names.items():
            monkeypatch.setattr(where, name, n)

    def write(entries, thumbnails=None, max_thumbnails=100):
        path = tmp_path / "index.html"
        metrics = metrics_of(entries)
        write_page(path, entries, metrics, title="t", thumbnails=thumbnails or {}, max_thumbnails=max_thumbnails)
        files = (one for one in tmp_path.rglob("*") if one.is_file())
        return {str(one.relative_to(tmp_path)): one.read_bytes() for one in files}

    return write


def many(n=N):
    return [an_entry(f"mug-{number}", prompt=f"A mug, number {number}") for number in range(n)]


def data_of(page: bytes):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.decode(), re.DOTALL)[1])


def told(files):
    """All facts that the page of these files can show, as it puts them together."""
    found = []
    for address in data_of(files["index.html"])["lists"]:
        for group in data_of(files[address]):
            rest = data_of(files[group["cards"]])
            found += [listed | facts for listed, facts in zip(group["entries"], rest, strict=True)]
    return found


def test_the_parts_tell_of_each_request_what_a_page_in_one_file_tells(written, monkeypatch):
    entries = [*many(), without_image("pot", "refused", reasons=("refused: no",), history=(an_attempt(0),))]
    files = written(entries)
    monkeypatch.setattr(contact_sheet, "MOST_IN_ONE_FILE", len(entries))
    whole = written(entries)
    assert told(files) == data_of(whole["index.html"])["entries"]
    assert whole.keys() == {"index.html"}, "the parts are gone when the page needs none"


def test_the_first_file_tells_nothing_of_single_requests(written):
    files = written(many())
    assert set(data_of(files["index.html"])) == {"words", "variables", "references", "lists"}
    assert b"mug-7" not in files["index.html"]


def test_lists_have_all_that_filters_orders_and_searches_need(written):
    files = written([*many(), an_entry("z", references=("image:mug-1",), reference_digests=("d" * 64,))])
    listed = [
        one
        for address in data_of(files["index.html"])["lists"]
        for group in data_of(files[address])
        for one in group["entries"]
    ]
    assert [one["name"] for one in listed] == [*(f"mug-{number}" for number in range(N)), "z"], "as people sort"
    assert {"verdict", "prompt", "spent_usd", "variables", "catalog_row"} <= listed[0].keys() <= set(LISTED)
    assert listed[-1]["family"] == ["mug-1", 1]


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_change_of_one_request_writes_its_list_and_its_cards_and_no_other_part(written, change):
    entries = many(600)
    before = written(entries)
    changed = list(entries)
    match change:
        case "edit":
            changed[300] = replace(entries[300], prompt="A teapot", key="0" * 64)
        case "add":
            changed.insert(301, an_entry("mug-300-b"))
        case "remove":
            del changed[300]
    after = written(changed)
    assert len(before) > 10
    assert sorted(name[:11] for name in after.keys() - before.keys()) == ["index/cards", "index/list-"]
    assert len(before.keys() - after.keys()) == 2
    assert all(after[name] == data for name, data in before.items() if name in after and name != "index.html")


def test_no_part_has_many_requests(written):
    files = written(many(1_000))
    lists = [data_of(files[address]) for address in data_of(files["index.html"])["lists"]]
    assert max(sum(len(group["entries"]) for group in one) for one in lists) <= 128
    assert max(len(group["entries"]) for one in lists for group in one) <= 20


def test_thumbnails_are_files_that_the_lists_and_cards_name(written):
    entries = [*many(), an_entry("bad", verdict="rejected", file=None, history=(an_attempt(0),))]
    files = written(entries, {"mug-0": JPEG, "bad": JPEG + b"1", "bad@0": JPEG + b"2"}, 3)
    cards = {one["name"]: one for one in told(files)}
    shown = [cards["mug-0"]["thumbnail"], cards["bad"]["thumbnail"], cards["bad"]["history"][0]["thumbnail"]]
    assert [files[address] for address in shown] == [JPEG, JPEG + b"1", JPEG + b"2"]
    assert {name for name in files if "thumbnails" in name} == set(shown)
    assert not any("thumbnails" in name for name in written(entries)), "those of earlier pages are deleted"


def test_hostile_text_ends_no_script_element_and_changes_no_script_of_a_part(written):
    hostile = "</script><script>alert(1)</script><!--"
    calm, files = written(many()), written([*many(), an_entry(hostile, file=None, prompt=hostile, reasons=(hostile,))])
    assert told(files)[0]["prompt"] == hostile
    for name in files.keys() - {"index.html"}:
        start, data, end = re.fullmatch(r'(.*id="data">)(.*?)(</script>.*)', files[name].decode(), re.DOTALL).groups()
        assert not re.search("[<>&]", data)
        assert any(one.startswith(start.encode()) and one.endswith(end.encode()) for one in calm.values())
        assert "default-src 'none'; script-src 'sha256-" in html.unescape(start)


def test_only_a_page_with_parts_opens_frames_and_only_local_ones(written):
    policy = "frame-src 'self' file:;"
    assert policy in written(many())["index.html"].decode()
    assert "frame-src" not in written(many(3))["index.html"].decode().partition("</head>")[0].partition("<style>")[0]
