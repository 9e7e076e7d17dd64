"""The conda environments are those of the lock, and can be installed on the Python that they name."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from folders import REPOSITORY


def load_writer():
    spec = importlib.util.spec_from_file_location("write_envs", REPOSITORY / "envs" / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITER = load_writer()
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def test_every_environment_is_what_the_lock_says():
    versions = WRITER.pins((REPOSITORY / "requirements-dev.lock").read_text(encoding="utf-8"))
    written = {f"{stage}.yaml": WRITER.environment(stage, versions) for stage in WRITER.STAGES}
    assert {path.name: path.read_text(encoding="utf-8") for path in ENVIRONMENTS} == written, "run: make lock"


def test_every_environment_that_a_rule_names_exists():
    named = {
        name
        for path in (REPOSITORY / "rules").glob("*.smk")
        for name in re.findall(r"envs/(\w+\.yaml)", path.read_text())
    }
    assert named == {path.name for path in ENVIRONMENTS}


def test_a_pin_is_that_of_the_python_that_is_asked_for():
    older = "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
    lock = older + "numpy==2.5.5 ; python_full_version >= '3.12' \\\n"
    assert WRITER.pins(lock, "3.11") == {"numpy": "2.4.6"}
    assert WRITER.pins(lock, "3.13") == {"numpy": "2.5.5"}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_resolves_for_the_python_that_it_names(path, tmp_path):
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    python = next(one for one in dependencies if isinstance(one, str) and one.startswith("python=")).partition("=")[2]
    wanted = tmp_path / "wanted.in"
    wanted.write_text("\n".join(dependencies[-1]["pip"]))
    uv = Path(sys.executable).with_name("uv")
    command = [
        uv,
        "pip",
        "compile",
        "-q",
        "--no-header",
        "--python-version",
        python,
        "--python-platform",
        "linux",
        wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "error sending request" in done.stderr:
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr


def test_what_a_build_needs_is_locked_in_the_versions_that_are_tested():
    runs, developed = (
        WRITER.pins((REPOSITORY / name).read_text(encoding="utf-8"))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runs.items() <= developed.items(), "run: make lock"
    assert {"snakemake", "openai", "pandas", "starlette"} <= set(runs)
    assert not {"dvc", "s3fs", "pytest", "onnxruntime", "playwright"} & set(runs)
