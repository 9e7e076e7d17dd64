"""Several files from one image: what their ways have in common is gone once."""

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
    """The way from an image to one file.

    Attributes:
        steps: In their order; steps that branches share are one object.
        output: How the file is written.
    """

    steps: Sequence[Step]
    output: EncodeSettings


def postprocess_all(data: bytes, branches: Mapping[str, Branch]) -> dict[str, bytes | PostprocessError]:
    """Decode an image once, and postprocess it for each branch; steps with which several begin are applied once.

    Args:
        data: An image file as a provider gave it.
        branches: By their labels.

    Returns:
        By label, the file that `postprocess` gives for that branch alone, or the reason why there is none.
    """
    try:
        image = opened(data)
    except PostprocessError as error:
        return dict.fromkeys(branches, error)
    return dict(_finished(image, branches, 0))


def _finished(
    image: Image, branches: Mapping[str, Branch], depth: int
) -> Iterator[tuple[str, bytes | PostprocessError]]:
    """Postprocess an image that is through the first `depth` steps, which all of the branches share."""
    ends, groups = _divided(branches, depth)
    while not ends and len(groups) == 1:  # no recursion, which would hold the images of all steps
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
            # A step of somebody else may change what it is given: the next group must not see that.
            changed = applied(step, image.copy() if len(groups) > 1 else image)
        except PostprocessError as error:
            yield from dict.fromkeys(together, error).items()
        else:
            yield from _finished(changed, together, depth + 1)


def _divided(
    branches: Mapping[str, Branch], depth: int
) -> tuple[dict[str, Branch], list[tuple[Step, dict[str, Branch]]]]:
    """Return the branches that end here, and the others by their next step."""
    ends = {label: branch for label, branch in branches.items() if len(branch.steps) == depth}
    groups: dict[int, tuple[Step, dict[str, Branch]]] = {}
    for label, branch in branches.items():
        if label not in ends:
            step = branch.steps[depth]
            groups.setdefault(id(step), (step, {}))[1][label] = branch
    return ends, list(groups.values())
