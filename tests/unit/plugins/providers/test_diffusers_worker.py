"""Images in batches, and what happens when memory runs out, with a pipeline that only pretends."""

import asyncio
import sys
import types

import pytest
from PIL import Image

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.diffusers import memory
from imagemake.plugins.providers.diffusers.device import Device
from imagemake.plugins.providers.diffusers.order import order_of
from imagemake.plugins.providers.diffusers.pipeline import StalePipeline
from imagemake.plugins.providers.diffusers.provider import DiffusersProvider
from imagemake.plugins.providers.diffusers.worker import Worker


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


class Card(Device):
    def free_bytes(self):
        return 100

    def peak_bytes(self):
        return None

    begin_peak = let_go = lambda self: None


class Pretended:
    """A pipeline that remembers how it was called, and holds only so many images."""

    def __init__(self, holds=lambda rung, n: True, on_call=lambda pipeline: None):
        self.holds, self.on_call = holds, on_call
        self.calls, self.loads = [], []

    def load(self, folder, setup, device):
        self.loads.append(setup.dtype)
        self.loaded = (setup.model, setup.dtype, setup.variant)
        self.words = "pretended"
        return self

    def make(self, orders, rung, lora_files, on_step):
        self.calls.append((len(orders), rung.offload, rung.tiled))
        self.on_call(self)
        on_step(1, 2)
        if not self.holds(rung, len(orders)):
            raise OutOfMemoryError("CUDA out of memory")
        return [Image.new("L", (8, 8), order.recipe.seed) for order in orders]


@pytest.fixture(autouse=True)
def torch(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError))


def worker(pipeline, batch=8, offload="auto"):
    card = Card("cuda:0", "Card 1")
    return Worker(lambda model: model, {}, card, batch=batch, offload=offload, load=pipeline.load)


def orders(n, **parameters):
    return [order_of(Recipe("diffusers", "m", f"mug {seed}", seed, parameters)) for seed in range(n)]


def seeds(made):
    return [one.image.getpixel((0, 0)) for one in made]


def test_each_image_comes_from_its_own_order_whatever_the_batch():
    pipeline = Pretended(lambda rung, n: n <= 3)
    assert seeds(worker(pipeline).make(orders(20))) == list(range(20))


def test_the_batch_halves_then_grows_and_the_pipeline_is_loaded_once():
    pipeline = Pretended(lambda rung, n: n <= 5)
    made = worker(pipeline).make(orders(24))
    assert len(made) == 24
    assert [n for n, _, _ in pipeline.calls] == [8, 4, 6, 4, 5, 5, 5, 1]
    assert pipeline.loads == ["float32"]


def test_offload_comes_in_and_then_more_are_made_again():
    pipeline = Pretended(lambda rung, n: rung.offload == "model" and n <= 2)
    made = worker(pipeline, batch=2).make(orders(5))
    assert [one.usage for one in made[-2:]] == [{"batch": 2, "offload": "model"}] * 2
    assert pipeline.calls[:4] == [(2, "no", False), (1, "no", False), (1, "model", False), (2, "model", False)]


def test_tiles_are_told_because_they_change_pixels(capsys):
    pipeline = Pretended(lambda rung, n: rung.tiled)
    (made,) = worker(pipeline).make(orders(1))
    assert made.words == "pretended, VAE in tiles"
    assert "the VAE in tiles, which changes pixels slightly" in capsys.readouterr().err


def test_tiles_never_come_in_where_the_key_forbids_them():
    pipeline = Pretended(lambda rung, n: rung.tiled)
    (error,) = worker(pipeline).make(orders(1, vae_tiling=False))
    assert (error.failure, error.code) == (FailureKind.NOT_RETRYABLE, "out_of_memory")
    assert not any(tiled for _, _, tiled in pipeline.calls)


def test_what_fits_in_no_way_fails_alone_and_is_tried_once():
    pipeline = Pretended(lambda rung, n: False)
    one = worker(pipeline)
    made = one.make(orders(3, size="4096x4096"))
    n_calls = len(pipeline.calls)
    assert {error.code for error in one.make(orders(2, size="4096x4096"))} == {"out_of_memory"}
    assert len(pipeline.calls) == n_calls
    assert len(made) == 3
    pipeline.holds = lambda rung, n: True
    assert seeds(one.make(orders(2, size="64x64"))) == [0, 1]


