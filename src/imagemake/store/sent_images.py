"""Images that are sent with prompts. The store keeps them by content, so an edit never changes the meaning of a key."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe
from imagemake.images.repair_mask import MASK_EXTENSION, RepairMask
from imagemake.images.source_files import SourceImages
from imagemake.store.store import DamagedError, Store, StoredFile

KEPT_BYTES = 64_000_000  # memory that a job uses for later calls, in addition to the calls in flight


def keep_sent_images(
    recipes: Iterable[Recipe], files: SourceImages, store: Store, workflows: Iterable[bytes] = ()
) -> None:
    """Copy the files of recipes to the store, unless it already has them.

    Args:
        recipes: Recipes that may be requested.
        files: The files that were read when the recipes were made.
        store: Store to copy to.
        workflows: Templates of workflows.

    Raises:
        UserError: If files changed since the recipes were made.
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
    for data in workflows:
        if (digest := hashlib.sha256(data).hexdigest()) in missing:
            store.references.put(digest, data, durable=True, extension="json")
            missing.discard(digest)
    if missing:
        places = [path for path, digest in changed.items() if digest in missing] or ["model.workflow"]
        what, remedy = "this file changed while the run was planned.", "Start the run again to plan with the new file."
        raise UserError(Problem(path, what, remedy) for path in places)


def keep_parents(files: Iterable[StoredFile], masks: Iterable[RepairMask], store: Store) -> None:
    """Copy raw images that other images are made from, and masks of repairs, to what is sent, unless they are there.

    Raises:
        DamagedError: If one is missing or damaged. It is moved aside, so the next plan makes it again.
    """
    for stored in files:
        if store.references.find(stored.digest) is None:
            store.references.put(stored.digest, store.raw.read(stored), durable=True)
    for mask in masks:
        store.references.put(mask.digest, mask.as_bytes(), durable=True, extension=MASK_EXTENSION)


class SentImages:
    """Reads the content of reference images and masks, by digest.

    Args:
        store: Store that has the images.
    """

    def __init__(self, store: Store) -> None:
        self._references = store.references
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, recipe: Recipe) -> Mapping[str, bytes]:
        """Return the content of all files that a recipe sends, by digest.

        Raises:
            DamagedError: If a file is missing or damaged. A damaged file is moved aside.
        """
        return {digest: self.read(digest) for digest in recipe.files}

    def read(self, digest: str) -> bytes:
        """Return the content of one file.

        Raises:
            DamagedError: If the file is missing or damaged. A damaged file is moved aside.
        """
        with self._lock:
            return self._read(digest)

    def _read(self, digest: str) -> bytes:
        # Many calls of a job send the same image, so it is read and checked once.
        data = self._contents.get(digest)
        if data is None:
            stored = self._references.find(digest)
            if stored is None:
                raise DamagedError(f"reference image {digest} is missing in {self._references.folder}")
            data = self._references.read(stored)
            if stored.extension == MASK_EXTENSION:
                data = RepairMask.from_bytes(data).png()
        self._contents[digest] = data
        self._contents.move_to_end(digest)
        while len(self._contents) > 1 and sum(map(len, self._contents.values())) > KEPT_BYTES:
            self._contents.popitem(last=False)
        return data
