"""What is remembered of settled rows, and where: sections of bytes, and times of folders and tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from imagemake.config.attempts import Remedy
from imagemake.config.references import OWN_IMAGE
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.file_stamp import RACY_NS, stamp_of
from imagemake.plan.across import phash_of
from imagemake.plan.asked_about import asked_about, asks_models
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.requests.catalog_row import DIGEST_BYTES, Records
from imagemake.plan.requests.names import folded
from imagemake.plan.routing import stays_with_model
from imagemake.plan.settled.groups import Groups
from imagemake.plan.settled.journal_index import JournalIndex
from imagemake.plan.settled.sections import Section, short, short_hex
from imagemake.plan.shown import SHOWN_BYTES, shown_alone
from imagemake.plan.state import Past, Stage, State
from imagemake.store.layout import MEASURED_TABLES, settled_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imagemake.config.campaign import Campaign
    from imagemake.plan.reviews import Review
    from imagemake.stages.validate.prints import Prints
    from imagemake.store.items import Measured
    from imagemake.store.store import Store

VERSION = 4
Stamps: TypeAlias = Mapping[str, int]
Tables: TypeAlias = Mapping[str, list[int]]
MOST_OPEN = 0.5  # share of rows that may need a look; above that, knowing the others gains little

BY_OTHERS = (VerdictCode.NEAR_DUPLICATE, VerdictCode.CONSISTENCY)  # why an image was rejected because of others
BY_ANSWERS = (Remedy.REWRITE, Remedy.REPAIR)  # attempts that more decides than what is remembered

# Sections as arrays of numpy. A place is that of a row in the catalog; names, keys, digests, and files are shortened.
PLACE = ("place", "<u4")
DTYPES: Mapping[str, list[tuple[str, str]]] = {
    "rows": [("digest", f"V{DIGEST_BYTES}"), ("number", "<u8"), ("is_open", "?")],
    "requests": [PLACE, ("name", "<u8"), ("shown", f"V{SHOWN_BYTES}"), ("has_print", "?"), ("print", "V35")],
    "raw": [PLACE, ("key", "<u8"), ("file", "<u8"), ("digest", "<u8")],  # of all attempts; a file of 0 is none
    "finished": [PLACE, ("key", "<u8"), ("file", "<u8")],
    "groups": [PLACE, ("group", "<u8")],
    "about": [PLACE, ("half", "<u8")],  # what calls to models may be about, if the campaign makes any
    "reviews": [("key", "<u8"), ("content", "<u8")],
}


def settled_file(work: Path) -> Path:
    """Return the file of the settled rows."""
    return settled_folder(work) / "rows.bin"


def journal_index(store: Store, work: Path) -> JournalIndex:
    """Return the index of a store's journal."""
    return JournalIndex(store.journal_folder, settled_folder(work) / "journal.bin")


def folder_stamps(store: Store, now_ns: int) -> dict[str, int]:
    """Return when the folders of images changed last; 0 if that was too recent for a further change to show.

    Args:
        store: The store.
        now_ns: The time, in nanoseconds of Unix time.
    """
    return {
        f"{one.folder.name}/{name}": mtime_ns if mtime_ns < now_ns - RACY_NS else 0
        for one in (store.raw, store.finished)
        for name, mtime_ns in one.folder_times().items()
    }


def table_stamps(work: Path, store: Store) -> dict[str, list[int]]:
    """Return size and time of each table that tells what was measured."""
    folders = [*(work / name for name in MEASURED_TABLES), store.measures_folder]
    paths = chain.from_iterable(sorted(folder.glob("*.jsonl")) for folder in folders)
    return {str(path): list(stamp)[:2] for path in paths if (stamp := stamp_of(path))}


def is_settled(state: State, campaign: Campaign) -> bool:
    """Return whether a request is done, by nothing that requests outside of its groups decide, or that is not kept."""
    by_model = not state.request.routes or stays_with_model(state, campaign.attempts)
    codes = {reason.code for past in state.past for reason in past.reasons}
    attempts: list[State | Past] = [state, *state.past]
    as_written = not any(one.note or one.made_by in BY_ANSWERS for one in attempts)
    return state.stage is Stage.DONE and by_model and as_written and codes.isdisjoint(BY_OTHERS)


