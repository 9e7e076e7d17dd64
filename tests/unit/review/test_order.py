"""The review list can begin with the images about which the judge is least sure."""

from __future__ import annotations

from types import SimpleNamespace

from imagemake.config.asked import Wanted
from imagemake.plan.state import Stage
from imagemake.review.filters import Filter
from imagemake.review.item import ReviewItem
from imagemake.review.queue import Queue, QueueView
from imagemake.review.similar import Fingerprints

WANTED = Wanted("color", "judge@1-x/1", "Is it red?", "yes_no")


def item(index, yes):
    measured = {} if yes is None else {WANTED.identity: {"_yes": yes}}
    request = SimpleNamespace(name=f"n{index}", variables={})
    state = SimpleNamespace(
        stage=Stage.REVIEW, request=request, questions=[WANTED], measured=measured, reasons=(), why=None, key=str(index)
    )
    state.recipe = SimpleNamespace(prompt="")
    return ReviewItem(index, state)


def view(*yes):
    items = [item(index, one) for index, one in enumerate(yes)]
    return QueueView(Queue(items, None, {}, {}, {}, Fingerprints([])), {})


def test_doubt_orders_the_list_and_the_way_through_it():
    listed = view(0.99, 0.5, 0.8)
    by_doubt = Filter(order="doubt")
    assert [one.index for one in listed.matching(by_doubt)] == [1, 2, 0]
    before, after, others = listed.neighbors(listed.queue.items[2], by_doubt)
    assert (before.index, after.index, others) == (1, 0, 2)
    before, after, _ = listed.neighbors(listed.queue.items[2], Filter())
    assert (before.index, after.index) == (1, 0), "in the catalog's order, the first one follows the last"
    assert [one.index for one in listed.matching(Filter())] == [0, 1, 2]


def test_an_order_survives_forms_and_an_unknown_one_does_not():
    assert Filter.read({"order": "doubt"}).fields()["order"] == "doubt"
    assert Filter.read({"order": "name"}).order == ""
