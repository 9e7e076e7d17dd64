"""Writes the sheets of a release. Only sheets with changed images are drawn again."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake import __version__
from imagemake.config.outputs import Output
from imagemake.config.placeholders import parse_template
from imagemake.core.files import write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.plan.requests.file_names import NAME
from imagemake.release.provenance import marked_sheet, source_type_of
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.release.sheets.draw import Cell, Member, draw_sheet, fitted
from imagemake.store.store import DamagedError

if TYPE_CHECKING:
    from imagemake.plan.requests.sheet_groups import SheetGroup
    from imagemake.plan.state import State
    from imagemake.store.store import ContentStore

SHEET_VERSION = 1  # raised when the same images and settings may give another sheet
TELL_EVERY_S = 10.0
MOST_AT_ONCE = 4  # images in memory: an upscaled one has up to 600 MB


class Sheets:
    """Writes sheets.

    Args:
        finished: The store of finished images.
        folder: The folder of the sheets.
        memory: Record of the sheets that were written before.
        xmp: Whether to add XMP that says how the images were made.
    """

    def __init__(self, finished: ContentStore, folder: Path, memory: ReleasedBefore, *, xmp: bool) -> None:
        self._finished, self._folder, self._memory, self._xmp = finished, folder, memory, xmp

    def write_all(self, groups: Mapping[str, tuple[SheetGroup, list[State]]]) -> dict[str, State]:
        """Write every changed sheet, and remove all other files.

        Args:
            groups: The sheets by file name, each with the states of its images, which are all done.

        Returns:
            Requests with damaged images, by name. Sheets that would show them are not written.
        """
        expected = {name for group, _ in groups.values() for name in (group.file_name, group.boxes_name)}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in expected:
                    path.unlink()
            if not expected:
                self._folder.rmdir()
        damaged: dict[str, State] = {}
        began, n_images = time.monotonic(), 0
        for done, (group, states) in enumerate(groups.values(), 1):
            if not self._is_there(group, states) and self._write(group, states, damaged):
                n_images += len(states)
            if time.monotonic() - began > TELL_EVERY_S:
                began = time.monotonic()
                print(f"imagemake: {done:,} of {len(groups):,} sheets, {n_images:,} images drawn", file=sys.stderr)
        for group, states in groups.values():
            if not damaged.keys().isdisjoint(state.request.name for state in states):
                for path in self._paths(group):
                    path.unlink(missing_ok=True)
        self._memory.save()
        return damaged

    def _paths(self, group: SheetGroup) -> tuple[Path, Path]:
        return self._folder / group.file_name, self._folder / group.boxes_name

    def _is_there(self, group: SheetGroup, states: list[State]) -> bool:
        made_of = self._made_of(group, states)
        found = [self._memory.find(path, made_of) for path in self._paths(group)]  # `find` also records them
        return None not in found

    def _made_of(self, group: SheetGroup, states: list[State]) -> str:
        members = [
            (state.request.name, state.files[group.sheet.output].digest, _caption(group, state), _source_type(state))
            for state in states
        ]
        settings = group.sheet.model_dump(mode="json")
        return fingerprint([SHEET_VERSION, __version__, self._xmp, group.file_name, settings, members])

    def _write(self, group: SheetGroup, states: list[State], damaged: dict[str, State]) -> bool:
        """Draw a sheet and write it with its boxes. Return False if one of its images is damaged."""
        from imagemake.stages.postprocess.encode import encode

        paths = self._paths(group)
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:  # decoding and resizing release the GIL
            members = pool.map(lambda state: self._member(group, state, damaged), states)
            image, boxes = draw_sheet(members, len(states), group.sheet)
        if not damaged.keys().isdisjoint(state.request.name for state in states):
            return False
        data = encode(image, Output(format=group.sheet.format, quality=group.sheet.quality))
        if self._xmp:
            data = marked_sheet(data, group.stem, {_source_type(state) for state in states})
        shown = {state.request.name: box for state, box in zip(states, boxes, strict=True) if box is not None}
        made_of = self._made_of(group, states)
        for path, content in zip(paths, (data, boxes_json(group.file_name, image.size, shown)), strict=True):
            if not (path.is_file() and path.read_bytes() == content):
                write_whole(path, content)
            self._memory.add(path, made_of, Released(hashlib.sha256(content).hexdigest(), len(content)))
        return True

    def _member(self, group: SheetGroup, state: State, damaged: dict[str, State]) -> Member | None:
        try:
            image = fitted(self._finished.read(state.files[group.sheet.output]), group.sheet)
        except DamagedError as error:
            print(f"imagemake: {error}; run again to postprocess it again", file=sys.stderr)
            damaged[state.request.name] = state
            return None
        except ValueError as error:
            print(f"imagemake: {group.file_name} omits {state.request.name}: {error}", file=sys.stderr)
            return None
        return Member(image, _caption(group, state))


def _caption(group: SheetGroup, state: State) -> str:
    if group.sheet.caption is None:
        return ""
    return parse_template(group.sheet.caption).render({**state.request.variables, NAME: state.request.name})


def _source_type(state: State) -> str:
    return source_type_of(state.recipe.provider, with_files=bool(state.recipe.files))


def boxes_json(file_name: str, size_px: tuple[int, int], boxes: Mapping[str, Cell]) -> bytes:
    """Return the place of each image as JSON that game engines read: TexturePacker's "JSON (Hash)".

    Args:
        file_name: Name of the sheet's file.
        size_px: Width and height of the sheet.
        boxes: Places by image name, in order.
    """
    frames = dict(_frames(boxes))
    meta = {
        "app": "imagemake",
        "version": "1.0",
        "image": file_name,
        "format": "RGBA8888",
        "size": {"w": size_px[0], "h": size_px[1]},
        "scale": "1",
    }
    return orjson.dumps({"frames": frames, "meta": meta}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _frames(boxes: Mapping[str, Cell]) -> Iterator[tuple[str, Any]]:
    for name, box in boxes.items():
        size = {"w": box.width, "h": box.height}
        yield (
            name,
            {
                "frame": {"x": box.left, "y": box.top, **size},
                "rotated": False,
                "trimmed": False,
                "spriteSourceSize": {"x": 0, "y": 0, **size},
                "sourceSize": size,
            },
        )
