"""Which files a pipeline is made of: what decides its images, and nothing else, so that a README changes no key.

Nothing here imports diffusers: every plan asks for these files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from imagemake.core.problems import NotReadyError

INDEX = "model_index.json"
PIPELINE = "pipeline"  # the name of the pipeline in model.files
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_WEIGHTS = ".safetensors"
_SMALL = (".json", ".txt", ".model", ".jinja")  # settings, vocabularies, and tokenizers
_SHARD = re.compile(r"-\d+-of-\d+$")


def pipeline_folder(model: str, files: Mapping[str, str]) -> Path:
    """Return the folder of a pipeline: the one in ``model.files``, or its repository's in the cache of the hub.

    Args:
        model: Name of the model: the repository, if no file is named.
        files: The files in ``model.files``, by what they are.

    Raises:
        NotReadyError: If there is no pipeline.
    """
    named = files.get(PIPELINE, model)
    folder = Path(named).expanduser()
    if PIPELINE not in files and (folder / INDEX).exists():
        what = f"{model!r} is a folder, but the name of a model is part of every key, and a folder can move."
        raise NotReadyError(what, f"Name the folder under model.files, as {PIPELINE}, and the model as you like.")
    repository = _REPOSITORY.fullmatch(named)
    if repository is not None and not folder.exists():
        folder = _cached(repository["name"], repository["revision"] or "main")
    if not (folder / INDEX).is_file():
        if folder.is_file():
            remedy = "Load it once with from_single_file, save it with save_pretrained, and name that folder."
            raise NotReadyError(f"{folder}: this is one file, not the folder of a pipeline.", remedy)
        remedy = f"Name the folder of a pipeline, with its {INDEX}, under model.files, as {PIPELINE}."
        if repository is not None:
            revision = f" --revision {repository['revision']}" if repository["revision"] else ""
            remedy = f"Download it once: hf download {repository['name']}{revision}. A build downloads no models."
        raise NotReadyError(f"{named}: there is no pipeline of diffusers, in a folder or in the hub's cache.", remedy)
    return folder


def files_of_pipeline(folder: Path, variant: str | None) -> dict[str, Path]:
    """Return the files that decide what a pipeline makes, by their names in its folder.

    Args:
        folder: Folder of the pipeline.
        variant: Which weights are loaded where there are several, such as ``fp16``.

    Raises:
        NotReadyError: If a folder has weights in unsafe files only.
    """
    found = {INDEX: folder / INDEX}
    for part in _parts(folder):
        names = {path.name: path for path in part.iterdir() if path.is_file()}
        weights = _of_variant([name for name in names if name.endswith(_WEIGHTS)], variant)
        unsafe = [name for name in names if name.endswith((".bin", ".pt", ".ckpt"))]
        if unsafe and not weights:
            what = f"{part / unsafe[0]}: a file of this kind can run any program when it is loaded."
            raise NotReadyError(what, "Use weights in .safetensors files, or convert these with save_pretrained.")
        small = [name for name in names if name.endswith(_SMALL) and not name.startswith("README")]
        found |= {f"{part.name}/{name}": names[name] for name in sorted([*weights, *small])}
    return found


def _parts(folder: Path) -> list[Path]:
    """Return the folders of a pipeline's parts, which its index lists with their classes."""
    try:
        index = orjson.loads((folder / INDEX).read_bytes())
        names = sorted(name for name, kind in index.items() if isinstance(kind, list) and kind[:1] != [None])
    except (orjson.JSONDecodeError, AttributeError, OSError) as error:
        raise NotReadyError(f"{folder / INDEX}: it cannot be read: {error}.", "Get the pipeline again.") from None
    return [folder / name for name in names if (folder / name).is_dir()]


def lora_file(use: str, files: Mapping[str, str]) -> Path:
    """Return the file of a LoRA.

    Args:
        use: Its name in ``model.files``, as in the parameter ``loras``.
        files: The files in ``model.files``, by what they are.

    Raises:
        NotReadyError: If it is missing.
    """
    if use not in files or use == PIPELINE:
        known = ", ".join(sorted({*files} - {PIPELINE})) or "none"
        what = f"the parameter loras names {use!r}, which model.files does not; it has {known}."
        raise NotReadyError(what, f"Add its .safetensors file under model.files, as {use}.")
    path = Path(files[use]).expanduser()
    if not path.is_file() or path.suffix != _WEIGHTS:
        fault = "this is not a .safetensors file" if path.exists() else "there is no such file"
        raise NotReadyError(f"{path}: {fault}, but model.files names it as {use}.", "Name the file of a LoRA.")
    return path


def _of_variant(names: list[str], variant: str | None) -> Iterator[str] | list[str]:
    chosen = [name for name in names if _variant(name) == variant]
    return chosen or [name for name in names if _variant(name) is None]


def _variant(name: str) -> str | None:
    """Return ``fp16`` of ``model.fp16-00001-of-00002.safetensors``."""
    _, _, rest = _SHARD.sub("", name.removesuffix(_WEIGHTS)).partition(".")
    return rest or None


def _cached(repository: str, revision: str) -> Path:
    """Return where the hub's client keeps a revision; the folder need not exist."""
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "huggingface"
    home = Path(os.environ.get("HF_HOME", home))
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()
    folder = cache / f"models--{repository.replace('/', '--')}"
    reference = folder / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    return folder / "snapshots" / commit
