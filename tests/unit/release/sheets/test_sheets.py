"""Sheets: every image where its box says, drawn again only where one changed, told before the run where not."""

import json
from dataclasses import replace
from io import BytesIO

import pyexiv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from imagemake.config.campaign import load_campaign
from imagemake.config.outputs import Output, Postprocess, Sheet
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.request import Request
from imagemake.plan.requests.sheet_groups import SheetGroup, sheet_groups
from imagemake.plan.requests.sheet_layout import caption_height_px, cell_px, size_px
from imagemake.plan.state import Stage, State
from imagemake.release.released_files import ReleasedBefore
from imagemake.release.sheets.draw import Member, draw_sheet, fitted
from imagemake.release.sheets.write import Sheets
from imagemake.stages.postprocess.encode import encode
from imagemake.stages.postprocess.job import postprocess_digests
from imagemake.store.store import Store

COLORS = ("red", "green", "blue", "orange", "purple")


def png(color, size=(40, 20), mode="RGB"):
    return encode(Image.new(mode, size, color), Output(format="png"))


def a_sheet(**settings_of):
    return Sheet.model_validate({"cell_width_px": 32, "cell_height_px": 24, **settings_of})


@given(
    n=st.integers(1, 300),
    columns=st.none() | st.integers(1, 40),
    cell=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    gap=st.integers(0, 50),
    caption=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_cells_lie_side_by_side_within_the_sheet(n, columns, cell, gap, caption):
    more = {"caption": "{name}", "background": "#ffffff"} if caption else {}
    sheet = a_sheet(cell_width_px=cell[0], cell_height_px=cell[1], gap_px=gap, columns=columns, **more)
    width, height = size_px(n, sheet)
    corners = [cell_px(index, n, sheet) for index in range(n)]
    assert len(set(corners)) == n
    full_height = cell[1] + caption_height_px(sheet)
    assert all((x - gap) % (cell[0] + gap) == 0 and (y - gap) % (full_height + gap) == 0 for x, y in corners)
    assert max(x for x, _ in corners) + cell[0] + gap <= width
    assert max(y for _, y in corners) + full_height + gap == height
    if columns is None and n > 4:
        assert 0.2 < width / height < 5 or max(cell) > 4 * min(cell)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_every_image_is_where_its_box_says_and_as_large(mode, file_format):
    sheet = a_sheet(gap_px=3, format=file_format, caption="{name}", background="#102030", columns=2)
    smalls = [fitted(png(color, (40, 20), mode), sheet) for color in COLORS]
    image, boxes = draw_sheet([Member(small, "caption") for small in smalls], len(smalls), sheet)
    assert image.mode == "RGB"
    for small, box in zip(smalls, boxes, strict=True):
        left, top, width, height = box
        assert (width, height) == small.size == (32, 16), "shrunk to the cell, in its own ratio"
        shown = image.crop((left, top, left + width, top + height))
        assert ImageChops.difference(shown, small.convert("RGB")).getbbox() is None
    assert image.getpixel((0, 0)) == (0x10, 0x20, 0x30)


def test_small_images_are_not_enlarged_and_transparency_is_kept():
    sheet = a_sheet()
    small = fitted(png((255, 0, 0, 100), (4, 4), "RGBA"), sheet)
    image, (box,) = draw_sheet([Member(small, "")], 1, sheet)
    assert (image.mode, box) == ("RGBA", (14, 10, 4, 4))
    assert image.getpixel((15, 11)) == (255, 0, 0, 100)
    assert image.getpixel((0, 0))[3] == 0


def test_a_caption_stays_below_its_image_however_long_it_is():
    sheet = a_sheet(gap_px=10, background="#ffffff", caption="{name}", columns=1)
    small = fitted(png("white"), sheet)
    long = draw_sheet([Member(small, "word \n\t" * 9_000)], 1, sheet)[0]
    left, top, right, bottom = ImageChops.invert(long.convert("L")).getbbox()
    assert 8 <= left < right <= 10 + 32 + 2
    assert 10 + 24 <= top < bottom <= 10 + 24 + caption_height_px(sheet)
    assert ImageChops.invert(draw_sheet([Member(small, "")], 1, sheet)[0].convert("L")).getbbox() is None


class World:
    """States whose images are in a store."""

    def __init__(self, folder, n=5, provider="openai"):
        self.store, self.folder = Store(folder / "store"), folder
        self.states = {}
        for number in range(n):
            recipe = Recipe(provider, "m", f"mug {number}", number)
            name = f"mug-{number}"
            variables = {"color": COLORS[number % len(COLORS)], "kind": "ab"[number % 2]}
            state = State(Request(name, recipe, number + 2, variables, 1), recipe, recipe.key(), stage=Stage.DONE)
            self.states[name] = state
            self.paint(name, COLORS[number % len(COLORS)])

    def paint(self, name, color):
        state = self.states[name]
        key = f"{len(self.store.finished.index()):064x}"
        state.finished = self.store.finished.put(key, png(color), durable=False, extension="png")

    def write(self, *, xmp=True, **settings_of):
        sheet = a_sheet(**{"by": ["kind"], **settings_of})
        found = {}
        for kind in sorted({state.request.variables["kind"] for state in self.states.values()}):
            states = [state for _, state in sorted(self.states.items()) if state.request.variables["kind"] == kind]
            group = SheetGroup("all", sheet, f"all-{kind}", [state.request for state in states])
            found[group.file_name] = (group, states)
        memory = ReleasedBefore(self.folder / "memory.json")
        return Sheets(self.store.finished, self.folder / "sheets", memory, xmp=xmp).write_all(found)

    def looks(self):
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (self.folder / "sheets").glob("*")}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_only_the_sheet_whose_image_changed_is_drawn_again(world, monkeypatch):
    assert world.write() == {}
    before = world.looks()
    assert sorted(before) == ["all-a.json", "all-a.png", "all-b.json", "all-b.png"]
    world.paint("mug-2", "black")
    world.write()
    after = world.looks()
    assert {name for name in after if after[name] != before[name]} == {"all-a.png"}, "the boxes are as they were"
    monkeypatch.setattr(world.store.finished, "read", lambda stored: pytest.fail("nothing need be read"))
    world.write()
    assert world.looks() == after


