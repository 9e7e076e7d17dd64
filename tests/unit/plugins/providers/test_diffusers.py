"""Real pipelines with random weights, on the CPU. `make test-diffusers` installs what they need, and runs them."""

import asyncio
import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.diffusers.device import Device
from imagemake.plugins.providers.diffusers.ladder import Rung
from imagemake.plugins.providers.diffusers.order import order_of
from imagemake.plugins.providers.diffusers.pictures import with_pictures
from imagemake.plugins.providers.diffusers.pipeline import Pipeline
from imagemake.plugins.providers.diffusers.provider import DiffusersProvider

pytest.importorskip("diffusers", reason="needs diffusers and torch: run make test-diffusers")

QUICK = {"size": "64x64", "num_inference_steps": 2}


@pytest.fixture
def files(tiny_files):
    return tiny_files


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def recipe(seed=1, prompt="a red mug", **more):
    parameters = {**QUICK, **more.pop("parameters", {})}
    return Recipe("diffusers", "tiny", prompt, seed, parameters, **more)


def made(files, *recipes, images=None, batch=4):
    """Make images at the same time, as one job does, and return their files."""

    async def inside():
        provider = DiffusersProvider(Connection(files=files, local={"batch": batch, "device": "cpu"}))
        try:
            return await asyncio.gather(*(provider.generate_from(one, images or {}) for one in recipes))
        finally:
            await provider.close()

    return asyncio.run(inside())


def pixels(response):
    with Image.open(BytesIO(response.image)) as image:
        return np.asarray(image).astype(int)


def picture(color, size=(96, 64), mode="RGB"):
    file = BytesIO()
    Image.new(mode, size, color).save(file, "PNG")
    return file.getvalue()


def by_digest(*contents):
    return {hashlib.sha256(content).hexdigest(): content for content in contents}


PICTURES = by_digest(picture("white"), picture("black"), picture((0, 0, 0, 255), mode="RGBA"))
WHITE, BLACK, KEEP_ALL = PICTURES


def test_several_images_are_made_at_once_and_each_has_its_own_seed_and_prompt(files):
    recipes = [recipe(1), recipe(2), recipe(1, "a cup"), recipe(1)]
    responses = made(files, *recipes)
    assert {response.usage["batch"] for response in responses} == {4}
    assert len({response.image for response in responses}) == 3
    assert responses[0].image == responses[3].image


def test_an_image_is_the_same_alone_and_among_others_up_to_rounding(files):
    # Bit by bit depends on the machine's kernels: `imagemake reproduce` tells for each image.
    (alone,) = made(files, recipe(3), batch=1)
    among = made(files, *(recipe(seed) for seed in range(4)))[3]
    assert np.abs(pixels(alone) - pixels(among)).max() <= 1


def test_the_same_batch_gives_the_same_bytes(files):
    recipes = [recipe(seed) for seed in range(3)]
    first, again = ([one.image for one in made(files, *recipes)] for _ in range(2))
    assert first == again


def test_what_the_parameters_say_is_done(files):
    wishes = [
        {},
        {"parameters": {"num_inference_steps": 3}},
        {"parameters": {"guidance_scale": 3}},
        {"parameters": {"scheduler": "EulerDiscreteScheduler"}},
        {"parameters": {"scheduler": {"class": "DDIMScheduler", "timestep_spacing": "trailing"}}},
        {"parameters": {"loras": {"style": 1.0}}},
        {"parameters": {"loras": {"style": 0.5}}},
        {"negative_prompt": "zebra"},
    ]
    responses = made(files, *(recipe(**wish) for wish in wishes))
    assert len({response.image for response in responses}) == len(wishes)


def test_no_image_depends_on_the_setup_of_those_before_it(files):
    odd = {"parameters": {"loras": {"style": 1.0}, "scheduler": "EulerDiscreteScheduler", "vae_tiling": True}}

    async def inside():
        provider = DiffusersProvider(Connection(files=files, local={"device": "cpu"}))
        first = await provider.generate(recipe())
        await provider.generate(recipe(**odd))
        again = await provider.generate(recipe())
        await provider.close()
        return first.image, again.image

    first, again = asyncio.run(inside())
    assert first == again


