"""Reference images are sent as planned: stored by content, and checked when read."""

import asyncio
import hashlib

import pytest

from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.images.source_files import SourceImages
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.stages.generate.batches.upload import UPLOADS_AT_ONCE, upload_for_batch
from imagemake.store.sent_images import SentImages, keep_sent_images
from imagemake.store.store import DamagedError, Store


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def made(tmp_path):
    """A project with two images, a recipe that sends them, and the plan's knowledge of them."""
    from image_files import saved
    from PIL import Image

    content = {name: saved(Image.new("RGB", (4, 4), name), "PNG") for name in ("red", "blue")}
    for name, data in content.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    files = SourceImages(tmp_path)
    references = tuple(files.get(f"{name}.png").digest for name in content)
    recipe = Recipe("openai", "m", "p", 1, references=references[:1], mask=references[1])
    return tmp_path, files, recipe, content


def test_every_file_that_is_sent_is_kept_once_by_its_content(made):
    folder, files, recipe, content = made
    store = Store(folder / "store")
    keep_sent_images([recipe, recipe], files, store)
    keep_sent_images([recipe], files, store)
    assert {stored.digest for stored in store.references.all()} == {digest(data) for data in content.values()}
    assert SentImages(store).of(recipe) == {digest(data): data for data in content.values()}


def test_what_nobody_asks_for_is_not_kept(made):
    folder, files, _, _ = made
    keep_sent_images([Recipe("openai", "m", "p", 1)], files, Store(folder / "store"))
    assert list(Store(folder / "store").references.all()) == []


def test_an_edit_after_the_store_holds_it_changes_nothing(made):
    folder, files, recipe, content = made
    store = Store(folder / "store")
    keep_sent_images([recipe], files, store)
    (folder / "red.png").write_bytes(content["blue"])
    keep_sent_images([recipe], files, store)
    assert SentImages(store).of(recipe)[recipe.references[0]] == content["red"]


@pytest.mark.parametrize("edit", ["changed", "gone"])
def test_an_edit_between_plan_and_run_ends_the_run_and_names_the_file(made, edit):
    folder, files, recipe, content = made
    path = folder / "red.png"
    path.unlink() if edit == "gone" else path.write_bytes(content["blue"])
    with pytest.raises(UserError, match=r"red\.png: this file changed while the run was planned"):
        keep_sent_images([recipe], files, Store(folder / "store"))


def test_a_second_file_of_the_same_content_will_do(made):
    folder, files, recipe, content = made
    (folder / "copy.png").write_bytes(content["red"])
    files.get("copy.png")
    (folder / "red.png").unlink()
    keep_sent_images([recipe], files, Store(folder / "store"))
    assert recipe.references[0] in Store(folder / "store").references.index()


def test_a_damaged_one_is_not_sent_and_comes_back_with_the_next_run(made):
    folder, files, recipe, content = made
    store = Store(folder / "store")
    keep_sent_images([recipe], files, store)
    path = store.references.path(store.references.index()[recipe.references[0]])
    path.chmod(0o644)
    path.write_bytes(content["blue"])
    with pytest.raises(DamagedError, match="does not match its digest"):
        SentImages(store).of(recipe)
    with pytest.raises(DamagedError, match=r"reference image .* is missing"):
        SentImages(store).of(recipe)
    keep_sent_images([recipe], files, store)
    assert SentImages(store).of(recipe)[recipe.references[0]] == content["red"]


def test_what_is_held_in_memory_is_bounded_and_never_wrong(made, monkeypatch):
    folder, files, recipe, content = made
    store = Store(folder / "store")
    keep_sent_images([recipe], files, store)
    reads, read = [], store.references.read
    monkeypatch.setattr(store.references, "read", lambda stored: reads.append(stored) or read(stored))
    monkeypatch.setattr("imagemake.store.sent_images.KEPT_BYTES", 1)
    sent = SentImages(store)
    for _ in range(3):
        assert sent.of(recipe) == {digest(data): data for data in content.values()}
    assert len(reads) == 3 * len(content), "it holds one image at a time"
    assert sent.read(reads[-1].key) == sent.read(reads[-1].key)
    assert len(reads) == 3 * len(content), "the last one needs no reading"


class Taker(OpenAIProvider):
    """A provider whose batches accept images, or refuse them with an error."""

    def __init__(self, error=None):
        self.taken, self.asked, self.error = {}, 0, error

    async def upload_image(self, digest, content):
        self.asked += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        assert digest not in self.taken
        self.taken[digest] = content


def test_a_batch_hands_every_image_over_once(made):
    folder, files, recipe, content = made
    store = Store(folder / "store")
    keep_sent_images([recipe], files, store)
    provider = Taker()
    asyncio.run(upload_for_batch(provider, [recipe] * 50, store))
    assert provider.taken == {digest(data): data for data in content.values()}


def test_a_batch_without_reference_images_asks_for_nothing(made):
    asyncio.run(upload_for_batch(object(), [Recipe("openai", "m", "p", 1)] * 3, Store(made[0] / "store")))


def test_after_one_image_is_not_taken_no_other_is_started(made):
    folder = made[0]
    store = Store(folder / "store")
    recipes = [Recipe("openai", "m", "p", 1, references=(f"{n:064x}",)) for n in range(100)]
    for n, recipe in enumerate(recipes):
        store.references.put(recipe.references[0], b"%d" % n, durable=False)
    provider = Taker(ProviderError("no such key", FailureKind.STOP))
    with pytest.raises(ProviderError, match="no such key"):
        asyncio.run(upload_for_batch(provider, recipes, store))
    assert 1 <= provider.asked <= UPLOADS_AT_ONCE


def test_an_image_that_the_store_has_lost_is_an_outcome_of_the_batch(made):
    folder, _, recipe, _ = made
    with pytest.raises(ProviderError, match=r"reference image .* is missing") as caught:
        asyncio.run(upload_for_batch(Taker(), [recipe], Store(folder / "store")))
    assert caught.value.failure is FailureKind.UNAVAILABLE


def test_a_provider_whose_batches_take_none_stops_the_run(made):
    with pytest.raises(ProviderError, match="do not support reference images") as caught:
        asyncio.run(upload_for_batch(object(), [made[2]], Store(made[0] / "store")))
    assert caught.value.failure is FailureKind.STOP


def test_a_workflow_is_kept_with_the_images_and_an_edit_of_it_ends_the_run(tmp_path):
    data = b'{"nodes": {}}'
    store, files = Store(tmp_path / "store"), SourceImages(tmp_path)
    recipe = Recipe("comfyui", "m", "p", 1, model_files={"workflow": digest(data)})
    with pytest.raises(UserError, match=r"model\.workflow: this file changed"):
        keep_sent_images([recipe], files, store, [b"edited"])
    keep_sent_images([recipe], files, store, [data])
    assert SentImages(store).of(recipe) == {recipe.workflow: data}
