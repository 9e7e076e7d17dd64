"""Images of earlier releases, read from their manifests, to reject new images that are nearly the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.core.file_stamp import FileStamp, stamp_of
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import RESULTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyarrow import Table

    from imagemake.stages.validate.near_duplicates import Near
    from imagemake.stages.validate.prints import Alike, Prints, Rows

MEASURES_FIELD = "imagemake.measures"  # of the Parquet file's own metadata: a list in JSON
KEY = "config/config.yaml, validation.near_duplicates.earlier"
FIRST_PHASH = "phash@1"
HASH, COLORS = "measure.phash.hash", "measure.phash.colors"
COLUMNS = ("name", "key", "verdict", "model_label", HASH, COLORS)
OF_THE_FILE = ("file", "digest")  # to show the image; no decision depends on them


@dataclass(frozen=True, slots=True)
class ComparedImage:
    """What is compared of an image.

    Attributes:
        name: The name of its request.
        key: The key of its attempt.
        model: The campaign's label of the model.
        hash: 64-bit perceptual hash, as hexadecimal digits.
        colors: Coarse colors, as hexadecimal digits; equally long for all images.
        file: Its path relative to the manifest's folder, as the untrusted manifest says; empty if it says none.
        digest: SHA-256 of that file, as the untrusted manifest says.
    """

    name: str
    key: str
    model: str
    hash: str
    colors: str
    file: str = ""
    digest: str = ""


@dataclass(frozen=True)
class EarlierImages:
    """The images of earlier releases, in the order of the manifests.

    Attributes:
        images: The accepted images that have a perceptual hash.
        releases: For each image, the path of its manifest.
    """

    images: Sequence[ComparedImage]
    releases: Sequence[str]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all images."""
        return frozenset(image.key for image in self.images)

    @cached_property
    def prints(self) -> Prints:
        """The hashes and colors of all images."""
        return _prints(self.images)

    def repeated_by(self, new: Sequence[ComparedImage], alike: Alike, *, within_models: bool) -> dict[str, Near]:
        """Find the images that are near-duplicates of an image in an earlier release.

        An image of the same request is not a near-duplicate: the same name is an older version of the image, and a key
        that was released before is not a new image, whatever other images look like.

        Args:
            new: The new images, with unique names.
            alike: What counts as near.
            within_models: Whether to compare only images of the same model.

        Returns:
            By name, the first image that it repeats, with its release.
        """
        new = [image for image in new if image.key not in self.keys]
        if not new or not self.images:
            return {}
        import numpy as np

        from imagemake.stages.validate.near_duplicates import described, first_near

        name, known_name = _numbered([one.name for one in new], [one.name for one in self.images])
        model, known_model = _numbered([one.model for one in new], [one.model for one in self.images])

        def can_be_near(row: Rows, position: Rows) -> NDArray[np.bool_]:
            counts: NDArray[np.bool_] = name[row] != known_name[position]
            if within_models:
                counts &= model[row] == known_model[position]
            return counts

        prints = _prints(new)
        found = first_near(prints, self.prints, alike, can_be_near)
        rows, positions = (np.array(list(some), dtype=np.intp) for some in (found, found.values()))
        names = [f"{self.images[position].name} of {self.releases[position]}" for position in positions]
        near = described(prints.of(rows), self.prints.of(positions), names, alike)
        return {new[row].name: one for row, one in zip(rows, near, strict=True)}


def earlier_images(patterns: Sequence[str]) -> EarlierImages:
    """Read the images of earlier releases.

    Args:
        patterns: Paths of manifests; ``*``, ``?``, and ``**`` work as in a shell.

    Raises:
        UserError: If files are missing, unreadable, or without hashes; it lists each of them.
    """
    return _all_of(tuple((path, stamp_of(path)) for path in manifests(patterns)))


@lru_cache(maxsize=4)
def _all_of(files: tuple[tuple[Path, FileStamp | None], ...]) -> EarlierImages:
    """Read manifests. Their stamps are part of the cache key, so a change is noticed."""
    images: list[ComparedImage] = []
    releases: list[str] = []
    problems: list[Problem] = []
    for path, _ in files:
        try:
            of_release = _read(path)
        except UserError as error:
            problems += error.problems
            continue
        images += of_release
        releases += [str(path)] * len(of_release)
    if problems:
        raise UserError(problems)
    return EarlierImages(images, releases)


