"""Measures in a real build: read once, and compared with what was asked for whenever that changes."""

from tiny_clip import tiny_clip
from workflow.project import Project

COLOR = {"variable": "color", "review": {"min": 0.03}}
WHITE = {"value": "white", "reject": {"max": 12}}
CHECKS = {"colors.named_share": COLOR, "background.color_distance": WHITE}


def test_another_wanted_color_measures_nothing_and_another_measure_reads_only_itself(tmp_path):
    model = {"provider": "preview", "name": "preview-1", "parameters": {"size": "256x256"}}
    project = Project(tmp_path, model=model, validation={"checks": CHECKS}, attempts={"max": 1})
    project.snakemake()
    before = project.manifest()
    assert {row["verdict"] for row in before.values()} == {"accepted"}

    teal = {**WHITE, "value": "teal"}
    project.write_config(validation={"checks": {**CHECKS, "background.color_distance": teal}})
    assert project.jobs(project.snakemake(expect=1)) == ["release", "all"]
    reasons = [row["reasons"] for row in project.manifest().values()]
    assert all("background.color_distance: " in str(reason) for reason in reasons)

    project.write_config(validation={"checks": {**CHECKS, "faces.count": {"reject": {"max": 0}}}})
    done = project.snakemake()
    assert "check added: faces" in done.stderr
    after = project.manifest()
    assert {(row["verdict"], row["measure.faces.count"]) for row in after.values()} == {("accepted", "0")}
    assert [row["measure.colors.palette"] for row in after.values()] == [
        row["measure.colors.palette"] for row in before.values()
    ]
    assert project.calls() == len(before)


def test_a_range_of_one_group_holds_in_the_job_and_in_the_next_plan_and_moves_without_a_reading(preview):
    def validation(**override):
        contrast = {"reject": {"min": 0.49}, "overrides": [override]}  # which no drawing reaches
        return {"near_duplicates": False, "checks": {"tone.contrast": contrast}}

    def accepted():
        return [name for name, row in project.manifest().items() if row["verdict"] == "accepted"]

    mugs = validation(when={"product": ["mug", "hat"]}, reject=False, review={"min": 0.01})
    project = preview(attempts={"max": 1}, validation=mugs)
    project.edit_row(1, product="hat")
    project.snakemake(expect=1)  # one run: the job that finishes images must know whose range holds
    assert accepted() == ["S000_red", "S001_teal"]
    calls = project.calls()

    project.write_config(validation=validation(when={"model": "preview-1"}, reject={"min": 0.48}))
    assert project.jobs(project.snakemake(expect=1)) == ["release", "all"]
    assert accepted() == []
    assert "at least 0.48 for model preview-1" in str(project.manifest()["S000_red"]["reasons"])
    assert project.calls() == calls

    project.write_config(validation=validation(when={"product": "hats"}, reject=False))
    done = project.snakemake("-n", expect=2)
    assert "overrides[0].when: no request has 'hats' as its product." in done.stderr
    assert "Did you mean 'hat'?" in done.stderr


def test_a_color_that_nobody_knows_ends_the_dry_run_with_its_row(tmp_path):
    project = Project(tmp_path, validation={"checks": CHECKS})
    project.edit_row(1, color="sunset dreams")
    done = project.snakemake("-n", expect=2)
    assert "config/catalog.csv, row 3" in done.stderr + done.stdout
    assert "'sunset dreams' names no known color" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_one_color_among_five_of_another_waits_for_a_person_and_nothing_is_measured_for_it(preview):
    def validation(max_distance):
        return {"near_duplicates": False, "consistency": {"by": ["product"], "max_distance": max_distance}}

    project = preview(rows=6, attempts={"max": 1}, validation=validation(100))
    for row in range(6):
        project.edit_row(row, product="coffee mug", color="black" if row == 5 else "white")
    project.snakemake()
    calls = project.calls()
    project.write_config(validation=validation(5))
    assert project.jobs(project.snakemake()) == ["release", "all"]
    odd = {name: row["reasons"] for name, row in project.manifest().items() if row["verdict"] == "review"}
    assert list(odd) == ["S005_black"]
    assert "consistency: darker than the 6 images of coffee mug: a color difference of " in odd["S005_black"]
    assert project.calls() == calls

    project.write_config(validation={"consistency": {"by": ["produkt"]}})
    done = project.snakemake("-n", expect=2)
    assert "validation.consistency.by: 'produkt' is neither a column of the catalog nor a variable." in done.stderr
    assert "Did you mean" in done.stderr


def test_images_are_matched_with_texts_by_a_model_of_the_users_without_a_call(preview):
    project = preview(rows=3, attempts={"max": 1}, validation={"near_duplicates": False})
    project.snakemake()
    calls = project.calls()

    def with_text(**text):
        check = {"prompt.similarity": {**text, "review": {"min": -1}}}
        project.write_config(validation={"near_duplicates": False, "checks": check})

    def similarities():
        return [float(row["measure.prompt.similarity"]) for row in project.manifest().values()]

    with_text(variable="color")
    told = project.snakemake("-n", expect=2).stderr
    assert "config/config.yaml, validation.measures.prompt: there is no folder 'models/clip'." in told
    assert "Traceback" not in told

    model = tiny_clip(project.folder / "models" / "clip")
    done = project.snakemake()
    assert "3 to validate: check added: prompt" in done.stderr
    assert project.jobs(done).count("generate") == 0
    by_color = similarities()
    assert not any("vector" in column for column in next(iter(project.manifest().values())))
    assert project.jobs(project.snakemake()) == []

    with_text(value="blue")
    done = project.snakemake()
    assert "3 to validate: text changed: prompt" in done.stderr
    assert similarities() != by_color
    with_text(variable="color")  # that was read before
    assert project.jobs(project.snakemake()) == ["release", "all"]
    assert similarities() == by_color

    tiny_clip(model, gain=(1, 3, 1))
    assert "3 to validate: measure changed: prompt" in project.snakemake().stderr
    assert similarities() != by_color
    model.rename(project.folder / "elsewhere")  # whoever only looks needs no weights
    assert "Nothing to do." in project.snakemake().stderr
    assert project.calls() == calls
