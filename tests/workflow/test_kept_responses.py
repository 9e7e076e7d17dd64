"""Images that come as URLs: paid for once, however often their files have to be asked for."""

from __future__ import annotations

import pytest


def test_what_was_paid_for_and_did_not_come_is_waited_for_and_read_by_a_later_run(project, server):
    server.change(url_status=503)
    made = project(rows=2, limits={"in_flight": 1})
    made.snakemake(expect=1)
    calls, bill = made.calls(), server.totals().total_usd
    assert calls == 2, "the second unreadable response stops the run"
    told = made.snakemake(expect=1).stderr
    assert "HTTP 503" in told
    assert "2 paid for, but not fetched yet" in told
    assert "in store/unreadable: a run reads what was paid for again first." in made.snakemake("-n").stderr
    server.change(url_status=200)
    told = made.snakemake().stderr
    assert "2 images found in responses that were kept; no call was needed." in told
    assert made.calls() == calls
    assert len(made.images()) == 2
    assert not list((made.folder / "store" / "unreadable").iterdir())
    paid = [float(row["cost_usd"]) for row in made.manifest().values()]
    assert sum(paid) == pytest.approx(bill, abs=1e-6)
    assert all(row["request_id"] for row in made.manifest().values())
