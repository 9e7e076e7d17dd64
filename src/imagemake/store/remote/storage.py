"""Requests to remote storage, by fsspec: S3 and compatible servers, a folder, and a dozen others.

Each request runs in one thread and has a timeout. Nothing is cached between requests. Writes are atomic: S3 guarantees
that itself, and in a folder, a file is renamed into place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from imagemake.core.backoff import backoff_s
from imagemake.core.errors import ImagemakeError
from imagemake.core.files import writing
from imagemake.store.remote.errors import PASSING, Operation, in_words

T = TypeVar("T")
_AT_ONCE = 1_000  # things that the pool of `each` is given
SLOWEST_BYTES_PER_S = 50_000  # extends the timeout of a transfer by its size
FIRST_WAIT_S, MAX_WAIT_S = 0.5, 60.0
_S3 = ("s3", "s3a")

# Where a file system is let go, s3fs closes its session in the event loop that runs there, such as Snakemake's, which
# is not the one that opened it. Those of a process are few, so they stay until its end, when none runs.
_kept: list[Any] = []


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A file in a listing of remote storage.

    Attributes:
        bytes: Size of the file.
        etag: Text that changes with the content, for S3 usually the MD5. None if the storage has no ETags.
        modified_at: When it was written, by the storage's clock, in seconds of Unix time; 0 if unknown.
    """

    bytes: int
    etag: str | None = None
    modified_at: float = field(default=0.0, compare=False)


