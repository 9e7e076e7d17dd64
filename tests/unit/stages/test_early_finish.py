"""An accepted image is finished while it is decoded for its measures, and nothing about its file depends on that."""

import os
import signal

import pytest
from image_files import saved
from PIL import Image

from imagemake.config.chosen_plugins import chosen_step
from imagemake.config.outputs import Output, Postprocess
from imagemake.config.validation import Validation
from imagemake.core.recipe import Recipe
from imagemake.plugins.steps.resize import Resize
from imagemake.stages.postprocess import branches
from imagemake.stages.postprocess.job import Postprocessor, early_finish
from imagemake.stages.validate.job import validate_apart
from imagemake.store.items import Item
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache

GOOD = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
GOOD.paste("navy", (16, 20, 40, 50))
CHECKS = Validation()


@pytest.fixture
def project(tmp_path):
    """Return what makes a postprocessor in a folder: the early one fills the first folder."""

    def parts(name):
        postprocess = Postprocess(
            steps=[chosen_step("resize", {"width_px": 32, "height_px": 32})],
            output=Output(format="jpeg"),
            more_outputs={"tiny": {"steps": [{"resize": {"width_px": 8, "height_px": 8}}]}},
        )
        return postprocess, CHECKS, Store(tmp_path / name), ThumbnailCache(tmp_path / name / "thumbnails")

    return parts


def batch(store, *images):
    items = []
    for number, image in enumerate(images):
        recipe = Recipe("preview", "preview-1", "a mug", number)
        stored = store.raw.put(recipe.key(), saved(image, "PNG"), durable=False)
        items.append(Item(str(number), 0, recipe, recipe.key(), "new", raw=stored))
    return items


def finished_files(folder):
    return list(folder.rglob("finished/**/*.jpg"))


def measured(parts, *images):
    store = parts[2]
    return validate_apart(
        batch(store, *images), CHECKS.measures_needed(), store, make_finish=lambda: early_finish(*parts)
    )


def test_what_is_accepted_is_finished_when_it_is_measured_and_is_the_same_file(project, tmp_path, monkeypatch):
    blank = Image.new("RGB", (64, 64), "white")
    early, late = project("early"), project("late")
    items = measured(early, GOOD, blank)
    expected = Postprocessor(*late).postprocess_batch(
        validate_apart(batch(late[2], GOOD, blank), CHECKS.measures_needed(), late[2])
    )
    assert len(finished_files(tmp_path / "early")) == 2  # of the good image; the blank one is rejected
    monkeypatch.setattr(branches, "opened", lambda data: pytest.fail("decoded again"))
    found = Postprocessor(*early).postprocess_batch(items)
    assert found == expected
    assert found[0].finished is not None
    thumbnails = [parts[3].get(found[0].finished.digest) for parts in (early, late)]
    assert thumbnails[0] == thumbnails[1] is not None


def test_a_step_that_ends_the_process_costs_no_measure(project, tmp_path, monkeypatch):
    def kill(self, image):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Resize, "apply", kill)
    parts = project("deadly")
    (item,) = measured(parts, GOOD)
    assert set(item.measures) == {measure.identity for measure in CHECKS.measures_needed()}
    assert not finished_files(tmp_path)


def test_a_step_that_fails_is_left_to_the_job_that_records_why(project, tmp_path, monkeypatch):
    monkeypatch.setattr(Resize, "apply", lambda self, image: 1 / 0)
    parts = project("failing")
    (item,) = measured(parts, GOOD)
    assert item.failure is None
    (item,) = Postprocessor(*parts).postprocess_batch([item])
    assert item.failure.message == "resize: ZeroDivisionError: division by zero"


def test_where_only_measures_are_installed_images_are_only_measured(project, tmp_path, monkeypatch):
    monkeypatch.setattr(Resize, "packages", {"no_such_module": "no-such-package"})
    parts = project("lean")
    (item,) = measured(parts, GOOD)
    assert item.measures
    assert not finished_files(tmp_path)
