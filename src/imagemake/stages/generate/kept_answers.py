"""Read kept responses again: they were paid for, and the next run may find their image before anything is called.

A newer version may know the form of a response, and a URL that did not answer may answer now. The order of steps is
that of a call: the image is in the store before the journal has it, and the journal before the kept file is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from imagemake.config.models import Model, cost_usd
from imagemake.plugins.providers import NOT_FETCHED, ImageResponse, Provider, ProviderError
from imagemake.stages.generate.answered import facts_of
from imagemake.store.items import FailureReason, ItemFailure
from imagemake.store.journal import Call, Journal, Outcome, calls_in
from imagemake.store.journal_lines import content_of
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions

READ_AT_ONCE = 8
FEW = 20  # up to so many, a search of a file of the journal is quicker than reading its records
JOB = "kept"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A response in ``store/unreadable``, and its call.

    Attributes:
        call: The call.
        journal: File of the journal that has the call.
        path: The kept response.
    """

    call: Call
    journal: Path
    path: Path

    @property
    def key(self) -> str:
        """Key of the image."""
        return str(self.call.sent["key"])

    @property
    def server(self) -> tuple[str, str | None]:
        """Name of the provider, and name of the server in recipes."""
        recipe = self.call.sent["recipe"]
        return str(recipe.get("provider")), recipe.get("endpoint")


def kept_answers(store: Store, keys: Collection[str] | None = None) -> list[KeptAnswer]:
    """Return the kept responses whose image is not in the store, in the order of their calls.

    Args:
        store: The store.
        keys: Only those of these images; None for all.
    """
    files = store.unreadable()
    for submission in Submissions(store.root).all() if files else ():
        for call in submission.calls:  # collected with their batch
            files.pop(call, None)
    found: list[KeptAnswer] = []
    for journal in sorted(store.journal_folder.glob("*/*.jsonl")) if files else ():
        if len(files) > FEW or _names_one(content_of(journal), files):
            calls = [call for call in calls_in(journal) if call.sent["call"] in files]
            found += [KeptAnswer(call, journal, files[call.sent["call"]]) for call in calls]
    return [one for one in found if keys is None or one.key in keys]


def _names_one(content: bytes, calls: Iterable[str]) -> bool:
    return any(call.encode() in content for call in calls)


async def read_kept(
    kept: Sequence[KeptAnswer], provider: Provider, store: Store, model_of: Callable[[str], Model | None]
) -> dict[str, ProviderError | None]:
    """Read kept responses of one server again, and put the images that are found into the store.

    Args:
        kept: The responses.
        provider: The provider that sent them.
        store: The store that has them.
        model_of: Returns the model table's entry for a model name, or None.

    Returns:
        By key, why there is still no image, or None if it is in the store. Keys that another process works on are
        left out.
    """
    room = asyncio.Semaphore(READ_AT_ONCE)
    found: dict[str, ProviderError | None] = {}

    async def read(one: KeptAnswer) -> None:
        async with room:
            claim = store.claim(one.key)
            if not claim.acquire(wait=False):  # a call for the image is in flight
                return
            try:
                if one.path.exists():
                    found[one.key] = await _read(one, provider, store, model_of)
            finally:
                claim.release(remove=True)

    await asyncio.gather(*map(read, kept))
    return found


def to_wait_for(found: Mapping[str, ProviderError | None]) -> dict[str, ItemFailure]:
    """Return the failures of images that may still come from their URLs, so that nobody pays for them again."""
    return {
        key: ItemFailure(FailureReason.UNREADABLE, str(error))
        for key, error in found.items()
        if error is not None and error.code == NOT_FETCHED
    }


async def _read(
    kept: KeptAnswer, provider: Provider, store: Store, model_of: Callable[[str], Model | None]
) -> ProviderError | None:
    call, stored = kept.call.sent["call"], store.raw.find(kept.key)
    if stored is not None and kept.call.outcome is Outcome.MADE:  # a run was killed before it removed the file
        store.forget_unreadable(call)
        return None
    try:
        answer = await provider.read_again(kept.path.read_bytes())
    except ProviderError as error:
        closed = kept.call.closed
        if closed is None or closed.get("code") != error.code:
            said = {"code": error.code, "message": str(error)[:2000]}
            _close(kept, Outcome.UNREADABLE, {**_facts(kept, error, provider, model_of), **said})
        return error
    facts = _facts(kept, answer, provider, model_of)
    if stored is None or stored.digest == sha256(answer.image).hexdigest():
        stored = store.raw.put(kept.key, answer.image, durable=True)
        more = store.keep_more(call, answer.more)
        _close(kept, Outcome.MADE, {**facts, "digest": stored.digest, "more": more or None})
    else:  # the image came from another call meanwhile, or from the team store
        more = store.keep_more(call, (answer.image, *answer.more))
        _close(kept, Outcome.UNREADABLE, {**facts, "message": "the image was there already", "more": more})
    store.forget_unreadable(call)
    return None


def _facts(
    kept: KeptAnswer, answer: ImageResponse | ProviderError, provider: Provider, model_of: Callable[[str], Model | None]
) -> dict[str, Any]:
    """Return what the journal says of the call in any case: what it said before, as far as that is known."""
    closed = kept.call.closed or {}
    name, cost = kept.call.sent["recipe"]["model"], closed.get("cost_usd")
    if cost is None:
        model = model_of(name)
        usage = closed.get("usage") or answer.usage
        known_cost = cost_usd(model, usage, batch="submission" in kept.call.sent) if model else None
        cost = known_cost if answer.cost_usd is None else answer.cost_usd
    known = {name: closed.get(name) for name in ("seconds", "batch", "request_id", "usage")}
    told = {name: value for name, value in facts_of(answer, provider, name).items() if known.get(name) is None}
    return {**known, **told, "key": kept.key, "status": 200, "cost_usd": cost}


def _close(kept: KeptAnswer, outcome: Outcome, facts: Mapping[str, Any]) -> None:
    """Write how the call ended, after what was written before: the record that is written last counts."""
    journal = Journal(kept.journal.parent, JOB, durable=True, path=kept.journal)
    journal.closed(kept.call.sent["call"], outcome, **facts)
    journal.close()
