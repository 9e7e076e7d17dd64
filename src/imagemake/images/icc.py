"""Makes ICC profiles of colors that a file describes by numbers: by code points (ITU-T H.273), or by gamma and corners.

What browsers show as sRGB needs no profile: the curves of video (BT.709) and a gamma of about 1/2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

# Large press profiles have 3 MB. Anything much larger is an attack on LittleCMS.
MOST_PROFILE_BYTES = 8_000_000

_D65 = (0.3127, 0.329)
_BT709 = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x and y of white, red, green, and blue
_NTSC = (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)
_CORNERS = {
    1: _BT709,
    2: _BT709,  # not specified
    5: (*_D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: _NTSC,
    7: _NTSC,
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # DCI P3
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
# None is the curve of sRGB, with which browsers show the curves of video too.
_GAMMAS = {1: None, 2: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_SRGB_GAMMA = 1 / 2.2
_SAME_GAMMA = 0.05  # libpng's PNG_GAMMA_THRESHOLD: a smaller difference is not corrected
_SAME_CORNER = 0.002
_GAMMAS_OF_IMAGES = (0.1, 10)
_D50_XYZ = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def profile_of_code_points(primaries: int, transfer: int, notes: list[str]) -> bytes | None:
    """Return the profile of code points of H.273; None for sRGB, and if they are not supported, which is noted."""
    if primaries not in _CORNERS or transfer not in _GAMMAS:
        notes.append(f"the color profile (primaries {primaries}, transfer {transfer}) was not applied")
        return None
    return _profile_or_none(_CORNERS[primaries], _GAMMAS[transfer], notes)


def profile_of_gamma(encoding: float | None, corners: Sequence[float] | None, notes: list[str]) -> bytes | None:
    """Return the profile of a PNG's `gAMA` and `cHRM`; None for sRGB, and if they are unusable, which is noted."""
    if encoding is not None and not _GAMMAS_OF_IMAGES[0] <= encoding <= _GAMMAS_OF_IMAGES[1]:
        notes.append(f"the color profile (gamma {encoding:g}) was not applied")
        encoding = None
    if encoding is None or abs(encoding / _SRGB_GAMMA - 1) < _SAME_GAMMA:
        return _profile_or_none(corners or _BT709, None, notes)
    return _profile_or_none(corners or _BT709, 1 / encoding, notes)


def _profile_or_none(corners: Sequence[float], gamma: float | None, notes: list[str]) -> bytes | None:
    import numpy as np

    if max(abs(one - other) for one, other in zip(corners, _BT709, strict=True)) <= _SAME_CORNER:
        if gamma is None:
            return None
        corners = _BT709
    try:
        columns = _adapted(corners)
    except np.linalg.LinAlgError:
        columns = ()
    if not columns or not all(abs(value) < 2 for column in columns for value in column):
        notes.append("the color profile was not applied: its primary colors are no triangle")
        return None
    return _matrix_profile(columns, gamma)


def _adapted(corners: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Return XYZ of red, green, and blue, relative to D50 as in all profiles."""
    import numpy as np

    points = np.reshape(corners, (4, 2))
    if (points[:, 1] <= 0).any():
        raise np.linalg.LinAlgError
    white, *_ = xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in points])
    primary = xyz[1:].T
    matrix = primary * np.linalg.solve(primary, white)
    bradford = np.array(_BRADFORD)
    scale = (bradford @ _D50_XYZ) / (bradford @ white)
    return tuple(map(tuple, (np.linalg.solve(bradford, np.diag(scale)) @ bradford @ matrix).T.tolist()))


def _matrix_profile(columns: Sequence[Sequence[float]], gamma: float | None) -> bytes:
    parameters = _SRGB_CURVE if gamma is None else (gamma,)
    curve = b"para" + bytes(4) + struct.pack(">HH", 3 if gamma is None else 0, 0) + _fixed(parameters)
    tags = {b"wtpt": _xyz(_D50_XYZ), b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"file\0" + bytes(78)}
    for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 128 + 4 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x04000000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + _fixed(_D50_XYZ)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: Sequence[float]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))
