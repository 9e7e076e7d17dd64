"""Turns solids into faces with corners, outward normals, and paints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imagemake.plugins.providers.preview.solids import Solid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR_GROUND = 0.06
PARTS = 127  # the most that fit into a byte beside `ACCENTED`
ACCENTED = 128  # added to the number of a part on the pattern


# The faces of a pattern, by their height and turn.
PATTERNS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]] = {
    "plain": lambda height, turn: height > 1,
    "dipped": lambda height, turn: height < 0.36,
    "topped": lambda height, turn: height > 0.62,
    "banded": lambda height, turn: (height > 0.55) & (height < 0.72),
    "striped": lambda height, turn: height * 9 % 2 >= 1,
    "broad": lambda height, turn: height * 4 % 2 >= 1,
    "paneled": lambda height, turn: turn * 12 % 2 >= 1,
}


@dataclass(frozen=True, slots=True)
class Mesh:
    """Faces of solids.

    Attributes:
        corners: Shape (n_corners, 3); x, y, z.
        casting: For each solid that casts a shadow, its rows of `corners`; a label casts none.
        standing: For each solid on the ground, those of its rows that are near the ground.
        quads: Shape (n_faces, 4); rows of `corners`. For a flat end, four corners represent all.
        outlines: All rows of `corners` of each flat end, by its row in `quads`.
        normals: Shape (n_faces, 3); outward unit vectors.
        centers: Shape (n_faces, 3).
        depths_from: Shape (n_faces, 3); the points whose distances decide the order of painting.
        lift: Shape (n_faces,); how much nearer than its distance a face counts.
        part: Shape (n_faces,); a number from 1 to 127, plus `ACCENTED` on the pattern. A line separates parts.
        paint: Shape (n_faces,); an index into `paints`.
        paints: Names of colors, including ``accent``.
        height: Shape (n_faces,); from 0 at the first ring to 1 at the last, and -1 without a pattern.
        turn: Shape (n_faces,); from 0 at a ring's first point to 1 at its last.
    """

    corners: NDArray[np.float64]
    casting: list[NDArray[np.int64]]
    standing: list[NDArray[np.int64]]
    quads: NDArray[np.int64]
    outlines: dict[int, NDArray[np.int64]]
    normals: NDArray[np.float64]
    centers: NDArray[np.float64]
    depths_from: NDArray[np.float64]
    lift: NDArray[np.float64]
    part: NDArray[np.int64]
    paint: NDArray[np.int64]
    paints: list[str]
    height: NDArray[np.float64]
    turn: NDArray[np.float64]

    def stretched(self, axis: int, factor: float) -> Mesh:
        """Return it with one axis (0 to 2) longer or shorter."""
        import numpy as np

        scale = np.ones(3)
        scale[axis] = factor
        normals = self.normals / scale
        return replace(
            self,
            corners=self.corners * scale,
            centers=self.centers * scale,
            depths_from=self.depths_from * scale,
            normals=normals / np.maximum(np.sqrt((normals**2).sum(axis=1)), 1e-12)[:, None],
        )


def with_pattern(mesh: Mesh, pattern: str) -> Mesh:
    """Return a mesh with a pattern in the color ``accent`` on the solids that have one.

    Args:
        mesh: A mesh without a pattern.
        pattern: A name in `PATTERNS`.
    """
    import numpy as np

    tinted = (mesh.height >= 0) & PATTERNS[pattern](mesh.height, mesh.turn)
    accent = mesh.paints.index("accent")
    return replace(mesh, part=mesh.part + ACCENTED * tinted, paint=np.where(tinted, accent, mesh.paint))


def mesh_of(solids: Sequence[Solid]) -> Mesh:
    """Cut solids into faces, in order."""
    import numpy as np

    corners = np.array([point for solid in solids for ring in solid.rings for point in ring], dtype=np.float64)
    quads: list[NDArray[np.int64]] = []
    places: list[NDArray[np.float64]] = []
    owners: list[int] = []
    outlines, casting, first = {}, [], 0
    for number, solid in enumerate(solids):
        rows = np.arange(first, first := first + sum(map(len, solid.rings))).reshape(len(solid.rings), -1)
        if len(rows) > 1:
            casting.append(rows.ravel())
            after = np.roll(rows, -1, axis=1)
            quads.append(np.stack([rows[:-1], after[:-1], after[1:], rows[1:]], axis=-1).reshape(-1, 4))
            places.append(_places(solid))
        for end, closed in zip((rows[0][::-1], rows[-1]), solid.ends, strict=True):
            if closed:
                outlines[sum(map(len, quads))] = end
                quads.append(end[[[index * len(end) // 4 for index in range(4)]]])
                places.append(np.array([[-1.0, 0.0]]))
        owners += [number] * (sum(map(len, quads)) - len(owners))
    faces, owner, place = np.concatenate(quads), np.array(owners), np.concatenate(places)
    names = sorted({"accent", *(solid.paint for solid in solids)})
    normals, centers = _normals(corners[faces], owner, solids)
    return Mesh(
        corners=corners,
        casting=casting,
        standing=[low for rows in casting if len(low := rows[corners[rows, 1] < NEAR_GROUND])],
        quads=faces,
        outlines=outlines,
        normals=normals,
        centers=centers,
        depths_from=_depths_from(centers, owner, solids),
        lift=np.array([solid.lift for solid in solids])[owner],
        part=_parts(normals, owner, solids),
        paint=np.array([names.index(solid.paint) for solid in solids])[owner],
        paints=names,
        height=place[:, 0],
        turn=place[:, 1],
    )


def _places(solid: Solid) -> NDArray[np.float64]:
    import numpy as np

    n_walls, n_points = len(solid.rings) - 1, len(solid.rings[0])
    height = (np.arange(n_walls) + 0.5) / n_walls if solid.patterned else np.full(n_walls, -1.0)
    turn = (np.arange(n_points) + 0.5) / n_points
    return np.column_stack([np.repeat(height, n_points), np.tile(turn, n_walls)])


def _normals(
    at: NDArray[np.float64], owner: NDArray[np.int64], solids: Sequence[Solid]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The flux of the position through a closed skin is three times its volume, negative if the normals point inward.
    # Measured from the skin's middle, its sign is also right for an open skin.
    import numpy as np

    normals, centers = np.cross(at[:, 2] - at[:, 0], at[:, 3] - at[:, 1]), at.mean(axis=1)
    n_solids = len(solids)
    counts = np.bincount(owner, minlength=n_solids)
    middles = np.stack([np.bincount(owner, weights=axis, minlength=n_solids) / counts for axis in centers.T], axis=1)
    flux = np.bincount(owner, weights=((centers - middles[owner]) * normals).sum(axis=1), minlength=n_solids)
    flat = np.array([len(solid.rings) == 1 for solid in solids])
    hollow = np.array([solid.hollow for solid in solids])
    outward = np.where(flat | ((flux > 0) != hollow), 1.0, -1.0)
    lengths = np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    return normals * (outward[owner] / lengths)[:, None], centers


def _depths_from(
    centers: NDArray[np.float64], owner: NDArray[np.int64], solids: Sequence[Solid]
) -> NDArray[np.float64]:
    points = centers.copy()
    for number, solid in enumerate(solids):
        if solid.depth_from is not None:
            points[owner == number] = solid.depth_from
    return points


def _parts(normals: NDArray[np.float64], owner: NDArray[np.int64], solids: Sequence[Solid]) -> NDArray[np.int64]:
    import numpy as np

    creased = np.array([solid.creased for solid in solids])[owner]
    axis = np.abs(normals).argmax(axis=1)
    direction = 1 + 2 * axis + (np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] > 0)
    number = np.cumsum([not solid.joined for solid in solids])[owner]
    part: NDArray[np.int64] = 1 + (number * 7 + np.where(creased, direction, 0)) % PARTS
    return part
