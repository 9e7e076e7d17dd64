"""The next run applies decisions that were made over HTTP, and makes nothing else."""

from __future__ import annotations

import pytest
from fake_openai import Rule, Settings
from starlette.testclient import TestClient
from workflow.project import Project

from imagemake.review.app import make_app
from imagemake.review.security import Access
from imagemake.review.session import ReviewSession

PORT = 8765
DOUBT = {"validation": {"checks": {"tone.contrast": {"review": {"min": 200}}}}}


class Reviewer:
    """Sends decisions over HTTP, as the forms do."""

    def __init__(self, project):
        self.project = project
        self.access = Access.at("127.0.0.1", PORT)

    def decide(self, name, decision, **fields):
        session = ReviewSession(self.project.folder)
        client = TestClient(make_app(session, self.access, "kim"), base_url=f"http://127.0.0.1:{PORT}")
        (item,) = [item for item in session.view().queue.items if item.name == name]
        form = {"form_token": self.access.form_token, "item": item.key, "decision": decision, **fields}
        answer = client.post("/decide", data=form, headers={"accept": "application/json"})
        assert answer.status_code == 200, answer.text

    def undo(self):
        client = TestClient(
            make_app(ReviewSession(self.project.folder), self.access, "kim"), base_url=f"http://127.0.0.1:{PORT}"
        )
        assert client.post("/undo", data={"form_token": self.access.form_token}).status_code == 200


@pytest.fixture(scope="module")
def once_doubtful(tmp_path_factory, stand_in):
    """Four images that all await review, built once."""
    stand_in.renew(Settings(any_size=True))
    made = Project(tmp_path_factory.mktemp("doubtful") / "project", stand_in, **DOUBT, attempts={"max": 1})
    made.snakemake()
    assert (made.calls(), made.images()) == (4, {})
    return made


@pytest.fixture
def doubtful(once_doubtful, server, tmp_path):
    """A copy of that project."""
    return once_doubtful.copied(tmp_path / "project")


def test_the_next_run_obeys_each_decision_and_touches_nothing_else(doubtful, server):
    reviewer = Reviewer(doubtful)
    reviewer.decide("S000_red", "approve", note="meant so")
    reviewer.decide("S001_teal", "reject", note="wrong neck")
    reviewer.decide("S002_gold", "regenerate", patch="From above.")
    dry = doubtful.snakemake("-n")
    assert "1 to postprocess" in dry.stderr
    assert "1 to generate: attempt 2: regenerate" in dry.stderr
    doubtful.snakemake(expect=1)
    assert set(doubtful.images()) == {"S000_red.jpg"}
    assert doubtful.calls() == 5
    assert server.calls()[-1].prompt.endswith("gold. From above.")
    verdicts = {name: (row["verdict"], row["attempt"]) for name, row in doubtful.manifest().items()}
    assert verdicts == {
        "S000_red": ("accepted", "0"),
        "S001_teal": ("rejected", "0"),
        "S002_gold": ("review", "1"),
        "S003_red": ("review", "0"),
    }
    assert doubtful.manifest()["S001_teal"]["reasons"] == "review: wrong neck"
    assert doubtful.jobs(doubtful.snakemake(expect=1)) == []


def test_what_is_taken_back_is_as_it_was_and_costs_nothing(doubtful):
    reviewer = Reviewer(doubtful)
    reviewer.decide("S000_red", "approve")
    doubtful.snakemake()
    assert set(doubtful.images()) == {"S000_red.jpg"}
    reviewer.undo()
    doubtful.snakemake()
    assert doubtful.images() == {}
    assert doubtful.calls() == 4


def test_a_changed_prompt_asks_again(doubtful):
    Reviewer(doubtful).decide("S000_red", "approve")
    doubtful.edit_row(0, product="teapot")
    doubtful.snakemake()
    assert doubtful.manifest()["S000_red"]["verdict"] == "review"


def test_what_a_person_asks_for_stays_within_the_budget(doubtful):
    Reviewer(doubtful).decide("S000_red", "regenerate")
    doubtful.write_config(budget_usd={"campaign": 0.000001})
    doubtful.snakemake(expect=1)
    assert doubtful.calls() == 4
    row = doubtful.manifest()["S000_red"]
    assert (row["verdict"], row["reasons"].partition(":")[0]) == ("pending", "budget")


def test_an_edited_prompt_makes_what_the_provider_refused(project, server):
    server.change(rules=[Rule(prompt="mug", behavior="moderation").model_dump()])
    made = project()
    made.snakemake(expect=1)
    assert made.manifest()["S000_red"]["verdict"] == "refused"
    Reviewer(made).decide("S000_red", "regenerate", prompt="A friendly cup")
    made.snakemake()
    assert (made.calls(), made.manifest()["S000_red"]["verdict"]) == (5, "accepted")


def test_a_decision_about_an_unknown_key_is_told_and_those_of_removed_rows_are_not(doubtful):
    keys = {name: row["key"] for name, row in doubtful.manifest().items()}
    rows = [f"{keys['S003_red']},reject,,kim,,,", f"{keys['S000_red'][::-1]},approve,,kim,,,"]
    doubtful.rows.pop()
    doubtful.write_catalog()
    reviews = doubtful.folder / "config/reviews.csv"
    reviews.write_text("\n".join(["key,decision,note,reviewer,time,patch,prompt", *rows, ""]))
    dry = doubtful.snakemake("-n")
    (warning,) = [line for line in dry.stderr.splitlines() if "has or had the key" in line]
    assert f"Warning: config/reviews.csv, row 3: no image has or had the key {keys['S000_red'][:-13:-1]}" in warning
    reviews.write_text("\n".join(["key,decision,note,reviewer,time,patch,prompt", rows[0], ""]))
    assert "has or had the key" not in doubtful.snakemake("-n").stderr
