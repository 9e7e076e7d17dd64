"""The profiles for clouds set options that Snakemake and the plug-ins have, and no secret."""

import os
import subprocess
import sys

import pytest
from folders import REPOSITORY
from slurm_cluster import install_plugin

PARSE = """
import sys
from snakemake.cli import parse_args
_, options = parse_args(["--profile", sys.argv[1]])
print("parsed", options.executor, options.default_storage_provider, options.shared_fs_usage)
print(options.aws_batch_task_timeout, options.envvars)
"""


@pytest.fixture(scope="module")
def parse(tmp_path_factory):
    """Parses a profile with the real plug-ins."""
    folder = tmp_path_factory.mktemp("clouds")
    if reason := install_plugin(folder, "requirements-clouds.txt"):
        pytest.skip(reason)
    for module in ("__init__", "config", "client"):  # which the plug-in for Kubernetes imports
        (folder / "kubernetes").mkdir(exist_ok=True)
        (folder / "kubernetes" / f"{module}.py").touch()
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])

    def parsed(profile):
        command = [sys.executable, "-c", PARSE, str(profile)]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(
            command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
        )

    return parsed


@pytest.mark.parametrize("name", ["kubernetes", "aws-batch"])
def test_a_profile_has_options_of_snakemake_and_its_plugins_only(parse, name, tmp_path):
    done = parse(REPOSITORY / "profiles" / name)
    assert f"parsed {name} s3 set()" in done.stdout, done.stderr
    if name == "aws-batch":
        assert "7200 set()" in done.stdout, "no variable, because Batch would show its value"
        text = (REPOSITORY / "profiles" / name / "config.yaml").read_text()
        (tmp_path / "config.yaml").write_text(f"{text}\naws-batch-queue: mistyped\n")
        assert "unrecognized arguments" in parse(tmp_path).stderr
