"""What models answered about images and prompts: paid for, so kept as images are.

A file holds what one call asked and was answered. The first half of its key names the image or the prompt, so that a
list of names tells what is known of an image; the other half names what was asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.recipe import Recipe
from imagemake.core.told_once import tell_once
from imagemake.store.store import ContentStore, DamagedError, Store, StoredFile

_HALF = 32  # digits of a key


def answer_key(about: str, recipe: Recipe) -> str:
    """Return the key of a call's answers.

    Args:
        about: SHA-256 of the image, or of the prompt.
        recipe: What is asked.
    """
    return half_of(about) + half_of(recipe.key())


def half_of(key: str) -> str:
    """Return the first half of a key: of a key of answers, what it says of the image or prompt that they are about."""
    return key[:_HALF]


def prompt_digest(prompt: str) -> str:
    """Return the SHA-256 of a prompt."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


class _Answers(ContentStore):
    """Files with answers, which are JSON."""

    def put(self, key: str, data: bytes, *, durable: bool, extension: str | None = None) -> StoredFile:
        return super().put(key, data, durable=durable, extension=extension or "json")


class KeptAnswers:
    """Reads the answers of a store as they were when this object was made.

    Args:
        root: Folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self._files = Store(root).answers

    @cached_property
    def _by_half(self) -> Mapping[str, list[StoredFile]]:
        found: dict[str, list[StoredFile]] = {}
        for stored in sorted(self._files.all(), key=lambda one: one.file_name):
            found.setdefault(half_of(stored.key), []).append(stored)
        return found

    def about(self, digest: str) -> Iterator[dict[str, Any]]:
        """Yield what is kept about an image or prompt: ``asked`` and ``answers``, one for each call.

        A file that is damaged is moved aside, and its questions are asked again.
        """
        for stored in self._by_half.get(half_of(digest), ()):
            content = self._read(stored)
            if content is not None and content.get("image") in (None, digest):
                yield content

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield everything that is kept."""
        for stored in (one for group in self._by_half.values() for one in group):
            content = self._read(stored)
            if content is not None:
                yield content

    def _read(self, stored: StoredFile) -> dict[str, Any] | None:
        try:
            content = orjson.loads(self._files.read(stored))
            well = isinstance(content["asked"], dict) and isinstance(content["answers"], list)
        except DamagedError as error:
            tell_once(f"{error}; its questions are asked again")
            return None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            well = False
        if not well:
            tell_once(f"{self._files.path(stored)} holds no answers and is ignored")
        return content if well else None


class AnswerStore(Store):
    """The store as the calls of askers see it: what they make are answers, and what they send are the store's images.

    Args:
        root: Folder of the store.
        sent: Has the images to send, by digest.
    """

    def __init__(self, root: Path, sent: ContentStore | None = None) -> None:
        super().__init__(root)
        self.raw = _Answers(self.answers.folder, self.answers.damaged)
        if sent is not None:
            self.references = sent

    def beside(self, root: Path) -> Store:
        """Return a store of the same kind in another folder."""
        return AnswerStore(root)
