"""What was asked for decides at verdict time: no image is read again for it."""

import subprocess
import sys

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import Check, Limit
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.request import Request
from imagemake.plugins import measures
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Status, judge
from imagemake.workflow.preflight.measures import check_comparisons, check_packages

RED_BALL = {"colors@1-abc": {"palette": "ffffff:0.8000 c8372d:0.2000", "dominant_share": 0.8}}
LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
NAMED = "colors.named_share"


def campaign(**checks):
    return load_campaign(
        {**LEAST, "validation": {"checks": {name.replace("__", "."): c for name, c in checks.items()}}}
    )


def problems_of(**checks):
    with pytest.raises(UserError) as caught:
        campaign(**checks)
    return caught.value.problems


def verdict(check, color):
    checks = {NAMED: check}
    values = values_of(RED_BALL, checks, Expected("a mug", {"color": color}))
    return judge({"file.format": "png", **values}, {}, checks, formats=["png"], size_as_requested=True)


def request(row=2, **variables):
    recipe = Recipe("preview", "preview-1", "a mug", 1)
    return Request(name=f"M-{row}", recipe=recipe, row=row, variables=variables, take=1)


def test_the_color_that_a_request_names_must_be_there():
    check = Check(reject=Limit(min=0.05), variable="color")
    assert verdict(check, "red").status is Status.ACCEPTED
    assert [str(reason) for reason in verdict(check, "teal").reasons] == [f"{NAMED}: 0 %, at least 5 %"]


def test_a_check_can_compare_every_image_with_one_value():
    assert verdict(Check(reject=Limit(min=0.05), value="teal"), "red").status is Status.REJECTED


def test_a_request_without_a_value_is_not_compared():
    assert verdict(Check(reject=Limit(min=0.05), variable="color"), "").status is Status.ACCEPTED


def test_other_compared_quantities_of_the_measure_come_along():
    checks = {NAMED: Check(reject=Limit(min=0.05), value="red")}
    values = values_of(RED_BALL, checks, Expected("", {}))
    assert values["colors.named_distance"] < 1
    assert values["colors.dominant_share"] == 0.8


def test_a_measure_that_failed_is_compared_with_nothing():
    checks = {NAMED: Check(reject=Limit(min=0.05), value="red")}
    assert values_of({"colors@1": {"failed": "odd"}}, checks, Expected("", {})) == {"colors.failed": "odd"}


def test_a_hundred_thousand_images_can_be_compared_in_seconds():
    """By the work that is done, not by the clock: no library for pixels is imported."""
    program = (
        "import sys\n"
        "from imagemake.stages.validate.compare import values_of\n"
        "from imagemake.stages.validate.expected import Expected\n"
        "from imagemake.config.checks import Check, Limit\n"
        "checks = {'colors.named_share': Check(reject=Limit(min=0.05), value='#ff0000'),\n"
        "          'background.color_distance': Check(reject=Limit(max=5), value='#ffffff')}\n"
        "measured = {'colors@1': {'palette': 'ffffff:1.0'}, 'background@1': {'color': 'ffffff'}}\n"
        "print(values_of(measured, checks, Expected('', {}))['background.color_distance'])\n"
        "print(sorted({'numpy', 'cv2', 'scipy', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["0.0", "[]"]


def test_what_must_be_in_an_image_is_never_the_whole_prompt():
    (problem,) = problems_of(text__missing_words={"reject": {"max": 0}})
    assert "Set variable to a column" in problem.remedy
    campaign(text__unwanted_regions={"reject": {"max": 0}})


@pytest.mark.parametrize(
    ("check", "where", "what"),
    [
        ({"reject": {"min": 0.1}}, "", "needs something to compare with"),
        ({"reject": {"min": 0.1}, "variable": "color", "value": "red"}, "", "not both"),
        ({"reject": {"min": 0.1}, "value": "sunset dreams"}, ".value", "names no known color"),
    ],
)
def test_a_comparison_with_nothing_that_can_be_compared_is_a_mistake(check, where, what):
    (problem,) = problems_of(colors__named_share=check)
    assert problem.where == f"config/config.yaml, validation.checks.{NAMED}{where}"
    assert what in problem.what


def test_what_is_the_images_alone_is_compared_with_nothing():
    (problem,) = problems_of(tone__contrast={"reject": {"min": 0.1}, "variable": "color"})
    assert problem.where.endswith("tone.contrast.variable")
    assert "depends on the image alone" in problem.what


def test_a_color_that_nobody_knows_is_told_before_the_run_with_its_row():
    wanted = campaign(colors__named_share={"review": {"min": 0.05}, "variable": "color"})
    check_comparisons([request(2, color="red"), request(3, color="")], wanted)
    with pytest.raises(UserError) as caught:
        check_comparisons([request(row, color="sunset dreams") for row in (4, 5)], wanted)
    (problem,) = caught.value.problems
    assert problem.where == "config/catalog.csv, row 4 (M-4), column 'color'"


def test_a_column_that_is_not_there_is_told_before_the_run():
    wanted = campaign(colors__named_share={"review": {"min": 0.05}, "variable": "colour"})
    with pytest.raises(UserError, match=r"Did you mean 'color'\?"):
        check_comparisons([request(2, color="red")], wanted)


def test_a_missing_package_is_told_before_the_run_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr(measures.measure_class("tone"), "packages", {"no_such_module": "no-such-package"})
    with pytest.raises(
        UserError, match=r"not installed: no-such-package.\n  Install them with pip install 'imagemake\[tone\]'"
    ):
        check_packages(campaign())
