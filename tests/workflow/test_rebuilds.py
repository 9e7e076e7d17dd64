"""What is rebuilt and what is not: every claim counts calls and looks at times of change."""

from __future__ import annotations

import subprocess
import sys

from folders import REPOSITORY

NO_JOBS: list[str] = []


def same(before, after, *names):
    """Whether the named files are just the ones from before: bytes and times of change."""
    return all(before[name] == after[name] for name in names)


def test_with_nothing_to_do_nothing_runs(built):
    before = built.images()
    done = built.snakemake()
    assert built.jobs(done) == NO_JOBS
    assert "4 up to date" in done.stderr
    assert built.images() == before
    assert built.calls() == 4


def test_with_nothing_to_do_neither_large_packages_nor_what_plans_is_imported(built):
    command = [sys.executable, "-X", "importtime", *built.command()[1:]]
    done = subprocess.run(
        command, cwd=built.folder, env=built.environment(), capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "imagemake.workflow.planner" in imported
    assert imported & {"pandas", "openai", "imagemake.workflow.open_plans", "imagemake.plan.resolve"} == set()


def test_editing_one_row_makes_exactly_that_image(built):
    before = built.images()
    built.edit_row(1, product="teapot")
    dry = built.snakemake("-n")
    assert "1 to generate: key changed: prompt" in dry.stderr
    assert built.calls() == 4
    built.snakemake()
    after = built.images()
    assert built.calls() == 5
    assert before["S001_teal.jpg"] != after["S001_teal.jpg"]
    assert same(before, after, "S000_red.jpg", "S002_gold.jpg", "S003_red.jpg")


def test_editing_the_template_makes_all_anew(built):
    built.write_config(prompt="A {color} {product}.")
    built.snakemake()
    assert built.calls() == 8


def test_editing_a_threshold_calls_nobody_and_measures_nothing(built):
    before = built.images()
    tables = {path: path.stat().st_mtime_ns for path in built.folder.glob("work/validated/*")}
    built.write_config(validation={"checks": {"tone.contrast": {"review": {"min": 200}}}})
    done = built.snakemake()
    assert built.jobs(done) == ["release", "all"]
    assert built.calls() == 4
    assert {path: path.stat().st_mtime_ns for path in built.folder.glob("work/validated/*")} == tables
    assert built.images() == {}, "all of them are awaiting review now"
    assert "4 awaiting review" in done.stdout + done.stderr
    built.write_config(validation={})
    assert built.jobs(built.snakemake()) == ["release", "all"]
    assert {name: data for name, (_, data) in built.images().items()} == {
        name: data for name, (_, data) in before.items()
    }


def test_editing_post_processing_finishes_anew_and_calls_nobody(built):
    before = built.images()
    built.write_config(postprocess={"steps": [{"resize": {"width_px": 32, "height_px": 32}}]})
    done = built.snakemake()
    assert set(built.jobs(done)) == {"postprocess", "release", "all"}
    assert "4 to postprocess: postprocessing changed" in done.stderr
    assert built.calls() == 4
    after = built.images()
    assert set(after) == set(before)
    assert not any(same(before, after, name) for name in before)


def test_removing_a_row_takes_its_image_out_of_the_release_and_leaves_the_store(built):
    raw, before = built.raw_files(), built.images()
    del built.rows[0]
    built.write_catalog()
    built.snakemake()
    after = built.images()
    assert set(after) == {"S001_teal.jpg", "S002_gold.jpg", "S003_red.jpg"}
    assert same(before, after, *after)
    assert built.raw_files() == raw
    assert built.calls() == 4


def test_the_order_of_rows_changes_nothing(built):
    before = built.images()
    built.rows.reverse()
    built.write_catalog()
    done = built.snakemake()
    assert not {"generate", "validate", "postprocess"} & set(built.jobs(done))
    assert built.images() == before
    assert built.calls() == 4


def test_a_new_row_calls_once(built):
    before = built.images()
    built.rows.append({"sku": "S900", "product": "kettle", "color": "blue"})
    built.write_catalog()
    assert "1 to generate: new" in built.snakemake().stderr
    assert built.calls() == 5
    assert same(before, built.images(), *before)


def test_without_work_nobody_is_called(built):
    before = built.images()
    built.delete("work")
    done = built.snakemake()
    assert "generate" not in built.jobs(done)
    assert built.calls() == 4
    assert same(before, built.images(), *before)


def test_without_results_nobody_is_called_and_nothing_is_measured(built):
    before = {name: data for name, (_, data) in built.images().items()}
    manifest = built.manifest()
    built.delete("results")
    done = built.snakemake()
    assert built.jobs(done) == ["release", "all"]
    assert built.calls() == 4
    assert {name: data for name, (_, data) in built.images().items()} == before
    assert manifest == built.manifest()


def test_a_released_image_that_was_deleted_comes_back_without_a_call(built):
    before = built.images()
    (built.folder / "results/images/S001_teal.jpg").unlink()
    assert built.jobs(built.snakemake()) == ["release", "all"]
    assert built.images()["S001_teal.jpg"][1] == before["S001_teal.jpg"][1]
    assert built.calls() == 4


def test_a_deleted_store_file_is_made_again_and_no_other(built):
    before = built.images()
    gone = built.raw_files()[0]
    gone.unlink()
    assert "1 to generate: missing from the store" in built.snakemake().stderr
    assert built.calls() == 5
    after = built.images()
    assert sum(before[name] != after[name] for name in before) == 1


def test_damage_is_found_by_verify_and_made_again(built):
    damaged = built.raw_files()[0]
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-7] + b"damaged")
    found = built.imagemake("verify", expect=1)
    assert damaged.name in found.stdout
    assert "1 to generate: damaged in the store" in built.snakemake().stderr
    assert built.calls() == 5
    assert "no damage" in built.imagemake("verify").stdout


