"""Responses whose URLs do not answer: waited for, until the user says that other attempts may be paid for."""

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import NOT_FETCHED, FailureKind, ProviderError
from imagemake.store.journal import Journal, Outcome
from imagemake.store.store import Store
from imagemake.workflow import kept_responses

LEAST = {"campaign": "c", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
ERRORS = {
    "does not answer": ProviderError("HTTP 503", FailureKind.UNREADABLE, code=NOT_FETCHED),
    "unknown format": ProviderError("no image", FailureKind.UNREADABLE),
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with a kept response per error, and what reading them again comes to."""
    store, found = Store(tmp_path / "store"), {}
    journal = Journal(store.journal_folder, "job", durable=False)
    for prompt, error in ERRORS.items():
        recipe = Recipe("openai", "m", prompt, 0)
        key = recipe.key()
        call = journal.sent(campaign="c", name=prompt, key=key, attempt=0, tried=1, recipe=recipe.as_dict())
        journal.closed(call, Outcome.UNREADABLE, key=key, code=error.code, message=str(error))
        store.keep_unreadable(call, prompt.encode())
        found[key] = error
    journal.close()

    async def read_all(*_):
        return found

    monkeypatch.setattr(kept_responses, "_read_all", read_all)
    return store


def contents(folder):
    return sorted(path.read_bytes() for path in folder.glob("*.bin"))


def test_a_run_waits_for_images_at_urls_and_says_how_to_give_them_up(store):
    told = "\n".join(kept_responses.read_kept_responses(load_campaign(LEAST), store))
    assert "Warning: HTTP 503" in told
    assert "snakemake -n --config 'limits={unfetched: retry}'" in told
    assert contents(store.root / "unreadable") == [b"does not answer", b"unknown format"]


def test_a_run_that_was_told_so_gives_up_what_did_not_answer_once_more_and_deletes_nothing(store):
    campaign = load_campaign({**LEAST, "limits": {"unfetched": "retry"}})
    told = "\n".join(kept_responses.read_kept_responses(campaign, store))
    assert "HTTP 503" in told
    assert "unfetched" not in told
    assert contents(store.root / "unreadable") == [b"unknown format"]
    assert contents(store.root / "given_up") == [b"does not answer"]
