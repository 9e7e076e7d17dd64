"""The images that are sent with prompts: kept in the store by content, so that no edit changes what a key means."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe
from imagemake.images.source_files import SourceImages
from imagemake.store.store import DamagedError, Store

KEPT_BYTES = 64_000_000  # what a job holds in memory for later calls; what calls in flight use comes on top


def keep_sent_images(recipes: Iterable[Recipe], files: SourceImages, store: Store) -> None:
    """Copy the files of some recipes into the store, those that it does not hold.

    Args:
        recipes: What may be asked for.
        files: What was found under which path when the recipes were made.
        store: Where they go.

    Raises:
        UserError: If files have changed since.
    """
    wanted = {digest for recipe in recipes for digest in recipe.files}
    missing = wanted - store.references.index().keys() if wanted else wanted
    changed: dict[str, str] = {}
    for path, image in files.by_path.items():
        if image.digest not in missing:
            continue
        data = files.read(path, image.digest)
        if data is None:
            changed[path] = image.digest
            continue
        store.references.put(image.digest, data, durable=True)
        missing.discard(image.digest)
    if missing:
        remedy = "Start the run again: what has changed is then planned anew."
        places = [path for path, digest in changed.items() if digest in missing]
        raise UserError(Problem(path, "this image has changed while the run was planned.", remedy) for path in places)


class SentImages:
    """Hands out the content of reference images and masks, by digest.

    Args:
        store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._shelf = store.references
        self._stored: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, recipe: Recipe) -> Mapping[str, bytes]:
        """Return every file that a recipe sends, by its digest.

        Raises:
            DamagedError: If one is not there, or its bytes have changed; it was then moved away.
        """
        return {digest: self.read(digest) for digest in recipe.files}

    def read(self, digest: str) -> bytes:
        """Return one file.

        Raises:
            DamagedError: If it is not there, or its bytes have changed; it was then moved away.
        """
        with self._lock:
            return self._read(digest)

    def _read(self, digest: str) -> bytes:
        # Many calls of a job send the same image: it is read, checked and held once for all of them.
        data = self._stored.get(digest)
        if data is None:
            stored = self._shelf.find(digest)
            if stored is None:
                raise DamagedError(f"{self._shelf.folder} does not hold the reference image {digest}")
            data = self._shelf.read(stored)
        self._stored[digest] = data
        self._stored.move_to_end(digest)
        while len(self._stored) > 1 and sum(map(len, self._stored.values())) > KEPT_BYTES:
            self._stored.popitem(last=False)
        return data
