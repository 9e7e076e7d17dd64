"""Which part of a rejected image its repair may change, and when the mask is left out."""

import json
from dataclasses import replace

import pytest
from world import World

from imagemake.config.attempts import Attempts
from imagemake.config.checks import Check, Checks, Limit
from imagemake.images.repair_mask import Box, RepairMask
from imagemake.images.subject_fields import fields_of
from imagemake.plan.repair_masks import masks_to_send

FILE = {"bytes": 1000, "format": "png", "width_px": 640, "height_px": 640, "has_alpha": False}
TEXT = ["SALE", 0.99, 0.5, 0.75, 0.25, 0.125, 0.03]
ERASE = {"text": "Remove the text.", "tone": "Brighten it."}
SHARE, FOCUS = "text.share", "tone.contrast"


def rejecting(checks, *, takes_mask=True, **measured):
    """Return a world with one rejected image of these measures."""
    world = World("mug")
    world.masks = {}
    world.policy = replace(
        world.policy,
        checks=Checks(checks),
        measures=["file@1", "phash@1", *(f"{name}@1" for name in measured)],
        attempts=Attempts(max=3, repair=ERASE | {"subject": "Finish it.", "background": "White.", "colors": "Red."}),
        can_repair=lambda state: True,
        takes_mask=lambda state: takes_mask,
    )
    stored = world.make(world.one())
    world.measures[stored.digest] |= {"file@1": FILE, **{f"{name}@1": values for name, values in measured.items()}}
    return world


def text_of(*regions):
    return {"regions": len(regions), "share": 0.03, "words": json.dumps(regions)}


def high(name, most=0.0, **more):
    return {name: Check(reject=Limit(max=most), **more)}


def boxes_of(world):
    state = world.one()
    assert state.made_by == "repair"
    return state.mask and state.mask.boxes_px


@pytest.mark.parametrize(
    ("checks", "measured", "boxes"),
    [
        (high(SHARE), {"text": text_of(TEXT)}, [Box(0.5, 0.75, 0.75, 0.875)]),
        (
            high("text.unwanted_share", value="Sale"),
            {"text": text_of(TEXT, ["HOT", 0.9, 0, 0, 0.1, 0.1, 0.01])},
            [Box(0, 0, 0.1, 0.1)],
        ),
        ({"text.share": Check(reject=Limit(min=0.5))}, {"text": text_of(TEXT)}, []),
        (
            high("subject.cut_edges"),
            {"subject": {"cut_edges": 1, "left": 0.2, "top": 0.1, "right": 1.0, "bottom": 0.9}},
            [Box(0.8, 0, 1, 1)],
        ),
        (high("background.unevenness"), {"background": {"unevenness": 9.0}}, []),
    ],
    ids=["text", "unwanted text only", "too little text is nowhere", "a cut-off edge", "no subject is known"],
)
def test_the_mask_is_where_the_measure_found_the_fault(checks, measured, boxes):
    world = rejecting(checks, **measured)
    expected = RepairMask.around("", (), (640, 640), boxes).boxes_px if boxes else None
    assert boxes_of(world) == expected


def test_the_background_is_what_is_not_the_subject_and_a_wrong_color_is_on_it():
    import numpy as np

    subject = np.zeros((64, 64), bool)
    subject[:, 16:32] = True
    known = {"subject": {"_fields": fields_of(subject), "left": 0.25, "top": 0, "right": 0.5, "bottom": 1}}
    around = boxes_of(rejecting(high("background.unevenness"), background={"unevenness": 9.0}, **known))
    assert {(left, right) for left, _, right, _ in around} == {(0, 150), (330, 640)}
    checks = {"colors.named_share": Check(reject=Limit(min=0.5), value="red")}
    own = boxes_of(rejecting(checks, colors={"palette": "0000ff:1.0"}, **known))
    assert {(left, right) for left, _, right, _ in own} == {(150, 330)}


def test_it_is_in_the_key_and_among_what_is_to_be_sent():
    world = rejecting(high(SHARE), text=text_of(TEXT))
    state = world.one()
    assert state.recipe.mask == state.mask.digest
    assert masks_to_send([state]) == [state.mask]
    assert state.mask.reasons == (SHARE,)
    without = rejecting(high(SHARE), takes_mask=False, text=text_of(TEXT)).one()
    assert (without.mask, without.recipe.mask, without.made_by) == (None, None, "repair")
    assert without.recipe.prompt == state.recipe.prompt
    assert without.key != state.key


def test_a_fault_without_a_place_beside_it_leaves_the_whole_image_open():
    checks = {**high(SHARE), FOCUS: Check(reject=Limit(min=5))}
    assert boxes_of(rejecting(checks, text=text_of(TEXT), tone={"contrast": 1.0})) is None


def test_another_version_of_the_measure_does_not_move_the_key_of_a_repair():
    world = rejecting(high(SHARE), text=text_of(TEXT))
    first = world.one()
    world.masks = {(first.mask.image, first.mask.reasons): first.mask}
    world.measures[first.mask.image]["text@1"] = text_of(["SALE", 0.99, 0.1, 0.1, 0.5, 0.5, 0.25])
    assert world.one().key == first.key
    world.masks = {}
    assert world.one().key != first.key


def test_the_attempt_after_a_repair_has_no_mask():
    world = rejecting(high(SHARE), text=text_of(TEXT))
    stored = world.make(world.one())
    world.measures[stored.digest] |= {"file@1": FILE, "text@1": text_of(TEXT)}
    state = world.one()
    assert (state.made_by, state.mask, state.recipe.mask) == ("patch", None, None)
    assert state.past[-1].mask is not None, "the review shows it"


def test_the_review_marks_the_part_on_the_rejected_image_and_on_no_other():
    from imagemake.review.item import ReviewItem
    from imagemake.review.pages import _templates

    world = rejecting(high(SHARE), text=text_of(TEXT))
    rejected = next(iter(world.raw.values()))
    for _ in range(2):  # the repair is rejected too
        masks = ReviewItem(0, world.one()).masks
        assert masks.keys() == {rejected.digest}
        stored = world.make(world.one())
        world.measures[stored.digest] |= {"file@1": FILE, "text@1": text_of(TEXT)}
    drawn = str(_templates().get_template("parts.html.j2").module.mask(masks[rejected.digest]))
    assert 'viewBox="0 0 640 640"' in drawn
    assert '<rect x="310" y="470" width="180" height="100"/>' in drawn