def manifests(patterns: Sequence[str]) -> list[Path]:
    """Return the manifests that match patterns, by pattern and then by path, each once.

    Raises:
        UserError: If patterns match no file, or this campaign's own release; it lists each of them.
    """
    found: dict[Path, None] = {}
    problems = []
    for pattern in patterns:
        paths = _matches(pattern)
        own = [path for path in paths if path.resolve().is_relative_to(RESULTS.resolve())]
        if not paths:
            what = f"there is no file {pattern!r}."
            remedy = "Name the manifest.parquet of an earlier release, relative to the project's folder, or remove the "
            problems.append(Problem(KEY, what, remedy + "entry. `dvc pull` or `git lfs pull` fetches a versioned one."))
        elif own:
            what = f"{own[0]} belongs to this campaign's own release, which every run rewrites."
            remedy = "Copy that release to another folder, such as releases/2026-spring/."
            problems.append(Problem(KEY, what, remedy))
        found.update(dict.fromkeys(paths))
    if problems:
        raise UserError(problems)
    return list(found)


def digests(patterns: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each manifest by its path; it raises what `manifests` raises."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in manifests(patterns)}


def _matches(pattern: str) -> list[Path]:
    if Path(pattern).is_file():  # even if its name has brackets
        return [Path(pattern)]
    # Path.glob raises if ** is only a part of a name.
    return sorted(Path(path) for path in glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207


def _read(path: Path) -> list[ComparedImage]:
    table = _table(path)
    columns = [table[column].to_pylist() for column in table.column_names]
    rows = (dict(zip(table.column_names, cells, strict=True)) for cells in zip(*columns, strict=True))
    try:
        return [_shown(row) for row in rows if row["verdict"] == "accepted" and row[HASH]]
    except ValueError as error:
        raise UserError(Problem(f"{path} ({KEY})", f"{error}.", _REMEDY)) from error


_REMEDY = "Rewrite the manifest of that release with this version, or remove the file: it cannot be compared."


def _shown(row: dict[str, Any]) -> ComparedImage:
    digits, colors = str(row[HASH]), str(row[COLORS])
    if len(digits) != 16 or len(colors) != 54 or not set(digits + colors) <= set("0123456789abcdef"):
        raise ValueError(f"image {row['name']!r} has no readable perceptual hash and colors")
    file, digest = (str(row.get(column) or "") for column in OF_THE_FILE)
    return ComparedImage(str(row["name"]), str(row["key"]), str(row["model_label"]), digits, colors, file, digest)


def _table(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        known = schema.names
        if other := _other_version(schema.metadata or {}):
            what = f"its perceptual hashes come from {other}; they do not compare with those of {_phash()}."
            raise UserError(Problem(f"{path} ({KEY})", what, _REMEDY))
        missing = [column for column in COLUMNS if column not in known]
        if not missing:
            there = [column for column in OF_THE_FILE if column in known]
            return parquet.read_table(path, columns=[*COLUMNS, *there])
    except (pa.ArrowException, OSError) as error:
        what = f"it cannot be read as Parquet: {str(error).splitlines()[0]}"
        remedy = "Use the manifest.parquet of an earlier release, not its CSV. If the file is damaged, fetch it again."
        raise UserError(Problem(f"{path} ({KEY})", what, remedy)) from error
    raise UserError(Problem(f"{path} ({KEY})", f"it has no column {', '.join(missing)}.", _REMEDY))


def _phash() -> str:
    from imagemake.plugins.measures import measure_class

    return f"phash@{measure_class('phash').version}"


def _other_version(metadata: Mapping[bytes, bytes]) -> str | None:
    """Return the measure that read the hashes, or None if it is the installed one.

    Args:
        metadata: The metadata of the Parquet file. Manifests without versions have hashes of version 1.
    """
    try:
        measures = orjson.loads(metadata.get(MEASURES_FIELD.encode(), b"[]"))
        # Which version of the decoder read the pixels matters to single odd files only, not to a release.
        found = [str(one).partition(".")[0] for one in measures if str(one).partition("@")[0] == "phash"]
    except (orjson.JSONDecodeError, TypeError):
        return "an unknown measure"
    found = found or [FIRST_PHASH]
    return None if found == [_phash()] else found[0]


def _prints(images: Sequence[ComparedImage]) -> Prints:
    from imagemake.stages.validate.prints import Prints

    return Prints.from_digits([(image.hash, image.colors) for image in images])


def _numbered(some: Sequence[str], others: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Replace texts by numbers, equal texts by equal numbers, to compare them faster."""
    import numpy as np

    numbers: dict[str, int] = {}
    of_some, of_others = ([numbers.setdefault(text, len(numbers)) for text in texts] for texts in (some, others))
    return np.array(of_some, dtype=np.intp), np.array(of_others, dtype=np.intp)
