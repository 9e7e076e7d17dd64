"""The store of a job: if it is in a bucket, what the job reads is brought first, and what it made is sent at its end.

What costs money is sent at once, by the store itself; see `imagemake.store.whole`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.store.store import Store
from imagemake.store.whole.attaching import attached
from imagemake.store.whole.shared_work import shared_work
from imagemake.store.whole.work_files import bring_tables, heeding_stop

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.store.items import Item


@contextmanager
def store_for_job(
    settings: SharedStore, root: Path, work: Path, job: str, items: Sequence[Item], *, asks: bool = False
) -> Iterator[None]:
    """Prepare the store for a job.

    Args:
        settings: Section ``store`` of the configuration.
        root: Folder of the store.
        work: Folder of the notes of the run.
        job: Name of the job.
        items: What the job works on.
        asks: Whether it asks models, and so reads their answers.

    Raises:
        PlaceError: If the bucket cannot be read and written. Nothing was paid for.
    """
    with attached(settings, root, job) as whole:
        if whole is None:
            yield
            return
        from imagemake.store.whole.copying import bring_answers, bring_open_calls

        to_make = {item.key for item in items if item.raw is None}
        if to_make:
            whole.look_up("raw", to_make)
            bring_open_calls(whole, to_make)
        whole.bring_all("raw", [item.raw for item in items if item.raw is not None])
        if asks:
            bring_answers(whole, items)
        folders = (Store(root).raw, Store(root).finished)
        before = [set(folder.all()) for folder in folders]
        with heeding_stop(shared_work(), work):
            yield
        for folder, known in zip(folders, before, strict=True):
            whole.send_made(folder.folder.name, set(folder.all()) - known)


@contextmanager
def complete_store(settings: SharedStore, root: Path, work: Path, job: str) -> Iterator[None]:
    """Make the folders of store and tables complete for a local job, and let the bucket have what the job adds.

    Raises:
        PlaceError: If the bucket cannot be read and written.
    """
    with attached(settings, root, job) as whole:
        if whole is not None:
            from imagemake.store.whole.copying import copy_both_ways

            copy_both_ways(whole)
            if (place := shared_work()) is not None:
                bring_tables(place, work)
        yield
        if whole is not None:
            copy_both_ways(whole)
