"""Verdicts: reasons that people read, with the number and the limit."""

import pytest

from imagemake.config.checks import Check, Limit
from imagemake.stages.validate.verdict import Status, flat, judge, of_measures, still_to_measure

VALUES = {
    "file.format": "png",
    "file.width_px": 64,
    "file.height_px": 64,
    "file.has_alpha": False,
    "tone.contrast": 0.1,
}
FORMATS = ["png", "jpeg", "webp"]


def judged(values=None, parameters=None, checks=None, **options):
    options = {"formats": FORMATS, "size_as_requested": True, **options}
    return judge({**VALUES, **(values or {})}, parameters or {}, checks or {}, **options)


def test_an_image_within_all_limits_is_accepted_without_reasons():
    assert judged(checks={"tone.contrast": Check(reject=Limit(min=0.05, max=0.2))}).reasons == ()


@pytest.mark.parametrize(
    ("limit", "text"), [(Limit(min=0.5), "0.1, at least 0.5"), (Limit(max=0.05), "0.1, at most 0.05")]
)
def test_a_reason_says_the_number_and_the_limit(limit, text):
    verdict = judged(checks={"tone.contrast": Check(reject=limit)})
    assert verdict.status is Status.REJECTED
    assert str(verdict.reasons[0]) == f"tone.contrast: {text}"


def test_a_doubt_asks_a_person_and_a_rejection_does_not():
    doubt = {"tone.contrast": Check(review=Limit(min=0.5))}
    assert judged(checks=doubt).status is Status.REVIEW
    rejected = judged(checks={**doubt, "file.bytes": Check(reject=Limit(max=5))}, values={"file.bytes": 10})
    assert rejected.status is Status.REJECTED
    assert len(rejected.reasons) == 2


def test_a_limit_itself_is_still_good():
    assert judged(checks={"tone.contrast": Check(reject=Limit(min=0.1, max=0.1))}).status is Status.ACCEPTED


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"size": "128x64"}, "file.size"),
        ({"output_format": "webp"}, "file.format"),
        ({"background": "transparent"}, "file.alpha"),
    ],
)
def test_what_was_asked_for_must_have_come(parameters, code):
    assert [reason.code for reason in judged(parameters=parameters).reasons] == [code]


@pytest.mark.parametrize(
    ("size", "status"), [("1:1", Status.ACCEPTED), ("1:1@2K", Status.ACCEPTED), ("16:9@2K", Status.REJECTED)]
)
def test_a_ratio_asks_for_the_ratio_whatever_the_pixels_are(size, status):
    assert judged(parameters={"size": size}).status is status


def test_any_size_is_fine_where_the_campaign_or_the_request_says_so():
    assert judged(parameters={"size": "128x64"}, size_as_requested=False).status is Status.ACCEPTED
    assert judged(parameters={"size": "auto"}).status is Status.ACCEPTED


def test_a_format_that_is_not_accepted_is_rejected():
    assert judged(formats=["jpeg"]).reasons[0].code == "file.format"


def test_an_image_that_cannot_be_decoded_has_that_one_reason():
    verdict = judged(values={"file.undecodable": "it is cut off"}, parameters={"size": "1x1"})
    assert [str(reason) for reason in verdict.reasons] == ["file.undecodable: it is cut off"]
    assert still_to_measure(["file@1", "tone@1"], {"file@1": {"undecodable": "x"}}) == []


def test_what_does_not_apply_to_an_image_is_not_checked():
    assert judged(checks={"faces.count": Check(reject=Limit(min=1))}).status is Status.ACCEPTED


def test_values_are_named_by_measure_whatever_its_version():
    assert flat({"tone@3-abcd": {"contrast": 1.0}}) == {"tone.contrast": 1.0}


def test_what_older_versions_and_other_settings_read_does_not_count():
    measured = {"tone@1-aa": {"contrast": 1.0}, "tone@1-bb": {"contrast": 2.0}, "tone@2-aa": {"contrast": 3.0}}
    for identity, values in measured.items():
        assert of_measures([identity, "phash@1"], measured) == {identity: values}
