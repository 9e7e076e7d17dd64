"""Every file at the top of the repository is there for a reason."""

import subprocess

from folders import REPOSITORY

CLAIMED = {
    ".ci": "what a change must pass",
    ".dockerignore": "what the container needs not",
    ".dvcignore": "DVC",
    ".gitattributes": "git",
    ".gitignore": "git",
    ".github": "CI on GitHub: the same as .ci",
    ".snakemake-workflow-catalog.yml": "Snakemake's workflow catalog",
    ".test": "the smallest campaign, for the workflow catalog",
    "CHANGELOG.md": "what changes for users",
    "CITATION.cff": "how to cite this",
    "CONTRIBUTING.md": "how to change the project",
    "Dockerfile": "a container",
    "LICENSE": "the license",
    "Makefile": "make run, make test, make lint",
    "README.md": "the first page",
    "SECURITY.md": "how to report a vulnerability, and what is not trusted",
    "Snakefile": "the workflow",
    "bench": "benchmarks",
    "config": "the bundled campaign",
    "docs": "pages",
    "dvc.yaml": "the workflow as a DVC stage",
    "envs": "conda environments of the stages",
    "mkdocs.yml": "the documentation site",
    "profiles": "settings of Snakemake",
    "pyproject.toml": "the package",
    "requirements-dev.lock": "the tested versions, with what developers need",
    "requirements.lock": "the tested versions of what a build needs",
    "rules": "the workflow, one file per stage",
    "scripts": "entry points of jobs",
    "src": "the package",
    "tests": "tests",
    "workflow": "the workflow where snakedeploy and the workflow catalog look for it",
}


def test_nobody_leaves_a_file_in_the_root():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    roots = {name.partition("/")[0] for name in listed.split("\0") if name}
    assert sorted(roots - set(CLAIMED)) == [], "move it where it belongs, or claim it here with its reason"
    assert sorted(set(CLAIMED) - roots) == [], "take it out of the list"


def test_the_package_has_no_loose_modules():
    package = REPOSITORY / "src" / "imagemake"
    loose = {path.name for path in package.iterdir() if path.is_file()}
    assert loose == {"__init__.py", "py.typed"}