class Storage:
    """Remote storage. All methods are thread-safe.

    Args:
        address: Address such as ``s3://bucket/prefix``, which `imagemake.config.remotes` has checked.
        timeout_s: Longest wait for a response, in seconds. It does not apply to a folder on a disk that hangs.
        tries: Number of tries per request.
        parallel: Number of concurrent requests of `each`.

    Raises:
        PlaceError: If no installed package supports the address.
    """

    def __init__(self, address: str, *, timeout_s: float, tries: int = 4, parallel: int = 16) -> None:
        self.address = address.rstrip("/")
        self._timeout_s, self._tries, self.parallel = timeout_s, tries, parallel
        try:
            self._fs, root = _file_system(self.address, timeout_s, parallel)
        except Exception as error:
            raise in_words(error, self.address) from None
        self._root = str(root).rstrip("/")
        self._is_s3 = self.address.partition("://")[0] in _S3

    @property
    def keeps_headers(self) -> bool:
        """Whether the storage keeps the content type and cache header of a file."""
        return self._is_s3

    @property
    def is_absent(self) -> bool:
        """Whether it is a folder that does not exist, such as one that is not mounted; False for other storage."""
        return _is_folder(self._fs) and not Path(self._root).is_dir()

    def get(self, name: str, max_bytes: int) -> bytes | None:
        """Return the content of a file, or None if the file does not exist.

        Args:
            name: Path of the file, relative to the address.
            max_bytes: Expected maximum size. If the file is larger, one more byte is returned.

        Raises:
            PlaceError: If the request fails.
        """

        def ask() -> bytes | None:
            try:
                end = max_bytes + 1
                return bytes(self._fs.cat_file(self._path(name), start=0, end=end, **self._until(max_bytes)))
            except (FileNotFoundError, NotADirectoryError) as error:
                if _names_bucket(error):
                    raise
                return None
            except OSError as error:
                if "InvalidRange" in str(error):  # the file is empty
                    return b""
                raise

        return self._ask(ask, Operation.READ, name)

    def put(
        self,
        name: str,
        content: bytes | Callable[[], Iterable[bytes]],
        content_type: str,
        cache_control: str | None = None,
    ) -> str | None:
        """Write a file atomically.

        Args:
            name: Path of the file, relative to the address.
            content: The content, or what yields its parts, in each try anew; a folder needs them one by one only.
            content_type: Its media type.
            cache_control: Its Cache-Control header, if any.

        Returns:
            The ETag, or None if the storage does not return one.

        Raises:
            PlaceError: If the request fails.
        """
        headers = {"ContentType": content_type, "CacheControl": cache_control} if self._is_s3 else {}
        headers = {header: value for header, value in headers.items() if value}

        def ask() -> Any:
            if _is_folder(self._fs):
                with writing(Path(self._path(name))) as file:
                    file.writelines([content] if isinstance(content, bytes) else content())
                return None
            data = content if isinstance(content, bytes) else joined(content())
            return self._fs.pipe_file(self._path(name), data, **headers, **self._until(len(data)))

        answer = self._ask(ask, Operation.WRITE, name)
        return _etag(answer) if isinstance(answer, Mapping) else None

    def list(self, below: str = "", begins: str = "") -> dict[str, ListedObject]:
        """Return all files in a folder and its subfolders, by name. A folder that does not exist has no files.

        Args:
            below: The folder, relative to the address.
            begins: How the names of the files begin, relative to the folder.

        Raises:
            PlaceError: If the request fails.
        """
        folder = self._path(below) if below else self._root
        only = {"prefix": begins} if begins and self._is_s3 else {}

        def ask() -> dict[str, ListedObject]:
            try:
                found = self._fs.find(folder, detail=True, **only, **self._until(0, folds=50))
            except FileNotFoundError as error:
                if _names_bucket(error):
                    raise
                return {}
            return {
                path.removeprefix(self._root).lstrip("/"): ListedObject(int(info["size"]), _etag(info), _modified(info))
                for path, info in found.items()
                if info.get("type") == "file" and path.startswith(f"{folder}/{begins}")
            }

        return self._ask(ask, Operation.LIST, f"{below}/{begins}".strip("/"))

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""

        def ask() -> None:
            try:
                self._fs.rm_file(self._path(name), **self._until(0))
            except FileNotFoundError:
                return

        self._ask(ask, Operation.DELETE, name)

    def each(self, do: Callable[[T], Any], things: Iterable[T], tell: Callable[[], None] = lambda: None) -> None:
        """Call `do` with each thing, in parallel, and call `tell` after each.

        The first error, or Ctrl-C, stops it: no more calls start, and calls in flight are completed.
        """
        pool, left = ThreadPoolExecutor(self.parallel), iter(things)
        try:
            while some := list(islice(left, _AT_ONCE)):  # a pool remembers all that it was given
                for done in as_completed([pool.submit(do, thing) for thing in some]):
                    done.result()
                    tell()
        finally:
            pool.shutdown(cancel_futures=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _until(self, n_bytes: int, folds: int = 1) -> dict[str, float]:
        # fsspec accepts a timeout only for asynchronous file systems.
        if not getattr(self._fs, "async_impl", False):
            return {}
        return {"timeout": folds * self._timeout_s + n_bytes / SLOWEST_BYTES_PER_S}

    def _ask(self, ask: Callable[[], T], operation: Operation, name: str) -> T:
        for tried in range(1, self._tries + 1):
            try:
                return ask()
            except ImagemakeError:
                raise
            except Exception as raised:
                error = in_words(raised, self.address, operation, name)
                if error.trouble not in PASSING or tried == self._tries:
                    raise error from None
                time.sleep(backoff_s(FIRST_WAIT_S, MAX_WAIT_S, tried))
        raise AssertionError("at least one try")


def joined(parts: Iterable[bytes]) -> bytes:
    """Join parts that come one by one, with half of the memory that `join` takes."""
    content = BytesIO()
    content.writelines(parts)
    return content.getvalue()


def _file_system(address: str, timeout_s: float, parallel: int) -> tuple[Any, str]:
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    is_s3 = address.partition("://")[0] in _S3
    if is_s3:
        config: dict[str, Any] = {
            "connect_timeout": min(10.0, timeout_s),
            "read_timeout": timeout_s,
            "max_pool_connections": parallel,
            "retries": {"total_max_attempts": 1, "mode": "standard"},  # `_ask` retries
        }
        # Many S3-compatible servers do not support checksums other than MD5.
        for name in ("request_checksum_calculation", "response_checksum_validation"):
            if f"AWS_{name.upper()}" not in os.environ:
                config[name] = "when_required"
        options["config_kwargs"] = config
    fs, root = fsspec.core.url_to_fs(address, **options)
    if is_s3:
        fs.retries = 1
    _kept.append(fs)
    return fs, root


def _is_folder(fs: Any) -> bool:
    protocol = fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)
    return "file" in protocol


def _names_bucket(error: OSError) -> bool:
    return "bucket does not exist" in str(error).lower()  # text from S3; s3fs has one class for both


def _etag(info: Mapping[str, Any]) -> str | None:
    etag = info.get("ETag")
    return str(etag).strip('"') if etag else None


def _modified(info: Mapping[str, Any]) -> float:
    when = info.get("LastModified") or info.get("mtime") or 0.0
    return when.timestamp() if isinstance(when, datetime) else float(when)
