"""The wheel in an environment of its own, away from the repository, as users have it."""

from __future__ import annotations

import shutil
import subprocess
import zipfile

from folders import REPOSITORY


def test_a_new_project_builds_with_the_workflow_of_the_wheel(installed, tmp_path):
    folder = tmp_path / "my café"
    installed.run("imagemake", "init", str(folder), "--from", "blank", cwd=tmp_path)
    told = installed.run("python", "-c", "import imagemake; print(imagemake.__file__)", cwd=tmp_path).stdout
    assert str(installed.bin.parent) in told

    installed.run("snakemake", "--cores", "2", cwd=folder)
    assert [path.name for path in (folder / "results/images").iterdir()] == ["first.jpg"]

    snakefile = installed.run(
        "python", "-c", "from imagemake.workflow.installed import SNAKEFILE; print(SNAKEFILE)", cwd=tmp_path
    ).stdout.strip()
    shutil.copytree(REPOSITORY / ".test", tmp_path / ".test")
    done = installed.run("snakemake", "-s", snakefile, "-d", str(tmp_path / ".test"), "--cores", "2", cwd=tmp_path)
    assert done.stderr.startswith("imagemake: "), "the profile of the installed workflow is used"
    assert {path.name for path in (tmp_path / ".test/results/images").iterdir()} == {"MUG-1.jpg", "LMP-2.jpg"}


DEPLOYED = """
configfile: "config/config.yaml"

module shop:
    snakefile:
        "git+file://{repository}/workflow/Snakefile@main"
    config:
        config

use rule * from shop
"""  # as `snakedeploy deploy-workflow` writes it


def test_a_deployed_module_keeps_the_spelling_of_its_configuration(installed, tmp_path):
    repository = tmp_path / "repository"
    (repository / "workflow").mkdir(parents=True)
    shutil.copy(REPOSITORY / "workflow" / "Snakefile", repository / "workflow")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(repository)]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    folder = tmp_path / "deployed"
    installed.run("imagemake", "init", str(folder), "--from", "blank", cwd=tmp_path)
    (folder / "Snakefile").unlink()
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(repository=repository))
    config = folder / "config/config.yaml"
    text = config.read_text().replace('"{name}"', '"{name}-{ratio}"').replace('"{prompt}"', '"{prompt} {ratio}"')
    config.write_text(text + "variables: {ratio: [010, 1_000]}\n")

    planned = installed.run("snakemake", "-n", cwd=folder).stderr
    assert "2 requests" in planned
    installed.run("snakemake", "results/images/first-010.jpg", "--cores", "2", cwd=folder)
    assert (folder / "results/images/first-010.jpg").exists()


def test_the_wheel_holds_the_workflow_and_no_file_of_the_repository_besides(installed):
    names = [name for name in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"imagemake", "snakemake_logger_plugin_imagemake"}
    sources = [path for path in (REPOSITORY / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {str(path.relative_to(REPOSITORY / "src")) for path in sources if ".egg-info" not in str(path)} <= set(names)
    for part in ("Snakefile", "rules", "scripts", "profiles", "dvc.yaml", ".dvcignore", ".gitattributes"):
        for path in [REPOSITORY / part, *(REPOSITORY / part).rglob("*")]:
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"imagemake/workflow/{path.relative_to(REPOSITORY)}" in names


def test_jobs_in_conda_see_this_package_and_no_other_of_the_environment(installed, tmp_path):
    code = "from pathlib import Path; from imagemake.workflow.process import job_prefix; print(job_prefix(Path('x')))"
    for _ in range(2):
        prefix = installed.run("python", "-c", code, cwd=tmp_path).stdout
    assert f"PYTHONPATH={tmp_path}/.snakemake/imagemake " in prefix
    assert [path.name for path in (tmp_path / ".snakemake/imagemake").iterdir()] == ["imagemake"]
