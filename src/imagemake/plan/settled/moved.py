"""Where the rows of a catalog went, by what is written in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def moved(before: NDArray[Any], now: NDArray[Any]) -> NDArray[np.intp]:
    """Return where each row is now; -1 for a row that is gone. No two are at one place.

    Args:
        before: The digests of the rows as they were, of numpy's type V16.
        now: Those of the rows as they are.
    """
    import numpy as np

    places = np.full(len(before), -1, dtype=np.intp)
    start = _n_alike(before, now)
    places[:start] = np.arange(start)
    end = _n_alike(before[start:][::-1], now[start:][::-1])
    places[len(before) - end :] = np.arange(len(now) - end, len(now))
    old, new = np.arange(start, len(before) - end), np.arange(start, len(now) - end)
    if len(old) == len(new):  # edited in place
        alike = before[old] == now[new]
        places[old[alike]] = new[alike]
        old, new = old[~alike], new[~alike]
    left = dict(zip(now[new].tolist(), new.tolist(), strict=True))
    places[old] = [left.pop(digest, -1) for digest in before[old].tolist()]
    return places


def _n_alike(before: NDArray[Any], now: NDArray[Any]) -> int:
    """Return the number of rows at the start that are the same."""
    n = min(len(before), len(now))
    differ = before[:n] != now[:n]
    return int(differ.argmax()) if differ.any() else n
