"""What pages show follows the project, and outlasts mistakes in it."""

from __future__ import annotations

from dataclasses import replace

from review_project import BAD, DOUBTFUL, GOOD, ReviewProject

from imagemake.plan.inventory import Inventory
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.resolve import resolve
from imagemake.plan.target import Target
from imagemake.review.kept_values import KeptValues
from imagemake.review.readings import readings_of
from imagemake.review.session import ReviewSession
from imagemake.store.layout import ALL


def test_a_mistake_in_the_configuration_leaves_the_last_state_and_its_repair_shows_the_next(tmp_path):
    made = {("mug", "red"): GOOD, ("mug", "teal"): DOUBTFUL, ("mug", "gold"): BAD}
    project = ReviewProject(tmp_path / "project", made)
    session = ReviewSession(project.folder)
    before = session.view()
    assert (before.counts()["review"], session.problem) == (1, "")
    config = project.folder / "config" / "config.yaml"
    text = config.read_text()
    config.write_text(text + "\nnosuch: 1\n")
    assert session.view().queue is before.queue
    assert "nosuch" in session.problem
    config.write_text(text.replace("min: 0.1", "min: 0.4"))
    after = session.view()
    assert (after.counts()["review"], after.counts()["rejected"], session.problem) == (0, 2, "")


def test_measures_are_those_that_were_read(tmp_path):
    project = ReviewProject(tmp_path / "project", {("mug", "teal"): DOUBTFUL, ("cup", "teal"): GOOD})
    view = ReviewSession(project.folder).view()
    item = view.queue.items[0]
    readings = {one.quantity: one for one in readings_of(item, view.queue.policy)}
    assert (readings["tone.contrast"].value, readings["tone.contrast"].verdict) == (f"{DOUBTFUL:.4g}", "review")
    assert item.size_px == (64, 48)
    assert len(item.state.measured) == len([*item.state.measured]) > 3


def test_values_are_kept_outside_of_memory_and_states_are_those_of_a_plan(tmp_path):
    made = {("mug", "red"): GOOD, ("mug", "teal"): DOUBTFUL, ("cup", "red"): GOOD, ("cup", "teal"): None}
    project = ReviewProject(tmp_path / "project", made)
    items = ReviewSession(project.folder).view().queue.items
    target = Target(project.campaign, Catalog.open(project.folder / "config/catalog.csv"), ALL, "")
    inventory = Inventory(project.store, project.folder / "work")
    planned = resolve(target.requests, inventory, policy_of(project.campaign), {})
    assert [type(item.state.measured) for item in items] == [KeptValues, KeptValues, KeptValues, dict]
    for item, state in zip(items, planned, strict=True):
        assert dict(item.state.measured) == state.measured
        assert replace(item.state, measured={}) == replace(state, measured={})