def sections_of(states: Sequence[tuple[int, State]], campaign: Campaign) -> dict[str, NDArray[Any]]:
    """Return what is remembered of requests, each with the place of its row: of those that are not done, their groups.

    Args:
        states: Where they stand, each after the place of its row.
        campaign: Says what puts them together.
    """
    requests, raw, finished, together, about = [], [], [], [], []
    groups, policy = Groups(campaign), CandidatePolicy(campaign.candidates.n)
    for place, state in states:
        together += [(place, group) for group in groups.of(state.request)]
        if state.stage is not Stage.DONE:
            continue
        digits = phash_of(state)
        seen = bytes.fromhex("".join(digits)) if digits else b""
        requests.append((place, short(folded(state.request.name)), shown_alone(state), bool(digits), seen))
        attempts: list[State | Past] = [state, *state.past]
        for one in attempts:
            file = (short(one.raw.file_name), short_hex(one.raw.digest)) if one.raw else (0, 0)
            raw.append((place, short_hex(one.key), *file))
        raw += [(place, short_hex(key), 0, 0) for key in _passed_over(state, policy)]
        about += [(place, short_hex(one)) for one in asked_about(state)] if asks_models(campaign) else []
        finished += [(place, short_hex(one.key), short(one.file_name)) for one in state.files.values()]
    found: dict[str, list[Any]] = {"requests": requests, "raw": raw, "finished": finished, "groups": together}
    found["about"] = about
    return {name: table(name, content) for name, content in found.items()}


def _passed_over(state: State, policy: CandidatePolicy) -> Iterator[str]:
    """Yield the keys of the images that models would make that come before the one that made an image."""
    for route in state.request.routes[: state.request.place]:
        yield from (recipe.key() for recipe in policy.recipes(route.recipe))


def shown_section(states: Iterable[tuple[int, State]]) -> NDArray[Any]:
    """Return the section of requests with nothing but their places and what a release shows of each."""
    return table("requests", ((place, 0, shown_alone(state), False, b"") for place, state in states))


def table(name: str, content: Iterable[tuple[Any, ...]] | Section) -> NDArray[Any]:
    """Return a section as an array."""
    import numpy as np

    dtype = np.dtype(DTYPES[name])
    return np.frombuffer(content, dtype) if isinstance(content, Section) else np.array(list(content), dtype)


def rows_section(records: Records, open_places: Collection[int]) -> NDArray[Any]:
    """Return the section of all rows of a catalog, with those that need a look."""
    import numpy as np

    found = np.zeros(len(records.numbers), np.dtype(DTYPES["rows"]))
    found["digest"] = np.frombuffer(records.digests, f"V{DIGEST_BYTES}")
    found["number"] = np.frombuffer(records.numbers, np.uint64)
    found["is_open"][[*open_places]] = True
    return found


def review_section(reviews: Mapping[str, Review]) -> NDArray[Any]:
    """Return the section of what people decided, which is sorted."""
    return table("reviews", sorted((short_hex(key), short(repr(review))) for key, review in reviews.items()))


def prints_in(measures: Iterable[Measured], campaign: Campaign) -> Prints:
    """Return what images are compared by, from their measured values; those without it are left out."""
    from imagemake.stages.validate.prints import Prints

    identity = next((one for one in campaign.validation.identities() if one.startswith("phash@")), "")
    found = (values.get(identity, {}) for values in measures)
    return Prints.from_digits([(str(one["hash"]), str(one["colors"])) for one in found if "hash" in one])


def references_of(states: Iterable[State]) -> dict[str, str]:
    """Return the digests of all files that are sent with the prompts of requests, by their paths."""
    found = dict[str, str]()
    for attached in (state.request.attached for state in states):
        pairs = zip(attached.references, attached.digests, strict=True)
        found |= {path: digest for path, digest in pairs if not path.startswith(OWN_IMAGE)}
        if attached.mask is not None and attached.mask_digest is not None:
            found[attached.mask] = attached.mask_digest
    return found


def raw_digests(states: Iterable[State]) -> set[str]:
    """Return the digests of all images that requests stand at or stood at."""
    raws = (raw for state in states for raw in (state.raw, *(past.raw for past in state.past)))
    return {raw.digest for raw in raws if raw is not None}
