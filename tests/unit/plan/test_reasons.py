from __future__ import annotations

import pytest

from imagemake.config.attempts import Attempts
from imagemake.config.verdict_codes import OTHER_PATCHABLE, RULES, VerdictCode
from imagemake.plan.reasons import RebuildReason, why_postprocess, why_validate
from imagemake.stages.validate.verdict import Reason
from imagemake.store.items import FailureReason, ItemFailure
from imagemake.store.journal import Outcome


def test_a_rebuild_reason_says_what_it_is_about():
    assert str(RebuildReason.NEW.because()) == "new"
    assert str(RebuildReason.KEY_CHANGED.because(["prompt", "seed"])) == "key changed: prompt, seed"
    assert str(RebuildReason.NEXT_ATTEMPT.because(["tone"], number=2)) == "attempt 2: tone"


def test_of_two_reasons_for_outputs_both_are_told():
    why = why_postprocess(["web", "cut"], {"web"}, some=True)
    assert why.reason is RebuildReason.POSTPROCESSING_CHANGED
    assert str(why) == "postprocessing changed: web, output added: cut"


def test_another_text_is_told_apart_from_another_measure():
    assert why_validate(["prompt@1/ab"], {"prompt@1": {}}).reason is RebuildReason.TEXT_CHANGED
    assert why_validate(["prompt@2"], {"prompt@1": {}}).reason is RebuildReason.MEASURE_CHANGED
    undecodable = {"file@1.1": {"undecodable": "it was too strict"}}
    assert str(why_validate(["file@1.2", "tone@1.2"], undecodable)) == "measure changed: file"


def test_braces_in_what_is_known_are_kept():
    reason = Reason.of(VerdictCode.NEAR_DUPLICATE, other="mug_{color}")
    assert str(reason) == "near_duplicate: nearly the same image as mug_{color}"


@pytest.mark.parametrize("code", [*RULES, *OTHER_PATCHABLE])
def test_a_patch_can_be_for_every_patchable_code_as_it_is_spelled(code):
    assert Attempts(patches={code.value: "Bright light."}).patches == {code: "Bright light."}


def test_every_failed_outcome_of_a_call_is_a_failure_reason():
    outcomes = set(Outcome) - {Outcome.MADE, Outcome.SHARED}
    assert {FailureReason(outcome).value for outcome in outcomes} == {outcome.value for outcome in outcomes}


def test_a_failure_is_read_back_as_it_was_written():
    failure = ItemFailure(FailureReason.BUDGET, "it does not fit")
    assert ItemFailure.from_dict(failure.as_dict()) == failure
