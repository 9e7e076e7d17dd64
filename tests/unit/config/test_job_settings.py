"""The settings of jobs are files: named by their content, complete, and on the command line no longer than a path."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from folders import REPOSITORY
from mugs import LEAST

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import JobSettings, JobSettingsFiles
from imagemake.core.errors import ExitCode
from imagemake.core.problems import NotReadyError

SKUS = [f"SKU-{{{n:05}}}" for n in range(9_000)]
CHECK = {"tone.contrast": {"overrides": [{"when": {"sku": SKUS}, "reject": {"min": 0.5}}]}}
CAMPAIGN = load_campaign({**LEAST, "validation": {"checks": CHECK}})


def test_thousands_of_values_reach_a_job_by_a_short_path(tmp_path):
    files = JobSettingsFiles(CAMPAIGN, tmp_path / "settings")
    path = tmp_path / "settings" / files.path_of("validation").rpartition("/")[2]
    assert len(path.name) == 21
    files.write()
    assert JobSettings.read(path).validation == CAMPAIGN.validation
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_only_what_a_job_is_given_changes_the_path_and_nothing_is_written_before_it_is_needed(tmp_path):
    other = CAMPAIGN.model_copy(update={"campaign": "Other"})
    one, another = (JobSettingsFiles(campaign, tmp_path / "settings") for campaign in (CAMPAIGN, other))
    assert one.path_of("validation") == another.path_of("validation")
    assert one.path_of("validation", "campaign") != another.path_of("validation", "campaign")
    assert not (tmp_path / "settings").exists()


def test_a_folder_in_the_place_of_the_settings_is_set_aside_with_what_is_in_it(tmp_path):
    files = JobSettingsFiles(CAMPAIGN, tmp_path)
    path = tmp_path / files.path_of("validation").rpartition("/")[2]
    path.mkdir()
    (path / "mine.txt").write_bytes(b"")
    files.write()
    assert JobSettings.read(path).validation == CAMPAIGN.validation
    assert [one.parent.name.startswith(f"{path.name}.") for one in tmp_path.glob("*/mine.txt")] == [True]


def test_a_job_without_its_settings_says_what_to_do(tmp_path):
    files = JobSettingsFiles(CAMPAIGN, tmp_path)
    path = tmp_path / files.path_of("campaign").rpartition("/")[2]
    with pytest.raises(NotReadyError, match="settings of the job are missing") as caught:
        JobSettings.read(path)
    assert caught.value.exit_code is ExitCode.NOT_READY
    assert "Run snakemake again" in caught.value.remedy
    for damaged in (b"", b"{}", b"\0" * 100):
        path.write_bytes(damaged)
        with pytest.raises(NotReadyError, match="do not match the file's name"):
            JobSettings.read(path)
    files.write()
    assert JobSettings.read(path).campaign == CAMPAIGN.campaign


def test_no_rule_puts_settings_on_a_command_line():
    rules = "".join(path.read_text() for path in sorted((REPOSITORY / "rules").glob("*.smk")))
    assert len(re.findall(r"settings=settings_file\(", rules)) == rules.count("--settings {params.settings:q}") == 5


def test_a_job_that_measures_loads_no_types_of_models_and_none_of_the_whole_campaign(tmp_path):
    files = JobSettingsFiles(CAMPAIGN, tmp_path)
    path = tmp_path / files.path_of("validation", "postprocess").rpartition("/")[2]
    files.write()
    used = (
        f"settings = JobSettings.read(Path({str(path)!r})); settings.validation.measures_needed(); settings.postprocess"
    )
    imports = "import sys, imagemake.stages.validate.job, imagemake.stages.postprocess.job; from pathlib import Path; "
    imports += "from imagemake.config.job_settings import JobSettings; "
    show = "; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", imports + used + show], capture_output=True, text=True, check=True)
    assert "imagemake.config.validation" in loaded.stdout.split()
    assert not {"imagemake.config.model", "imagemake.config.campaign"} & set(loaded.stdout.split())


def test_a_section_that_jobs_do_not_have_is_an_error():
    with pytest.raises(TypeError, match="jobs have no section catalog"):
        JobSettings({"catalog": "catalog.csv"})