def test_without_its_memory_every_sheet_is_compared_and_none_written(world):
    world.write()
    before = world.looks()
    (world.folder / "memory.json").unlink()
    world.write()
    assert world.looks() == before


def test_a_sheet_that_somebody_edited_is_put_right(world):
    world.write()
    path = world.folder / "sheets" / "all-a.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"x"', b'"y"'))
    world.write()
    assert path.read_bytes() == good


def test_sheets_that_are_not_wanted_any_more_go_and_then_their_folder(world):
    world.write()
    del world.states["mug-1"], world.states["mug-3"]
    world.write()
    assert sorted(world.looks()) == ["all-a.json", "all-a.png"]
    world.states.clear()
    world.write()
    assert not (world.folder / "sheets").exists()


def test_a_damaged_image_leaves_its_sheet_out_and_no_other(world, capsys):
    world.write()
    world.paint("mug-2", "black")
    path = world.store.finished.path(world.states["mug-2"].finished)
    path.chmod(0o644)
    path.write_bytes(b"broken")
    assert list(world.write()) == ["mug-2"]
    assert sorted(world.looks()) == ["all-b.json", "all-b.png"]
    assert "run again" in capsys.readouterr().err


def test_all_sheets_with_a_damaged_image_are_left_out_also_those_that_show_another_file_of_it(world):
    states = list(world.states.values())
    for state in states:
        state.further = {"web": world.store.finished.put("e" * 64, png("gray"), durable=False, extension="png")}
    path = world.store.finished.path(states[0].finished)
    path.chmod(0o644)
    path.write_bytes(b"broken")
    groups = {}
    for label, output, members in (
        ("1", "web", states),
        ("2", "main", states),
        ("3", "main", states),
        ("4", "main", states[1:]),
    ):
        group = SheetGroup(label, a_sheet(output=output), label, [state.request for state in members])
        groups[group.file_name] = (group, members)
    sheets = Sheets(world.store.finished, world.folder / "sheets", ReleasedBefore(None), xmp=True)
    assert list(sheets.write_all(groups)) == ["mug-0"]
    assert sorted(world.looks()) == ["4.json", "4.png"]


def test_an_image_that_cannot_be_decoded_leaves_its_cell_empty(world, capsys):
    state = world.states["mug-2"]
    state.finished = world.store.finished.put("f" * 64, b"no image", durable=False, extension="png")
    assert world.write() == {}
    assert list(json.loads((world.folder / "sheets" / "all-a.json").read_bytes())["frames"]) == ["mug-0", "mug-4"]
    assert "all-a.png omits mug-2" in capsys.readouterr().err


