"""Paths that a campaign names: nothing leaves the project, only images pass, and what was read is read once."""

import hashlib
import os

import pytest
from image_files import saved
from PIL import Image

from imagemake.core import file_stamp
from imagemake.images import source_files as image_files
from imagemake.images.source_files import BadSourceImageError, SourceImages

OLD_NS = 1_700_000_000_000_000_000


def png(color="red", size=(6, 4), mode="RGB"):
    return saved(Image.new(mode, size, color), "PNG", compress_level=0)  # equal sizes, whatever the color


@pytest.fixture
def folder(tmp_path):
    project = tmp_path / "project"
    (project / "refs").mkdir(parents=True)
    (tmp_path / "outside.png").write_bytes(png())
    return project


@pytest.fixture
def aged(monkeypatch):
    """Lets every file be old enough to be remembered."""
    monkeypatch.setattr(file_stamp, "RACY_NS", -(10**12))


def put(folder, name, data):
    (folder / name).write_bytes(data)
    return name


def problem(folder, path):
    with pytest.raises(BadSourceImageError) as caught:
        SourceImages(folder).get(path)
    assert caught.value.remedy
    return caught.value.what


def reads(monkeypatch):
    counted = []
    real = image_files.source_image_of
    monkeypatch.setattr(image_files, "source_image_of", lambda data: counted.append(len(data)) or real(data))
    return counted


def test_an_image_is_known_by_its_content(folder):
    data = png(size=(6, 4))
    found = SourceImages(folder).get(put(folder, "refs/a.png", data))
    assert found == (hashlib.sha256(data).hexdigest(), len(data), "png", 6, 4, False)


@pytest.mark.parametrize(
    ("data", "kind", "has_alpha"),
    [
        (saved(Image.new("RGB", (5, 3)), "JPEG"), "jpeg", False),
        (saved(Image.new("RGB", (5, 3)), "WEBP"), "webp", False),
        (saved(Image.new("RGBA", (5, 3)), "WEBP", exact=True), "webp", True),
        (png("#0000", (5, 3), "RGBA"), "png", True),
        (saved(Image.new("P", (5, 3)), "PNG", transparency=0), "png", True),
    ],
    ids=["jpeg", "webp", "webp alpha", "png alpha", "png palette"],
)
def test_the_bytes_say_what_it_is_and_not_the_name(folder, data, kind, has_alpha):
    found = SourceImages(folder).get(put(folder, "refs/any.txt", data))
    assert (found.format, found.width_px, found.height_px, found.has_alpha) == (kind, 5, 3, has_alpha)


def test_a_photo_counts_upright(folder):
    turned = Image.Exif()
    turned[0x0112] = 6
    found = SourceImages(folder).get(put(folder, "refs/a.jpg", saved(Image.new("RGB", (8, 2)), "JPEG", exif=turned)))
    assert (found.width_px, found.height_px) == (2, 8)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("", "empty"),
        ("/etc/passwd", "is not relative to"),
        ("~/a.png", "is not relative to"),
        ("C:/a.png", "is not relative to"),
        ("../outside.png", "leaves the project"),
        ("refs/../../outside.png", "leaves the project"),
        ("refs/..", "leaves the project"),
        ("refs\\a.png", "backslash"),
        ("refs/a\0.png", "control character"),
        ("refs/a\n.png", "control character"),
        ("refs/\ud800.png", "control character"),
        ("r" * 2000, "longer than 1,000"),
        ("refs/" + "r" * 300, "cannot be read"),
        ("refs/none.png", "there is no file 'refs/none.png'"),
        ("refs/none.png/a.png", "there is no file"),
        ("refs", "'refs' is a folder"),
        (".", "'.' is a folder"),
    ],
)
def test_no_path_leads_out_of_the_project_or_to_nothing(folder, path, what):
    assert what in problem(folder, path)


@pytest.mark.parametrize("link", ["refs/link.png", "refs/folder"])
def test_a_link_that_leads_out_is_refused(folder, link):
    target = folder.parent / ("outside.png" if link.endswith("png") else "")
    (folder / link).symlink_to(target)
    path = link if link.endswith("png") else f"{link}/outside.png"
    assert "is a link that leads out of the project" in problem(folder, path)


def test_a_link_within_the_project_is_fine(folder):
    put(folder, "refs/a.png", png())
    (folder / "refs" / "link.png").symlink_to("a.png")
    files = SourceImages(folder)
    assert files.get("refs/link.png") == files.get("refs/a.png")


