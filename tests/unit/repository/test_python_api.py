"""The page of the Python API lists what is public, and its examples run."""

import contextlib
import importlib
import inspect
import io
import re

import pytest
from entries import an_entry
from folders import REPOSITORY

from imagemake.core.recipe import Recipe
from imagemake.release.manifest.tables import write_manifest
from imagemake.store.journal import Journal
from imagemake.store.store import Store

PAGE = (REPOSITORY / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
LISTED = re.findall(r"^::: ([\w.]+)$", PAGE, re.M)
RECIPE = Recipe("openai", "gpt-image-2", "A red mug", 7, {"size": "1024x1024"})


def listed_names():
    """Yield the public names, each with its module."""
    for path in LISTED:
        try:
            module, names = importlib.import_module(path), importlib.import_module(path).__all__
        except ModuleNotFoundError:
            module, names = importlib.import_module(path.rpartition(".")[0]), [path.rpartition(".")[2]]
        yield from ((module, name) for name in names)


PUBLIC = {f"{module.__name__}.{name}" for module, name in listed_names()}


@pytest.mark.parametrize(("module", "name"), [*listed_names()], ids=lambda one: getattr(one, "__name__", one))
def test_what_is_public_exists_and_says_what_it_is(module, name):
    assert name in module.__all__
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__


def test_every_module_that_says_what_is_public_is_on_the_page():
    package = REPOSITORY / "src" / "imagemake"
    saying = {
        path for path in package.rglob("*.py") if re.search(r"^__all__ = ", path.read_text(encoding="utf-8"), re.M)
    }
    names = {".".join(("imagemake", *path.relative_to(package).with_suffix("").parts)) for path in saying}
    modules = {name.removesuffix(".__init__") for name in names} - {"imagemake.config.models"}  # a front for its folder
    assert modules == {module.__name__ for module, _ in listed_names()}


@pytest.mark.parametrize("page", ["how-to/plugins.md", "how-to/test-a-provider.md", "reference/python-api.md"])
def test_pages_import_only_what_is_public(page):
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"^from (imagemake(?:\.[\w.]+)?) import (.+)$", text, re.M)
    assert found
    assert {f"{module}.{name}" for module, names in found for name in names.split(", ")} <= PUBLIC


def test_the_examples_run_in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    row = an_entry(name="MUG_red", key=RECIPE.key())
    write_manifest([row], tmp_path / "results" / "manifest.csv", tmp_path / "results" / "manifest.parquet")
    store = Store(tmp_path / "store")
    store.raw.put(RECIPE.key(), b"an image", durable=False)
    journal = Journal(store.journal_folder, "job", durable=False)
    journal.sent(campaign="c", name="MUG_red", key=RECIPE.key(), attempt=0, tried=0, recipe=RECIPE.as_dict())
    journal.close()
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        for example in re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M):
            exec(example, names)
    assert printed.getvalue().splitlines() == [
        RECIPE.key(),
        f"MUG_red {row.file} {RECIPE.key()}",
        "Counter({'gpt-image-2': 1})",
        "['MUG_red']",
    ]
    assert (tmp_path / "raw.png").read_bytes() == b"an image"
