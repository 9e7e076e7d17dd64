"""What one image or one measure does wrong stays with that image: no other one of the batch is lost."""

import errno
import hashlib
import os
import signal
import struct
import subprocess
import sys
import zlib
from itertools import zip_longest
from typing import ClassVar

import numpy as np
import pytest
from folders import REPOSITORY
from image_files import GRAY, PNG_SIGNATURE, RGB, chunk, png, saved
from PIL import Image

from imagemake.config.job_settings import name_of
from imagemake.config.outputs import Postprocess
from imagemake.config.validation import Validation
from imagemake.core.recipe import Recipe
from imagemake.images.decoded import decode_image
from imagemake.plugins.measures import Measure
from imagemake.plugins.measures.file import File
from imagemake.plugins.plugin import PluginSettings
from imagemake.stages.postprocess.job import Postprocessor
from imagemake.stages.validate import job as validate
from imagemake.stages.validate.job import load_measures, validate_apart, validate_batch
from imagemake.stages.validate.verdict import Status, flat, judge
from imagemake.store.items import Item, read_table, write_table
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache

GOOD = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
GOOD.paste("navy", (16, 20, 40, 50))


class Odd(Measure):
    """A measure that does to an image of a given width what a test wants."""

    version: ClassVar[int] = 1
    quantities: ClassVar[dict[str, str]] = {"value": "a number"}

    def __init__(self, act, width_px=65):
        self.act, self.width_px = act, width_px

    def read(self, image):
        return self.act() if image.width_px == self.width_px else {"value": 1}


def raises(error):
    raise error


def batch(store, *files):
    items = []
    for number, data in enumerate(files):
        recipe = Recipe("preview", "preview-1", "a mug", number)
        stored = store.raw.put(recipe.key(), data, durable=False)
        items.append(Item(str(number), 0, recipe, recipe.key(), "new", raw=stored))
    return items


def verdict(item):
    options = {"formats": ["png", "jpeg", "webp"], "size_as_requested": True}
    return judge(flat(item.measures), {}, Validation().all_checks().of({}, ""), **options)


def in_a_table(items, tmp_path):
    """Write and read the table as the jobs do."""
    write_table(tmp_path / "table.jsonl", items)
    return read_table(tmp_path / "table.jsonl")


def bomb():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, GRAY, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


def text_bomb():
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 1))
    return png(1, 1, 8, GRAY, [b"\0"], before_pixels=text)


def animation(file_format):
    return saved(GOOD, file_format, save_all=True, append_images=[Image.new("RGB", GOOD.size, "red")])


