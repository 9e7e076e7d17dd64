"""Loads ONNX files that the user provides, with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagemake.core.problems import NotReadyError

LFS_POINTER = b"version https://git-lfs"


def session_of(path: Path) -> Any:
    """Load a network; it runs on one core of the CPU, so that every machine reads nearly the same.

    Raises:
        NotReadyError: If the file cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # jobs run in parallel
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common class
        said = " ".join(str(error).split())[:200]
        raise NotReadyError(f"{str(path)!r} cannot be loaded: {said}.", "Download the file again.") from error


def check_downloaded(path: Path) -> None:
    """Check that a file is more than a pointer to one.

    Raises:
        NotReadyError: If it is a pointer of Git LFS.
    """
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            what = f"{str(path)!r} is only a pointer to a file that was not downloaded."
            raise NotReadyError(what, "Run `git lfs pull` in its folder.")


def external_data(network: Path) -> list[Path]:
    """Return the files with the weights of a network that are beside it, as for networks above 2 GB."""
    return sorted(network.parent.glob(f"{network.stem}.onnx[._]data*"))
