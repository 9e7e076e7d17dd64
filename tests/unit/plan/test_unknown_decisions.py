"""A decision is about a key that some image has or had, or it is told."""

from __future__ import annotations

import pytest
from review_project import BAD, DOUBTFUL, ReviewProject

from imagemake.plan.unknown_decisions import unknown_decisions
from imagemake.review.session import ReviewSession
from imagemake.store.journal import Journal, Outcome

UNKNOWN = "0123456789ab" + "c" * 52
HEADING = "key,decision,note,reviewer,time,patch,prompt"


@pytest.fixture
def project(tmp_path):
    made = {("mug", "red"): DOUBTFUL, ("mug", "teal"): BAD, ("cup", "red"): None}
    return ReviewProject(tmp_path / "project", made)


def decided(project, *keys):
    path = project.folder / "config" / "reviews.csv"
    path.write_text("\n".join([HEADING, *(f"{key},reject,,kim,,," for key in keys), ""]))
    return path


def told(project, *keys, states=()):
    return unknown_decisions(decided(project, *keys), states, project.store, lambda: ())


def test_a_decision_about_an_unknown_key_is_told_with_file_row_key_and_remedy(project):
    (words,) = told(project, project.keys["mug_red"], UNKNOWN)
    assert "config/reviews.csv, row 3: no image has or had the key 0123456789ab…" in words
    assert "results/review.csv, or remove the row" in words


def test_many_such_decisions_are_told_in_a_few_lines(project):
    lines = told(project, *(f"{n:064x}" for n in range(1_500)))
    assert len(lines) == 4
    assert lines[-1].startswith("1,497 more decisions")


def test_decisions_of_removed_rows_are_known_by_the_store_and_refused_ones_by_the_journal(project):
    refused = "d" * 64
    assert len(told(project, refused, project.keys["mug_teal"])) == 1
    journal = Journal(project.store.journal_folder, "test", durable=False)
    facts = {"campaign": "c", "name": "n", "key": refused, "attempt": 0, "tried": 1}
    call = journal.sent(**facts, recipe={"model": "m"}, worst_usd=None)
    journal.closed(call, Outcome.REFUSED, key=refused, cost_usd=None, seconds=1.0)
    assert told(project, refused, project.keys["mug_teal"]) == []


def test_the_review_tells_them_too_and_knows_images_that_are_not_made_yet(project):
    decided(project, project.keys["cup_red"], project.keys["mug_red"])
    assert ReviewSession(project.folder).warnings() == []
    decided(project, project.keys["cup_red"], UNKNOWN)
    (words,) = ReviewSession(project.folder).warnings()
    assert "row 3" in words


def test_without_decisions_nothing_is_looked_up(project):
    def nothing():
        raise AssertionError

    assert unknown_decisions(project.folder / "config" / "reviews.csv", (), project.store, nothing) == []
