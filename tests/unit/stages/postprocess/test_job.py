from __future__ import annotations

import errno
import struct
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hostile_files import UNREADABLE, hostile_files
from image_files import GRAY, RGB, png, profile, saved
from PIL import Image

from imagemake.config.chosen_plugins import chosen_step
from imagemake.config.outputs import Output, Postprocess
from imagemake.config.validation import Validation
from imagemake.core.recipe import Recipe
from imagemake.plugins.steps import Step
from imagemake.stages.postprocess import job
from imagemake.stages.postprocess.job import Postprocessor, postprocess_digests
from imagemake.store.items import Item
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache


class Fragile(Step):
    """A plug-in step that raises unexpected errors on wide images."""

    version = 1

    def apply(self, image):
        if image.width == 333:
            raise KeyError("a mistake of mine")
        if image.width == 336:
            raise OSError(errno.EMFILE, "Too many open files")
        return None if image.width == 334 else image


@pytest.fixture
def finished_of(tmp_path):
    """Postprocess files as one batch; return the items by name, and the store."""

    def finished_of(files, *steps, **output):
        store, items = Store(tmp_path / "store"), []
        for seed, (name, data) in enumerate(files.items()):
            recipe = Recipe("preview", "preview-1", "a mug", seed)
            stored = store.raw.put(recipe.key(), data, durable=False, extension="png")  # whatever it really is
            items.append(Item(name, 0, recipe, recipe.key(), "new", raw=stored, output_key="planned"))
        postprocess = Postprocess(steps=[chosen_step(*step) for step in steps], output=Output(**output))
        postprocessor = Postprocessor(postprocess, Validation(), store, ThumbnailCache(tmp_path / "thumbnails"))

        return {item.name: item for item in postprocessor.postprocess_batch(items)}, store

    return finished_of


def test_what_another_version_of_the_decoder_read_is_postprocessed_anew(monkeypatch):
    before = postprocess_digests(Postprocess())
    monkeypatch.setattr(job, "DECODER_VERSION", job.DECODER_VERSION + 1)
    assert before != postprocess_digests(Postprocess())


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp", "avif"])
def test_each_hostile_file_of_a_batch_gets_an_image_or_a_reason_and_none_is_lost(finished_of, file_format):
    files = hostile_files()
    steps = [
        ("crop", {"ratio": "3:2"}),
        ("color", {"auto_levels_clip_percent": 1}),
        ("resize", {"width_px": 64, "height_px": 64, "enlarge": True}),
        ("frame", {"width_px": 2, "radius_percent": 10}),
    ]
    items, store = finished_of(files, *steps, format=file_format)
    assert list(items) == list(files)
    assert {name for name, item in items.items() if item.finished is None} == UNREADABLE
    for name, item in items.items():
        if name in UNREADABLE:
            assert item.failure.reason == "postprocess"
            assert 10 < len(item.failure.message) < 250, name
        else:
            with Image.open(BytesIO(store.finished.read(item.finished))) as image:
                image.load()
                assert image.format == file_format.upper()


def test_reasons_say_what_is_wrong_with_a_file(finished_of):
    items, _ = finished_of(hostile_files())
    said = {name: items[name].failure.message for name in UNREADABLE}
    assert said["larger bomb"] == "the image is 50000 x 1000 px, more than 40,000,000 pixels"
    assert said["GIF animation"].startswith("it is a GIF file")
    assert said["truncated PNG"] == "the PNG file is cut off before the end of the image"


def test_a_step_that_goes_wrong_in_any_way_loses_one_image(finished_of, monkeypatch):
    installed = {"fragile": SimpleNamespace(load=lambda: Fragile)}
    monkeypatch.setattr("imagemake.plugins.registry.installed_plugins", lambda group: installed)
    files = {f"{width_px} px": saved(Image.new("RGB", (width_px, 10)), "PNG") for width_px in (332, 333, 334, 335)}
    items, _ = finished_of(files, ("fragile", {}))
    assert [name for name, item in items.items() if item.finished] == ["332 px", "335 px"]
    assert items["333 px"].failure.message == "fragile: KeyError: 'a mistake of mine'"
    assert "AttributeError" in items["334 px"].failure.message
    with pytest.raises(OSError, match="Too many open files"):  # this is no matter of the image
        finished_of({"336 px": saved(Image.new("RGB", (336, 10)), "PNG")}, ("fragile", {}))