def test_a_project_may_be_a_link_itself(folder, tmp_path):
    put(folder, "refs/a.png", png())
    (tmp_path / "door").symlink_to(folder)
    assert SourceImages(tmp_path / "door").get("refs/a.png").format == "png"


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "refs" / "pipe.png")
    assert "is not a file" in problem(folder, "refs/pipe.png")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"sk-secret-key\n", "it is not a"),
        (b"<svg/>", "text such as HTML, SVG"),
        (b"GIF89a" + bytes(40), "a GIF file"),
        (png()[:-9], "cut off"),
        (saved(Image.new("RGB", (64, 64), "red"), "JPEG")[:-200], "cut off"),
        (saved(Image.new("RGB", (64, 64), "red"), "WEBP")[:-20], "cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "cut off"),
        (b"RIFF\x04\0\0\0WEBP", "header of the webp file cannot be read"),
    ],
    ids=["empty", "secret", "svg", "gif", "png cut", "jpeg cut", "webp cut", "png header", "webp header"],
)
def test_what_is_no_whole_image_is_refused_by_its_bytes(folder, data, what):
    message = problem(folder, put(folder, "refs/a.png", data))
    assert what in message
    assert "secret" not in message


def test_a_huge_file_is_not_read_whole(folder):
    path = folder / "refs" / "huge.png"
    path.write_bytes(png())
    os.truncate(path, 10**12)  # sparse: it takes no room
    assert "more than 100 MB" in problem(folder, "refs/huge.png")


def test_a_file_that_many_rows_name_is_read_once(folder, monkeypatch):
    counted = reads(monkeypatch)
    files = SourceImages(folder)
    put(folder, "refs/a.png", png())
    assert len({files.get("refs/a.png") for _ in range(1000)}) == 1
    assert len(counted) == 1


def test_a_bad_path_is_looked_at_once(folder, monkeypatch):
    files = SourceImages(folder)
    for _ in range(2):
        with pytest.raises(BadSourceImageError):
            files.get("refs/a.png")
        put(folder, "refs/a.png", png())


def test_an_old_file_is_not_read_by_the_next_plan(folder, tmp_path, monkeypatch, aged):
    counted = reads(monkeypatch)
    put(folder, "refs/a.png", png())
    for _ in range(3):
        files = SourceImages(folder, cache=tmp_path / "cache.json")
        assert files.get("refs/a.png").width_px == 6
        files.save()
    assert len(counted) == 1


def test_a_file_as_young_as_the_clock_is_coarse_is_read_again(folder, tmp_path, monkeypatch):
    counted = reads(monkeypatch)
    put(folder, "refs/a.png", png())
    for _ in range(3):
        files = SourceImages(folder, cache=tmp_path / "cache.json")
        files.get("refs/a.png")
        files.save()
    assert len(counted) == 3


@pytest.mark.parametrize("keeps_time", [False, True])
def test_an_edit_is_seen_even_if_it_keeps_size_and_time(folder, tmp_path, aged, keeps_time):
    red, blue = png("red"), png("blue")
    assert len(red) == len(blue)
    path = folder / "refs" / "a.png"
    path.write_bytes(red)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    files = SourceImages(folder, cache=tmp_path / "cache.json")
    before = files.get("refs/a.png")
    files.save()
    path.write_bytes(blue)
    if keeps_time:
        os.utime(path, ns=(OLD_NS, OLD_NS))
    assert SourceImages(folder, cache=tmp_path / "cache.json").get("refs/a.png").digest != before.digest


def test_a_touched_or_replaced_file_of_equal_content_keeps_its_digest(folder, tmp_path, aged):
    path = folder / "refs" / "a.png"
    path.write_bytes(png())
    files = SourceImages(folder, cache=tmp_path / "cache.json")
    before = files.get("refs/a.png")
    files.save()
    os.utime(path, ns=(OLD_NS, OLD_NS))
    path.rename(folder / "refs" / "b.png")
    path.write_bytes(png())
    later = SourceImages(folder, cache=tmp_path / "cache.json")
    assert later.get("refs/a.png") == later.get("refs/b.png") == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 0}', b'{"version": 1, "files": {"a": [1]}}'])
def test_a_broken_cache_costs_reading_and_no_more(folder, tmp_path, content):
    put(folder, "refs/a.png", png())
    (tmp_path / "cache.json").write_bytes(content)
    assert SourceImages(folder, cache=tmp_path / "cache.json").get("refs/a.png").width_px == 6


def test_a_plan_keeps_what_it_found_whatever_happens_to_the_file(folder):
    put(folder, "refs/a.png", png("red"))
    found = SourceImages(folder)
    red = found.get("refs/a.png")
    plan = {path: list(image) for path, image in found.by_path.items()}
    put(folder, "refs/a.png", png("blue"))
    assert SourceImages(folder, planned=plan).get("refs/a.png") == red


def test_it_is_told_whether_paths_still_lead_to_the_same_content(folder):
    digest = SourceImages(folder).get(put(folder, "refs/a.png", png("red"))).digest
    assert SourceImages(folder).hold({"refs/a.png": digest})
    put(folder, "refs/a.png", png("blue"))
    assert not SourceImages(folder).hold({"refs/a.png": digest})
    (folder / "refs" / "a.png").unlink()
    assert not SourceImages(folder).hold({"refs/a.png": digest})