def test_damage_is_found_whenever_a_file_is_read(built):
    damaged = built.raw_files()[0]
    damaged.chmod(0o644)
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n nothing else")
    built.delete("work")
    built.snakemake()
    assert built.calls() == 5
    assert len(built.images()) == 4
    assert [path.name for path in built.folder.glob("store/damaged/raw/*")] == [damaged.name]


def test_what_is_lost_a_second_time_is_made_a_second_time_and_a_flipped_table_is_made_again(built):
    before = built.images()
    for time in ("first", "second", "third"):
        next(built.folder.glob("store/finished/*/*/*")).unlink()
        if time == "second":
            (table,) = built.folder.glob("work/validated/*.jsonl")
            table.write_bytes(table.read_bytes().replace(b'"attempt":0', b'"attempt":9', 1))
        told = built.snakemake().stderr
        assert ("1 table was damaged" in told) == (time == "second")
        assert len([*built.folder.glob("store/finished/*/*/*")]) == 4
        assert built.images() == before
    assert built.calls() == 4


def test_one_image_is_made_and_nothing_else(project):
    made = project()
    made.snakemake("results/images/S002_gold.jpg")
    assert made.calls() == 1
    assert list(made.images()) == ["S002_gold.jpg"]
    before = made.images()
    assert made.jobs(made.snakemake("results/images/S002_gold.jpg")) == NO_JOBS
    made.snakemake()
    assert made.calls() == 4
    assert same(before, made.images(), "S002_gold.jpg")


def test_one_image_follows_its_prompt_there_and_back_again(built):
    made = built
    target = "results/images/S002_gold.jpg"
    first = made.images()
    made.edit_row(2, product="teapot")
    made.snakemake(target)
    assert made.images() != first
    made.edit_row(2, product="chair")
    made.snakemake(target)
    assert made.images()["S002_gold.jpg"][1] == first["S002_gold.jpg"][1]
    assert made.calls() == 5


def test_a_name_that_no_request_makes_is_refused_with_an_example(project):
    made = project()
    done = made.snakemake("results/images/S002_purple.jpg", expect=2)
    assert "no request makes this file" in done.stderr
    assert "S000_red.jpg" in done.stderr
    assert "Did you mean 'pilot'?" in made.snakemake("-n", "pilott", expect=1).stderr


def test_several_targets_of_one_run_share_what_they_need(project):
    made = project()
    made.snakemake("results/images/S000_red.jpg", "results/images/S001_teal.jpg", "pilot", "all")
    assert made.calls() == 4


def test_only_narrows_what_is_worked_on_and_leaves_the_rest(project):
    made = project()
    done = made.snakemake("--config", "only=S000_*,S003_*")
    assert "2 not in this run" in done.stderr
    assert made.calls() == 2
    made.snakemake()
    before = made.images()
    made.edit_row(0, product="teapot")
    made.edit_row(1, product="teapot")
    made.snakemake("--config", "only=S000_*")
    assert made.calls() == 5
    assert set(made.images()) == set(before) - {"S001_teal.jpg"}, "what is out of date is not released"
    assert made.manifest()["S001_teal"]["verdict"] == "pending"


def test_numbers_in_the_configuration_and_on_the_command_line_keep_their_spelling(preview):
    made = preview(name="{sku}")
    made.rows = [{"sku": sku, "product": "mug", "color": "red"} for sku in ("00123", "83", "0123", "123")]
    made.write_catalog()
    config = made.folder / "config" / "config.yaml"
    config.write_text(config.read_text() + "exclude: [{sku: 00123}]\nalerts: {on: [finished]}\n")
    (made.folder / "more.yaml").write_text("limits: {in_flight: 010}\n")
    made.snakemake("--config", "only=0123", "--configfile", "more.yaml")
    assert set(made.images()) == {"0123.jpg"}
    made.snakemake()
    assert set(made.images()) == {"83.jpg", "0123.jpg", "123.jpg"}


def test_a_workflow_that_uses_this_one_as_a_module_can_give_it_the_configuration(preview):
    made = preview()
    (made.folder / "config" / "config.yaml").write_text("unused: 1")
    (made.folder / "Snakefile").unlink()
    module = f"module shop:\n    snakefile: '{REPOSITORY}/Snakefile'\n    config: {made.config}\nuse rule * from shop\n"
    (made.folder / "Snakefile").write_text(module)
    assert "4 to generate" in made.snakemake("-n").stderr
    (made.folder / "Snakefile").write_text(module.replace(f"    config: {made.config}\n", ""))
    assert "config.yaml, unused: unknown key" in made.snakemake("-n", expect=None).stderr


def test_comparing_with_a_second_model_calls_only_that_model(built, server):
    made = built
    made.write_config(
        name="{sku}_{color}_{model}",
        variables={"model": ["gpt-image-2", "gpt-image-2-2026-04-21"]},
        models={"openai": {name: {"size_rule": {"min_edge_px": 16}} for name in ("gpt-image-2", "mine")}},
    )
    made.snakemake()
    assert made.calls() == 8
    assert [call.model for call in server.calls()] == ["gpt-image-2-2026-04-21"] * 4
    assert len(made.images()) == 8
