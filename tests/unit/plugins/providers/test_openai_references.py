"""The openai provider sends just the files that a recipe names, as the edits endpoint wants them."""

import asyncio
import hashlib
import re

import orjson
import pytest
from fake_openai import Settings
from image_files import saved
from PIL import Image
from recording_server import recording

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, Provider, ProviderError, response_to, takes_references
from imagemake.plugins.providers.openai.provider import OpenAIProvider

PNG = saved(Image.new("RGB", (64, 48), "red"), "PNG")
JPEG = saved(Image.new("RGB", (32, 32), "blue"), "JPEG")
WEBP = saved(Image.new("RGB", (32, 32), "green"), "WEBP")
MASK = saved(Image.new("RGBA", (64, 48), "#0000"), "PNG")
PARAMETERS = {"size": "96x96", "quality": "low", "output_format": "jpeg", "output_compression": 80}


@pytest.fixture
def server(stand_in, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    stand_in.renew(Settings(any_size=True))
    return stand_in


def ask(server, *references, mask=None, model="gpt-image-2", **more):
    names = [hashlib.sha256(data).hexdigest() for data in references]
    mask_name = hashlib.sha256(mask).hexdigest() if mask else None
    recipe = Recipe("openai", model, "A mug", 7, PARAMETERS | more, references=tuple(names), mask=mask_name)
    images = dict(zip([*names, mask_name], [*references, mask], strict=True))

    async def inside():
        provider = OpenAIProvider(Connection(server.base_url, 20, "OPENAI_API_KEY"))
        try:
            return await response_to(provider, recipe, images)
        finally:
            await provider.close()

    return asyncio.run(inside()), recipe


def test_it_sends_every_file_in_its_order_and_the_mask(server):
    answer, recipe = ask(server, PNG, JPEG, WEBP, mask=MASK)
    (call,) = server.calls()
    assert (call.endpoint, call.status, call.prompt, call.model) == ("/v1/images/edits", 200, "A mug", "gpt-image-2")
    assert call.references == list(recipe.files)
    assert call.params == {name: str(value) for name, value in PARAMETERS.items()}
    assert answer.image.startswith(b"\xff\xd8\xff")
    assert answer.usage["input_tokens_details"]["image_tokens"] > 0


def test_it_tells_nothing_of_the_files_names(server):
    ask(server, PNG, JPEG, mask=MASK)
    assert server.calls()[0].file_names == ["reference-1.png", "reference-2.jpeg", "mask.png"]


def test_a_mask_can_be_sent_as_a_markup(server, monkeypatch):
    _, recipe = ask(server, PNG, mask=MASK, model="gpt-image-2.5-flare", mask_as="markup")
    (call,) = server.calls()
    assert (call.status, call.references, "mask_as" in call.params) == (200, list(recipe.files), False)
    with recording() as other:
        other.base_url = other.address
        ask(other, PNG, mask=MASK, mask_as="markup")
    assert re.findall(rb'; name="(ma[^"]*)"', other.requests[0].body) == [b"markup"]


@pytest.mark.parametrize(("references", "fields"), [((PNG,), ["image"]), ((PNG, JPEG), ["image[]", "image[]"])])
def test_one_image_is_sent_as_image_and_several_as_a_list(monkeypatch, references, fields):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    with recording() as server:
        server.base_url = server.address
        ask(server, *references, safety_identifier="buyer-7")
    (request,) = server.requests
    assert re.findall(rb'name="(image[^"]*)"', request.body) == [name.encode() for name in fields]
    assert re.search(rb'name="safety_identifier"\r\n\r\nbuyer-7\r\n', request.body)


def test_without_reference_images_it_asks_for_a_generation(server):
    ask(server)
    assert server.calls()[0].endpoint == "/v1/images/generations"


def test_the_same_image_twice_is_sent_twice(server):
    _, recipe = ask(server, PNG, PNG)
    assert server.calls()[0].references == list(recipe.references)
    assert len(recipe.references) == 2


def test_what_the_server_refuses_is_final(server):
    with pytest.raises(ProviderError, match="size does not match") as caught:
        ask(server, JPEG, mask=MASK)
    assert caught.value.failure is FailureKind.REFUSED


def test_a_provider_that_takes_none_says_so_before_anything_is_sent():
    class Plain(Provider):
        paid = True

        async def generate(self, recipe):
            raise AssertionError("it must not be asked")

    assert not takes_references(Plain)
    assert takes_references(OpenAIProvider)
    provider, recipe = Plain(Connection(None, 1)), Recipe("plain", "m", "p", 1, references=("a" * 64,))
    with pytest.raises(ProviderError, match="takes no reference images") as caught:
        asyncio.run(response_to(provider, recipe, {}))
    assert caught.value.failure is FailureKind.STOP


def in_batches(server, work):
    async def inside():
        provider = OpenAIProvider(Connection(server.base_url, 20, "OPENAI_API_KEY"))
        try:
            return await work(provider)
        finally:
            await provider.close()

    return asyncio.run(inside())


def stored(server):
    import urllib.request

    request = urllib.request.Request(
        f"{server.base_url}/files?purpose=vision", headers={"Authorization": "Bearer sk-x"}
    )
    with urllib.request.urlopen(request) as answer:
        return orjson.loads(answer.read())["data"]


def test_a_batchs_image_is_uploaded_once_and_deletes_itself_after_three_days(server):
    before = len(stored(server))
    digest = hashlib.sha256(PNG).hexdigest()
    recipe = Recipe("openai", "gpt-image-2", "A mug", 7, references=(digest, digest), mask=digest)

    async def work(provider):
        for _ in range(3):
            await provider.upload_image(digest, PNG)
        return provider.batch_request(recipe)

    endpoint, body = in_batches(server, work)
    file, *others = stored(server)
    assert len(others) == before
    assert file["expires_at"] - file["created_at"] == 3 * 24 * 3600
    assert file["filename"] == "reference.png"
    assert endpoint == "/v1/images/edits"
    assert body["images"] == [{"file_id": file["id"]}] * 2
    assert body["mask"] == {"file_id": file["id"]}


def test_an_upload_of_yesterday_is_not_named_by_a_batch_of_today(server, monkeypatch):
    monkeypatch.setattr("imagemake.plugins.providers.openai.images.REUSED_FOR_S", 0)
    before = len(stored(server))

    async def work(provider):
        for _ in range(2):
            await provider.upload_image("a" * 64, PNG)

    in_batches(server, work)
    assert len(stored(server)) == before + 2


def test_a_line_is_never_longer_than_it_was_counted(server):
    recipe = Recipe("openai", "gpt-image-2", "A mug", 7, references=("a" * 64,))

    async def work(provider):
        counted = provider.batch_request(recipe)
        await provider.upload_image("a" * 64, PNG)
        return counted, provider.batch_request(recipe)

    counted, written = in_batches(server, work)
    assert len(orjson.dumps(written)) <= len(orjson.dumps(counted))