HOSTILE = {
    "nothing": b"",
    "text": b"<html>502 Bad Gateway</html>",
    "another format": saved(GOOD, "GIF"),
    "a bomb of pixels": bomb(),
    "cut off in the header": saved(GOOD, "PNG")[:20],
    "a JPEG cut off": saved(GOOD, "JPEG")[:-200],
    "a WebP cut off": saved(GOOD, "WEBP")[:-20],
    "a page behind the start of a PNG": PNG_SIGNATURE + b"<script>alert(1)</script>" * 9,
    "a side above the limit": png(100_000, 1, 8, GRAY, [bytes(100_000)]),
    "a side above the limit, upright": png(1, 100_000, 8, GRAY, [b"\0"] * 100_000),
    "a page that ends in an image": b"<script>alert(1)</script>" + saved(GOOD, "PNG"),
    "an image of no width": png(0, 64, 8, GRAY, [b""] * 64),
}
ODD = {
    "a bomb of text, which is never unpacked": text_bomb(),
    "a ZIP behind the end": saved(GOOD, "PNG") + b"PK\3\4" + bytes(100),
    "a JPEG that is a page, too": saved(GOOD, "JPEG", comment=b"<script>alert(1)</script>") + b"<script>",
    "a strip": png(1, 60_000, 8, GRAY, [b"\0"] * 60_000),
    "16 bits a channel": png(64, 64, 16, RGB, [bytes(range(192)) * 2] * 64),
    "an animated PNG": animation("PNG"),
    "an animated WebP": animation("WEBP"),
    "CMYK": saved(GOOD.convert("CMYK"), "JPEG"),
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def ours():
    return load_measures(Validation().measures_needed())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_end_as_a_rejection_with_a_reason_and_lose_no_other_image(name, store, ours, tmp_path):
    files = (saved(GOOD, "PNG"), HOSTILE[name], saved(GOOD.rotate(90), "PNG"))
    first, hostile, last = in_a_table(validate_batch(batch(store, *files), ours, store), tmp_path)
    assert verdict(hostile).status is Status.REJECTED
    assert len(verdict(hostile).reasons[0].text) > 10
    assert [set(item.measures) for item in (first, last)] == [set(ours)] * 2
    assert "file.failed" not in flat(first.measures)


@pytest.mark.parametrize("name", ODD)
def test_odd_images_are_measured_as_far_as_they_can_be(name, store, ours, tmp_path):
    (item,) = in_a_table(validate_batch(batch(store, ODD[name]), ours, store), tmp_path)
    assert not [quantity for quantity in flat(item.measures) if quantity.endswith("failed")]
    assert flat(item.measures)["file.width_px"] in (1, 64)


def test_all_hostile_and_odd_bytes_in_one_batch_end_with_a_verdict_and_only_images_are_released(store, tmp_path):
    good = saved(GOOD, "PNG")
    files = [data for pair in zip_longest(HOSTILE.values(), ODD.values(), fillvalue=good) for data in pair]
    chosen = Validation().measures_needed()
    items = in_a_table(validate_apart(batch(store, *files, good), chosen, store), tmp_path)
    statuses = [verdict(item).status for item in items]
    undecodable = {data for data, item in zip(files, items, strict=False) if "file.undecodable" in flat(item.measures)}
    assert undecodable == set(HOSTILE.values())
    assert statuses[-1] is Status.ACCEPTED

    postprocessor = Postprocessor(Postprocess(), Validation(), store, ThumbnailCache(tmp_path / "thumbnails"))
    finished = in_a_table(postprocessor.postprocess_batch(items), tmp_path)
    for item, status in zip(finished, statuses, strict=True):
        assert (item.finished is not None) == (status is Status.ACCEPTED), item
        if item.finished:  # encoded anew: nothing that hid in the file is left
            assert b"script" not in store.finished.read(item.finished)


DEADLY = """
import os, signal, sys
from imagemake.plugins import measures
from imagemake.plugins.measures.file import File

class Deadly(File):
    \"\"\"Reads the width, and kills its process where that is 65 px.\"\"\"

    quantities = {"width": "px"}

    def read(self, image):
        if image.width_px == 65:
            os.kill(os.getpid(), signal.SIGSEGV)
        return {"width": image.width_px}

sys.modules["deadly"] = sys.modules[__name__]
measures.BUILT_IN["deadly"] = "deadly:Deadly"
sys.argv[0] = "validate.py"
exec(open(os.environ["DOOR"]).read())
"""


def test_a_measure_that_ends_the_process_on_one_image_fails_on_that_one_and_all_others_are_measured(store, tmp_path):
    items = batch(store, *(saved(GOOD.resize((width_px, 64)), "PNG") for width_px in (64, 65, 66)))
    write_table(tmp_path / "images.jsonl", items)
    settings = b'{"validation": {"measures": {"deadly": {}}}}'
    (tmp_path / name_of(settings)).write_bytes(settings)
    (tmp_path / "program.py").write_text(DEADLY)
    options = {"images": "images.jsonl", "measures": "measures.jsonl", "store": "store"}
    command = [sys.executable, "program.py", "--settings", name_of(settings)]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    call_mode = REPOSITORY / "scripts" / "validate.py"
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "DOOR": str(call_mode)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, failed, after = read_table(tmp_path / "measures.jsonl")
    assert [flat(item.measures)["deadly.width"] for item in (before, after)] == [64, 66]
    assert flat(failed.measures)["deadly.failed"] == "it crashed the process twice (SIGSEGV)"
    assert flat(failed.measures)["tone.contrast"] > 0
    assert str(verdict(failed).reasons[0]) == (
        "unmeasured: deadly failed on this image: it crashed the process twice (SIGSEGV)"
    )
    assert done.stderr.count("Fatal Python error: Segmentation fault") == 2  # and where, in the job's log


def test_a_decoder_that_ends_the_process_on_one_image_makes_it_undecodable(store, monkeypatch):
    deadly, good = saved(GOOD.resize((65, 64)), "PNG"), saved(GOOD, "PNG")

    def decode(data):
        if data == deadly:
            os.kill(os.getpid(), signal.SIGBUS)
        return decode_image(data)

    monkeypatch.setattr(validate, "decode_image", decode)
    chosen = Validation().measures_needed()
    dead, alive = validate_apart(batch(store, deadly, good), chosen, store)
    assert [str(reason) for reason in verdict(dead).reasons] == [
        "file.undecodable: decoding it crashed the process twice (SIGBUS)"
    ]
    assert set(alive.measures) == {measure.identity for measure in chosen}


def test_a_package_that_is_missing_where_the_job_runs_ends_it_with_the_command(store, monkeypatch, capfd):
    monkeypatch.setattr(File, "packages", {"no_such_module": "no-such-package"})
    with pytest.raises(SystemExit):
        validate_apart(batch(store, saved(GOOD, "PNG")), Validation().measures_needed(), store)
    assert "not installed on this machine: no-such-package" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: raises(RuntimeError("no kernel\nfor  this")), "RuntimeError: no kernel for this"),
        (lambda: raises(MemoryError()), "MemoryError"),
        (lambda: raises(ValueError("x" * 5000)), f"ValueError: {'x' * 200}"),
        (lambda: None, "AttributeError: 'NoneType' object has no attribute 'items'"),
        (lambda: {"value": float("nan")}, "ValueError: value is nan, which is not a finite number"),
        (lambda: {"value": np.float32(1)}, "ValueError: value is a float32, not text, a number, true or false"),
        (lambda: {"value": 2**70}, "TypeError: Integer exceeds 64-bit range"),
        (lambda: {"value": "\ud800"}, "TypeError: str is not valid UTF-8: surrogates not allowed"),
    ],
)
def test_a_measure_that_fails_on_an_image_says_why_and_loses_nothing_else(act, said, store, tmp_path):
    measures = {"file@1": File(PluginSettings()), "odd@1": Odd(act)}
    items = batch(store, *(saved(GOOD.resize((width_px, 64)), "PNG") for width_px in (64, 65, 66)))
    before, failed, after = in_a_table(validate_batch(items, measures, store), tmp_path)
    assert failed.measures["odd@1"] == {"failed": said}
    assert failed.measures["file@1"]["width_px"] == 65
    assert [item.measures["odd@1"] for item in (before, after)] == [{"value": 1}] * 2


