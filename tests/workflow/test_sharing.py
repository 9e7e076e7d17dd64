"""The team store over whole builds: what is paid for once, and what a bad store costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from s3_server import an_s3_server
from workflow.project import Project

from imagemake.store.remote.storage import Storage

SHARED = {"store": {"remote": "s3://team/images", "timeout_s": 20}}


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with an_s3_server(tmp_path / "s3", "team") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_team_pays_once_and_a_store_that_lies_or_denies_costs_a_warning(tmp_path, server, s3, monkeypatch):
    first = Project(tmp_path / "first", server, rows=4, **SHARED)
    first.snakemake()
    assert first.calls() == 4
    objects = s3.objects("team")
    assert len(objects) == 8, "four images, each with a note"
    paid_usd = first.metrics()["cost_usd_total"]

    second = Project(tmp_path / "second", server, rows=4, **SHARED)
    dry = second.snakemake("-n").stderr
    assert "exception" not in dry, "of a task in another event loop, whose end is shown by Python itself"
    assert "4 of these from the team store, at no cost." in dry
    assert "Cost:" not in dry
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    second.snakemake()
    assert first.calls() == 4, "nobody was asked for what the team has"
    assert {name: data for name, (_, data) in second.images().items()} == {
        name: data for name, (_, data) in first.images().items()
    }, "also the time that an image says it was generated at"
    assert second.metrics()["cost_usd_total"] == 0
    assert second.metrics()["shared"] == 4
    assert {row["request_id"] for row in second.manifest().values()} == {
        row["request_id"] for row in first.manifest().values()
    }
    assert {row["shared"] for row in second.manifest().values()} == {"true"}
    assert "came from s3://team/images, made there for $" in second.imagemake("inspect", "S000_red").stdout
    ledger = second.imagemake("ledger", "--format", "csv").stdout
    assert ledger.splitlines()[-1] == "total,0,0,0.000000,0,0.000000,4"

    team = Storage("s3://team", timeout_s=20)
    for name, data in objects.items():
        if name.endswith(".png"):
            team.put(name, data[:-9] + b"other end", "image/png")
    third = Project(tmp_path / "third", server, rows=4, **SHARED)
    done = third.snakemake()
    assert first.calls() == 8, "an image that is not what its name says is paid for"
    assert "its content does not match its digest" in done.stderr
    assert third.metrics()["cost_usd_total"] == pytest.approx(paid_usd)

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses-secret")
    third.edit_row(0, product="teapot")
    done = third.snakemake()
    assert first.calls() == 9
    assert "Warning: this job stops reading from the team store" in done.stderr
    assert len(list(third.folder.glob("store/unshared/[0-9a-f]*"))) == 1
    assert "somebody-elses-secret" not in "".join(path.read_text() for path in third.folder.rglob("*.log"))

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.environment()["AWS_SECRET_ACCESS_KEY"])
    assert "1 of 1 images sent to" in third.imagemake("share").stdout, "what was in the way is made up for"
    assert "nothing to send" in third.imagemake("share").stdout
    assert len(s3.objects("team")) == 8 + 4 + 2, "beside the four that were spoiled, four that put them right"
    assert not list(third.folder.glob("store/unshared/[0-9a-f]*"))