def test_a_finished_image_may_be_larger_than_one_from_a_provider(finished_of, tmp_path):
    dot = {"dot": saved(Image.new("L", (1, 1)), "PNG")}
    items, _ = finished_of(dot, ("pad", {"width_px": 6_500, "height_px": 6_500}), format="png")
    (item,) = items.values()
    assert item.finished
    assert list(Path(tmp_path / "thumbnails").glob("*/*.jpg"))


def test_a_step_is_named_as_in_the_configuration(finished_of):
    items, _ = finished_of({"blank": saved(Image.new("RGB", (64, 64), "white"), "PNG")}, ("remove_background", {}))
    assert items["blank"].failure.message.startswith("remove_background: the image has no clear subject")


def quarters(mode, *colors):
    """Four colors, one a quarter, from the top left to the bottom right."""
    image = Image.new(mode, (64, 48))
    for place, color in enumerate(colors):
        left_px, top_px = 32 * (place % 2), 24 * (place // 2)
        image.paste(color, (left_px, top_px, left_px + 32, top_px + 24))
    return image


def turned(image):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    return saved(image, "JPEG", quality=100, subsampling=0, exif=exif)


COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 200), (128, 128, 128)]
INKS = [(0, 255, 255, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
SIXTEEN_BITS = [struct.pack(">6H", *(257 * level for color in COLORS[:2] for level in color))]
# What comes in, and the colors that must come out at the same places.
ODD_ONES = {
    "palette": (saved(quarters("RGB", *COLORS).quantize(8), "PNG"), COLORS),
    "inks": (saved(quarters("CMYK", *INKS), "JPEG", quality=100), [(255, 0, 0), (0, 255, 255), (0,) * 3, (255,) * 3]),
    "upside down by EXIF": (turned(quarters("RGB", *COLORS)), COLORS[::-1]),
    "linear light": (
        saved(quarters("RGB", *[(55, 55, 55)] * 4), "PNG", icc_profile=profile("RGB", 1.0)),
        [(128,) * 3] * 4,
    ),
    "transparent": (saved(quarters("RGBA", *[(*COLORS[0], 0)] * 4), "PNG"), [(255, 255, 255)] * 4),
    "half transparent": (saved(quarters("RGBA", *[(0, 0, 0, 128)] * 4), "PNG"), [(127,) * 3] * 4),
    "16 bits": (png(2, 1, 16, RGB, SIXTEEN_BITS), [COLORS[0], COLORS[1]] * 2),
    "16 bits of gray": (png(2, 1, 16, GRAY, [struct.pack(">2H", 0x8000, 0xFFFF)]), [(128,) * 3, (255,) * 3] * 2),
}


@pytest.mark.parametrize("name", ODD_ONES)
@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp", "avif"])
def test_colors_come_out_right_of_whatever_an_image_was(finished_of, name, file_format):
    data, colors = ODD_ONES[name]
    resize = ("resize", {"width_px": 64, "height_px": 48, "fit": "exact", "enlarge": True})
    white = ("pad", {"width_px": 64, "height_px": 48, "color": "#ffffff"})  # under what is transparent
    items, store = finished_of({name: data}, resize, white, format=file_format, quality=95)
    with Image.open(BytesIO(store.finished.read(items[name].finished))) as image:
        found = [image.convert("RGB").getpixel((32 * (n % 2) + 16, 24 * (n // 2) + 12)) for n in range(4)]
    off = [abs(a - b) for seen, wanted in zip(found, colors, strict=True) for a, b in zip(seen, wanted, strict=True)]
    if "16 bits" in name:  # two pixels, enlarged: the places are between them
        off = off[:1]
    assert max(off) <= 6