def test_offloading_changes_nothing_in_any_order_of_tasks_and_loras(files):
    plain, styled = order_of(recipe()), order_of(recipe(parameters={"loras": {"style": 1.0}}))
    by_image = with_pictures(order_of(recipe(references=(WHITE,), parameters={"strength": 0.9})), PICTURES)
    pipeline = Pipeline(Path(files["pipeline"]), plain.setup, Device("cpu", "CPU"))

    def pixels_of(order, offload):
        (image,) = pipeline.make(
            [order], Rung(offload, tiled=False), {"style": Path(files["style"])}, lambda *step: None
        )
        return image.tobytes()

    by_offload = [
        [pixels_of(order, offload) for order in (plain, styled, by_image)] for offload in ("no", "model", "no")
    ]
    assert by_offload[0] == by_offload[1] == by_offload[2]
    assert len(set(by_offload[0])) == 3


def test_a_size_is_kept(files):
    (response,) = made(files, recipe(parameters={"size": "96x64"}))
    assert pixels(response).shape == (64, 96, 3)


def test_a_reference_image_and_a_mask_decide_what_is_painted(files):
    by_image = {"parameters": {"strength": 0.5, "num_inference_steps": 4, "size": "96x64"}}
    of_white, of_black, kept = made(
        files,
        recipe(references=(WHITE,), **by_image),
        recipe(references=(BLACK,), **by_image),
        recipe(references=(WHITE,), mask=KEEP_ALL, **by_image),
        images=PICTURES,
    )
    assert pixels(of_white).shape == pixels(kept).shape == (64, 96, 3)
    assert of_white.image != of_black.image
    assert of_white.image != kept.image


def test_a_reference_image_that_cannot_be_decoded_costs_no_other_image(files):
    images = by_digest(picture("white"), b"no image")
    good, bad = images

    async def inside():
        provider = DiffusersProvider(Connection(files=files, local={"batch": 2, "device": "cpu"}))
        asking = [provider.generate_from(recipe(references=(one,)), images) for one in (good, bad)]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        await provider.close()
        return answers

    answers = asyncio.run(inside())
    assert answers[0].image
    assert answers[1].failure is FailureKind.NOT_RETRYABLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"gidance_scale": 3}}, "StableDiffusionPipeline has no parameter 'gidance_scale'; it has"),
        ({"parameters": {"scheduler": "DiffusionPipeline"}}, "no scheduler 'DiffusionPipeline'"),
        ({"parameters": {"size": "63x64"}}, "have to be divisible by 8"),
        ({"references": (WHITE, BLACK)}, "StableDiffusionImg2ImgPipeline takes one reference image"),
    ],
)
def test_what_the_pipeline_cannot_do_is_told(files, change, message):
    with pytest.raises(ProviderError, match=message) as caught:
        made(files, recipe(**change), images=PICTURES)
    assert caught.value.failure is FailureKind.CONFIGURATION


def test_files_that_changed_since_the_plan_are_not_used(files):
    with pytest.raises(ProviderError, match="changed since the image was planned: pipeline") as caught:
        made(files, recipe(model_files={"pipeline": "0" * 64}))
    assert caught.value.failure is FailureKind.STOP


def test_files_of_the_plan_are_used(files):
    planned = DiffusersProvider.model_files("tiny", files, {"loras": {"style": 1}})
    (response,) = made(files, recipe(model_files=planned, parameters={"loras": {"style": 1}}))
    assert response.model.startswith("StableDiffusionPipeline, diffusers 0.")


def test_a_stop_ends_between_two_steps(files):
    async def inside():
        provider = DiffusersProvider(Connection(files=files, local={"device": "cpu"}))
        await provider.generate(recipe())  # loaded
        asking = asyncio.ensure_future(provider.generate(recipe(parameters={"num_inference_steps": 900})))
        await asyncio.sleep(0.3)
        provider.stop()
        with pytest.raises(ProviderError, match="stopped"):
            await asyncio.wait_for(asking, 15)
        await provider.close()

    asyncio.run(inside())


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(ProviderError, match=r"model\.local\.device is cuda:9") as caught:
        DiffusersProvider(Connection(local={"device": "cuda:9"})).in_flight  # noqa: B018
    assert caught.value.failure is FailureKind.STOP


def test_a_pipeline_that_cannot_be_loaded_stops_the_run(files, tmp_path):
    from shutil import copytree

    broken = copytree(files["pipeline"], tmp_path / "broken")
    (Path(broken) / "unet" / "config.json").write_text("{")
    with pytest.raises(ProviderError, match="cannot be loaded") as caught:
        made({"pipeline": str(broken)}, recipe())
    assert caught.value.failure is FailureKind.STOP