def test_a_person_decides_about_an_image_that_a_measure_failed_on(store):
    measures = {"file@1": File(PluginSettings()), "odd@1": Odd(lambda: raises(ValueError("too odd")), 64)}
    (item,) = validate_batch(batch(store, saved(GOOD, "PNG")), measures, store)
    assert verdict(item).status is Status.REVIEW
    assert [str(reason) for reason in verdict(item).reasons] == [
        "unmeasured: odd failed on this image: ValueError: too odd"
    ]


def test_numbers_of_numpy_that_are_floats_are_kept_as_floats(store, tmp_path):
    measures = {"file@1": File(PluginSettings()), "odd@1": Odd(lambda: {"value": np.float64(0.5)}, 64)}
    (item,) = in_a_table(validate_batch(batch(store, saved(GOOD, "PNG")), measures, store), tmp_path)
    assert item.measures["odd@1"] == {"value": 0.5}


def test_stopping_stops(store):
    measures = {"odd@1": Odd(lambda: raises(KeyboardInterrupt()), 64)}
    with pytest.raises(KeyboardInterrupt):
        validate_batch(batch(store, saved(GOOD, "PNG")), measures, store)


def test_a_full_disk_is_no_matter_of_the_image(store):
    measures = {"odd@1": Odd(lambda: raises(OSError(errno.ENOSPC, "No space left on device")), 64)}
    with pytest.raises(OSError, match="No space left"):
        validate_batch(batch(store, saved(GOOD, "PNG")), measures, store)


def test_only_what_was_not_read_before_is_read(store):
    measures = {"file@1": File(PluginSettings()), "odd@1": Odd(lambda: {"value": 2}, 64)}
    (item,) = validate_batch(batch(store, saved(GOOD, "PNG")), measures, store)
    measures["odd@1"] = Odd(lambda: {"value": 3}, 64)
    (again,) = validate_batch([item], measures, store)
    assert again.measures == item.measures


def test_an_image_that_is_gone_or_was_changed_is_damaged_and_the_others_are_measured(store, ours):
    items = batch(store, saved(GOOD, "PNG"), saved(GOOD.rotate(90), "PNG"), saved(GOOD.rotate(180), "PNG"))
    store.raw.path(items[0].raw).unlink()
    changed = store.raw.path(items[1].raw)
    changed.chmod(0o600)
    changed.write_bytes(b"changed")
    gone, damaged, good = validate_batch(items, ours, store)
    assert [item.failure.reason for item in (gone, damaged)] == ["damaged"] * 2
    assert set(good.measures) == set(ours)
    assert hashlib.sha256(saved(GOOD.rotate(180), "PNG")).hexdigest() == good.raw.digest
