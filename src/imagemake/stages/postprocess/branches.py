"""Creates several files from one image, and applies the steps that they share only once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.stages.postprocess.encode import PostprocessError, applied, encoded, opened

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.plugins.steps import Step
    from imagemake.stages.postprocess.encode import EncodeSettings


@dataclass(frozen=True, slots=True)
class Branch:
    """The steps from an image to one file.

    Attributes:
        steps: Steps in order. A step that several branches share is the same object in each.
        output: How to encode the file.
    """

    steps: Sequence[Step]
    output: EncodeSettings


def postprocess_all(data: bytes | Image, branches: Mapping[str, Branch]) -> dict[str, bytes | PostprocessError]:
    """Decode an image once, and postprocess it for each branch. Common first steps are applied once.

    Args:
        data: Image file as the provider sent it, or the image if it is decoded already; plug-ins may change it.
        branches: Branches by label.

    Returns:
        By label, the same file as from `postprocess` for the branch alone, or the error.
    """
    try:
        image = opened(data) if isinstance(data, bytes) else data
    except PostprocessError as error:
        return dict.fromkeys(branches, error)
    return dict(_finished(image, branches, 0))


def _finished(
    image: Image, branches: Mapping[str, Branch], depth: int
) -> Iterator[tuple[str, bytes | PostprocessError]]:
    """Yield the results for an image after the first `depth` steps, which all branches share."""
    ends, groups = _divided(branches, depth)
    while not ends and len(groups) == 1:  # recursion would keep the images of all steps in memory
        try:
            image = applied(groups[0][0], image)
        except PostprocessError as error:
            yield from dict.fromkeys(branches, error).items()
            return
        depth += 1
        ends, groups = _divided(branches, depth)
    for label, branch in ends.items():
        try:
            yield label, encoded(image, branch.output)
        except PostprocessError as error:
            yield label, error
    for step, together in groups:
        try:
            # A plug-in may change the image in place, so each group gets its own copy.
            changed = applied(step, image.copy() if len(groups) > 1 else image)
        except PostprocessError as error:
            yield from dict.fromkeys(together, error).items()
        else:
            yield from _finished(changed, together, depth + 1)


def _divided(
    branches: Mapping[str, Branch], depth: int
) -> tuple[dict[str, Branch], list[tuple[Step, dict[str, Branch]]]]:
    """Return the branches that end after `depth` steps, and the others grouped by their next step."""
    ends = {label: branch for label, branch in branches.items() if len(branch.steps) == depth}
    groups: dict[int, tuple[Step, dict[str, Branch]]] = {}
    for label, branch in branches.items():
        if label not in ends:
            step = branch.steps[depth]
            groups.setdefault(id(step), (step, {}))[1][label] = branch
    return ends, list(groups.values())