def test_the_next_job_remembers_what_was_tried_for_this_pipeline_size_and_card():
    small = Pretended(lambda rung, n: n <= 3)
    worker(small).make(orders(16, size="64x64"))
    again = Pretended(lambda rung, n: n <= 3)
    worker(again).make(orders(6, size="64x64"))
    assert [n for n, _, _ in again.calls] == [3, 3]
    other_size = Pretended(lambda rung, n: True)
    worker(other_size).make(orders(8, size="32x32"))
    assert [n for n, _, _ in other_size.calls] == [8]


def test_nothing_is_written_while_memory_suffices(tmp_path):
    worker(Pretended()).make(orders(8))
    assert not (tmp_path / memory.TRIED).exists()


def test_a_lost_or_damaged_memory_costs_only_another_try(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / memory.TRIED).write_text("{broken")
    pipeline = Pretended(lambda rung, n: n <= 4)
    worker(pipeline).make(orders(8))
    assert [n for n, _, _ in pipeline.calls] == [8, 4, 4]
    assert memory.known_of("nothing") is None


def test_a_stop_ends_between_two_steps_and_keeps_what_was_made():
    pipeline = Pretended()
    one = worker(pipeline, batch=2)
    pipeline.on_call = lambda pipeline: one.stop() if len(pipeline.calls) == 2 else None
    made = one.make(orders(6))
    assert seeds(made[:2]) == [0, 1]
    assert {error.code for error in made[2:]} == {"stopped"}
    assert len(pipeline.calls) == 2


def test_any_other_error_is_told_to_all_and_does_not_look_like_memory():
    def fail(pipeline):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nmore")

    made = worker(Pretended(on_call=fail)).make(orders(2))
    assert {error.failure for error in made} == {FailureKind.CONFIGURATION}
    assert "RuntimeError: mat1 and mat2" in str(made[0])


def test_another_dtype_loads_the_pipeline_again():
    pipeline = Pretended()
    one = worker(pipeline)
    one.make(orders(1))
    one.make(orders(1, dtype="float16"))
    one.make(orders(1, dtype="float16"))
    assert pipeline.loads == ["float32", "float16"]


def test_a_pipeline_that_offloading_took_apart_is_loaded_again():
    def stale_once(pipeline):
        if len(pipeline.loads) == 1:
            raise StalePipeline

    pipeline = Pretended(on_call=stale_once)
    assert seeds(worker(pipeline).make(orders(3))) == [0, 1, 2]
    assert len(pipeline.loads) == 2


def test_seconds_are_the_share_of_each_image():
    made = worker(Pretended()).make(orders(4))
    assert len({one.seconds for one in made}) == 1
    assert 0 <= made[0].seconds < 1


def test_calls_in_flight_keep_the_model_busy():
    provider = DiffusersProvider(Connection(local={"batch": 6, "device": None, "offload": "auto"}))
    assert provider.in_flight == 12


def test_after_a_stop_nothing_is_loaded_any_more():
    async def inside():
        provider = DiffusersProvider(Connection(local={"batch": 6}))
        provider.stop()
        with pytest.raises(ProviderError, match="stopped before it was made"):
            await provider.generate(Recipe("diffusers", "m", "mug", 1))
        await provider.close()

    asyncio.run(inside())


def test_only_images_that_agree_in_all_but_prompt_and_seed_are_kin():
    provider = DiffusersProvider(Connection())
    base = Recipe("diffusers", "m", "mug", 1, {"size": "64x64"})
    same = Recipe("diffusers", "m", "cup", 2, {"size": "64x64"})
    others = [
        Recipe("diffusers", "m", "mug", 1, {"size": "64x32"}),
        Recipe("diffusers", "m", "mug", 1, {"size": "64x64", "guidance_scale": 3}),
        Recipe("diffusers", "m", "mug", 1, {"size": "64x64"}, negative_prompt="text"),
        Recipe("diffusers", "n", "mug", 1, {"size": "64x64"}),
    ]
    assert provider.kin(base) == provider.kin(same)
    assert len({provider.kin(one) for one in (base, *others)}) == 5
