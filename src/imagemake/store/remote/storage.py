"""One place and what can be asked of it, by fsspec: S3 and whatever speaks it, a folder, and a dozen others.

Each request is one thread's and ends in time. Nothing is cached between requests. What is written is whole or not there
at all: S3 sees to that itself, and in a folder a file is renamed into place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from imagemake.core.backoff import backoff_s
from imagemake.core.files import write_whole
from imagemake.store.remote.errors import PASSING, in_words

T = TypeVar("T")
SLOWEST_BYTES_PER_S = 50_000  # what is sent or fetched is given that much more time
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
_S3 = ("s3", "s3a")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A file of a place, as its listing tells it.

    Attributes:
        bytes: Its size.
        etag: What changes when its content does; for S3 usually its MD5. None where the place has none.
    """

    bytes: int
    etag: str | None = None


class Storage:
    """A place, and the requests that it takes. All methods are safe to call from several threads.

    Args:
        address: Such as ``s3://bucket/prefix``; checked before, see `imagemake.config.remotes`.
        timeout_s: Longest wait for an answer, in seconds; not kept where a folder's own disk hangs.
        tries: How often something is asked for before it counts as failed.
        parallel: Requests at once.

    Raises:
        PlaceError: If nothing here speaks to such places.
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
        """Whether a file is given its content type and cache header."""
        return self._is_s3

    @property
    def is_absent(self) -> bool:
        """Whether it is a folder that is not there, such as one that is not mounted; others say so when asked."""
        return _is_folder(self._fs) and not Path(self._root).is_dir()

    def get(self, name: str, most_bytes: int) -> bytes | None:
        """Fetch a file; None where there is none.

        Args:
            name: Below the address.
            most_bytes: As many are fetched; one more tells that the file is larger.

        Raises:
            PlaceError: If it cannot be fetched.
        """

        def ask() -> bytes | None:
            try:
                end = most_bytes + 1
                return bytes(self._fs.cat_file(self._path(name), start=0, end=end, **self._until(most_bytes)))
            except (FileNotFoundError, NotADirectoryError) as error:
                if _names_bucket(error):
                    raise
                return None
            except OSError as error:
                if "InvalidRange" in str(error):  # the file is empty, and has not even a first byte
                    return b""
                raise

        return self._ask(ask)

    def put(self, name: str, data: bytes, content_type: str, cache_control: str | None = None) -> str | None:
        """Write a file, whole.

        Returns:
            Its ETag, where the place says it.

        Raises:
            PlaceError: If it cannot be written.
        """
        headers = {"ContentType": content_type, "CacheControl": cache_control} if self._is_s3 else {}
        headers = {header: value for header, value in headers.items() if value}

        def ask() -> Any:
            if _is_folder(self._fs):
                return write_whole(Path(self._path(name)), data)
            return self._fs.pipe_file(self._path(name), data, **headers, **self._until(len(data)))

        answer = self._ask(ask)
        return _etag(answer) if isinstance(answer, Mapping) else None

    def list(self, below: str = "") -> dict[str, ListedObject]:
        """List every file of a folder and its folders, by name; nothing where there is no such folder.

        Raises:
            PlaceError: If it cannot be listed.
        """
        folder = self._path(below) if below else self._root

        def ask() -> dict[str, ListedObject]:
            try:
                found = self._fs.find(folder, detail=True, **self._until(0, folds=50))
            except FileNotFoundError as error:
                if _names_bucket(error):
                    raise
                return {}
            return {
                path.removeprefix(self._root).lstrip("/"): ListedObject(int(info["size"]), _etag(info))
                for path, info in found.items()
                if info.get("type") == "file"
            }

        return self._ask(ask)

    def delete(self, name: str) -> None:
        """Take a file away, if it is there."""

        def ask() -> None:
            try:
                self._fs.rm_file(self._path(name), **self._until(0))
            except FileNotFoundError:
                return

        self._ask(ask)

    def each(self, do: Callable[[T], Any], things: Iterable[T], tell: Callable[[], None] = lambda: None) -> None:
        """Do something with many things at once, and tell as each is done.

        The first error ends it, as Ctrl-C does: nothing more is begun, and what was begun is waited for.
        """
        pool = ThreadPoolExecutor(self.parallel)
        try:
            for done in as_completed([pool.submit(do, thing) for thing in things]):
                done.result()
                tell()
        finally:
            pool.shutdown(cancel_futures=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _until(self, n_bytes: int, folds: int = 1) -> dict[str, float]:
        # fsspec takes a timeout for what is asynchronous inside, and nothing else.
        if not getattr(self._fs, "async_impl", False):
            return {}
        return {"timeout": folds * self._timeout_s + n_bytes / SLOWEST_BYTES_PER_S}

    def _ask(self, ask: Callable[[], T]) -> T:
        for tried in range(1, self._tries + 1):
            try:
                return ask()
            except Exception as raised:
                error = in_words(raised, self.address)
                if error.trouble not in PASSING or tried == self._tries:
                    raise error from None
                time.sleep(backoff_s(FIRST_WAIT_S, LONGEST_WAIT_S, tried))
        raise AssertionError("at least one try")


def _file_system(address: str, timeout_s: float, parallel: int) -> tuple[Any, str]:
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    is_s3 = address.partition("://")[0] in _S3
    if is_s3:
        config: dict[str, Any] = {
            "connect_timeout": min(10.0, timeout_s),
            "read_timeout": timeout_s,
            "max_pool_connections": parallel,
            "retries": {"total_max_attempts": 1, "mode": "standard"},  # tries are counted in one place: ours
        }
        # Newer checksums than MD5 are more than many an S3-compatible server knows.
        for name in ("request_checksum_calculation", "response_checksum_validation"):
            if f"AWS_{name.upper()}" not in os.environ:
                config[name] = "when_required"
        options["config_kwargs"] = config
    fs, root = fsspec.core.url_to_fs(address, **options)
    if is_s3:
        fs.retries = 1
    return fs, root


def _is_folder(fs: Any) -> bool:
    protocol = fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)
    return "file" in protocol


def _names_bucket(error: OSError) -> bool:
    return "bucket does not exist" in str(error).lower()  # S3's own words; s3fs has one error for both


def _etag(info: Mapping[str, Any]) -> str | None:
    etag = info.get("ETag")
    return str(etag).strip('"') if etag else None
