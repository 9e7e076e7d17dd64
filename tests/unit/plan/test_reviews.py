"""Decisions as the plan reads them."""

from __future__ import annotations

from imagemake.plan.reviews import Decisions, Review

MUG, VASE, LAMP = ("a" * 64, "b" * 64, "c" * 64)
APPROVE, REJECT = Review("approve", "", "kim", ""), Review("reject", "", "kim", "")


def test_decisions_are_a_mapping_of_what_holds():
    undo = Review("undo", "", "kim", "")
    stored = Decisions([(MUG, APPROVE), (VASE, REJECT), (VASE, undo), (LAMP, undo)])
    assert dict(stored) == {MUG: APPROVE}
    assert VASE not in stored