def test_the_boxes_are_what_game_engines_read(world):
    world.write(columns=2, gap_px=1)
    told = json.loads((world.folder / "sheets" / "all-a.json").read_bytes())
    assert list(told["frames"]) == ["mug-0", "mug-2", "mug-4"]
    assert told["frames"]["mug-4"] == {
        "frame": {"x": 1, "y": 30, "w": 32, "h": 16},
        "rotated": False,
        "trimmed": False,
        "spriteSourceSize": {"x": 0, "y": 0, "w": 32, "h": 16},
        "sourceSize": {"w": 32, "h": 16},
    }
    with Image.open(world.folder / "sheets" / "all-a.png") as image:
        assert told["meta"]["size"] == {"w": image.width, "h": image.height}
        assert image.convert("RGB").getpixel((5, 35)) == (128, 0, 128)


@pytest.mark.parametrize(("provider", "code"), [("openai", "trainedAlgorithmicMedia"), ("preview", "algorithmicMedia")])
def test_a_sheet_says_how_its_images_came_about(tmp_path, provider, code):
    world = World(tmp_path, provider=provider)
    world.write()

    def told():
        with pyexiv2.ImageData((tmp_path / "sheets" / "all-a.png").read_bytes()) as read:
            return read.read_xmp()["Xmp.iptcExt.DigitalSourceType"].rpartition("/")[2]

    assert told() == code
    state = world.states["mug-0"]
    other = "preview" if provider == "openai" else "openai"
    state.recipe = replace(state.recipe, provider=other)
    world.write()
    assert told() == "compositeWithTrainedAlgorithmicMedia"
    world.write(xmp=False)
    assert b"xmpmeta" not in (tmp_path / "sheets" / "all-a.png").read_bytes()


def test_equal_images_give_equal_sheets_whatever_the_format(tmp_path):
    for file_format in ("png", "jpeg", "webp"):
        files = []
        for place in ("one", "two"):
            (tmp_path / file_format / place).mkdir(parents=True)
            world = World(tmp_path / file_format / place)
            world.write(format=file_format, caption="{name}", background="#abcdef")
            (path,) = (one for one in (world.folder / "sheets").glob("all-a.*") if one.suffix != ".json")
            files.append(path.read_bytes())
            assert Image.open(BytesIO(files[-1])).format == file_format.upper()
        assert files[0] == files[1]


def requests(sheets, *rows, **more):
    campaign = load_campaign(
        {
            "campaign": "c",
            "catalog": "catalog.csv",
            "prompt": "a mug",
            "name": "{sku}",
            "postprocess": {"sheets": sheets, **more},
        }
    )
    values = [{"sku": f"M-{n}", "kind": kind} for n, kind in enumerate(rows)]
    return campaign, expand(campaign, [Row(number, one) for number, one in enumerate(values, 2)])


def test_groups_are_named_by_their_values_and_sorted_by_name():
    campaign, wanted = requests({"s": {"by": ["kind"]}, "all": {"name": "everything"}}, "b cup", "a", "b cup")
    found = {group.file_name: [one.name for one in group.requests] for group in sheet_groups(campaign, wanted)}
    assert found == {"s-a.png": ["M-1"], "s-b-cup.png": ["M-0", "M-2"], "everything.png": ["M-0", "M-1", "M-2"]}


@pytest.mark.parametrize(
    ("sheet", "rows", "words"),
    [
        ({"by": ["knid"]}, "a", "sheets.s.by: 'knid' is neither a column of the catalog nor a variable"),
        ({"output": "web"}, "a", "sheets.s.output: unknown output 'web'"),
        ({"caption": "{x}", "background": "#ffffff"}, "a", "sheets.s.caption: unknown placeholder {x}"),
        ({"name": "{kind}"}, "a", "sheets.s.name: unknown placeholder {kind}"),
        ({"by": ["kind"], "name": "{sheet}"}, "ab", "two sheets would be named 's', for example those of rows 2 and 3"),
        ({"by": ["kind"]}, ("a b", "a-b"), "two sheets would be named 's-a-b'"),
        ({"by": ["kind"]}, ("/etc",), "starts like an absolute path"),
        ({"cell_width_px": 8192, "cell_height_px": 8192}, "a", "8,192 x 8,192 px. The limit is 64 million px"),
        ({"columns": 1, "format": "webp", "cell_height_px": 8192, "cell_width_px": 8}, "abc", "16,383 px per side"),
        ({"caption": "{name}"}, "a", "captions may be invisible on a transparent sheet"),
    ],
)
def test_a_sheet_that_cannot_be_made_is_told_before_the_run(sheet, rows, words):
    with pytest.raises(UserError) as told:
        requests({"s": sheet}, *rows)
    assert words in str(told.value)


def test_sheets_finish_no_image_anew():
    with_sheets = Postprocess.model_validate({"sheets": {"s": {"columns": 3}}})
    assert postprocess_digests(with_sheets) == postprocess_digests(Postprocess())
