"""Marks of calls in a provider's queue."""

from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import Store

KEY = "a" * 64


def test_a_mark_goes_only_once_nobody_works_on_its_key(tmp_path):
    """A job marks a key before it sends the call: without the mark, the next run would pay again."""
    store, calls = Store(tmp_path), OpenCalls(tmp_path)
    calls.begin(KEY, tmp_path / "journal" / "2026-11-27" / "a.jsonl")
    claim = store.claim(KEY)
    claim.acquire()
    assert calls.sweep(store.claim) == 0
    assert calls.may_have(KEY)
    claim.release()
    assert calls.sweep(store.claim) == 1
    assert not calls.may_have(KEY)
