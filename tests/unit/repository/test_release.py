"""What is published says the same version everywhere."""

import re

import yaml
from folders import REPOSITORY

import imagemake


def test_the_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == imagemake.__version__


def test_the_container_installs_the_locked_versions():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert "--require-hashes --requirement requirements.lock" in dockerfile
    assert re.search(r"^COPY requirements.lock", dockerfile, re.MULTILINE)
