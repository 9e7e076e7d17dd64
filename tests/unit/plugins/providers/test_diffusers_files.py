"""Which files a pipeline is made of, found without diffusers: they decide the keys."""

import json

import pytest

from imagemake.core.problems import NotReadyError
from imagemake.plugins.providers.diffusers.files import files_of_pipeline
from imagemake.plugins.providers.diffusers.provider import DiffusersProvider

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
HALF = ("model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return pipeline_at(tmp_path / "models" / "sdxl")


def pipeline_at(folder, unet=b"unet"):
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"], "vae": ["diffusers", "VAE"]}
    index |= {"tokenizer": ["transformers", "CLIPTokenizer"], "safety_checker": [None, None]}
    for part in ("unet", "vae", "tokenizer", "safety_checker"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "README.md").write_text("About")
    (folder / "unet" / "config.json").write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(unet)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"vae")
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (folder / "tokenizer" / "merges.txt").write_text("a b")
    (folder / "safety_checker" / "config.json").write_text("{}")
    return folder


def digests(parameters=None, model="sdxl", **files):
    return DiffusersProvider.model_files(model, {"pipeline": "models/sdxl", **files}, parameters or {})


def test_what_decides_the_images_is_found_and_nothing_else(folder):
    assert [*files_of_pipeline(folder, None)] == [
        "model_index.json",
        "tokenizer/merges.txt",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]


@pytest.mark.parametrize("name", ["unet/config.json", "tokenizer/merges.txt", "model_index.json"])
def test_an_edited_file_is_another_pipeline(folder, name):
    first = digests()
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    assert digests() != first


def test_edited_weights_of_the_same_size_are_another_pipeline(folder):
    first = digests()
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"UNET")
    assert digests() != first


def test_what_decides_nothing_changes_nothing(folder, tmp_path):
    first = digests()
    (folder / "README.md").write_text("More")
    (folder / "safety_checker" / "config.json").write_text("[]")
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"other")
    folder.rename(tmp_path / "elsewhere")
    assert digests(pipeline="elsewhere") == first
    assert digests(pipeline="elsewhere", unused="nowhere.safetensors") == first


def test_a_variant_is_made_of_its_own_weights_where_there_are_some(folder):
    for name in (*SHARDS, *HALF):
        (folder / "tokenizer" / name).write_bytes(name.encode())
    plain, half = files_of_pipeline(folder, None), files_of_pipeline(folder, "fp16")
    assert {f"tokenizer/{name}" for name in SHARDS} < {*plain}
    assert {f"tokenizer/{name}" for name in HALF} < {*half}
    assert not any("fp16" in name for name in plain)
    assert "unet/diffusion_pytorch_model.safetensors" in half


def test_a_lora_in_use_is_in_the_key_and_another_is_not(folder, tmp_path):
    lora = tmp_path / "soft.safetensors"
    lora.write_bytes(b"soft")
    files = {"soft": str(lora)}
    plain, styled = digests(**files), digests({"loras": {"soft": 0.8}}, **files)
    lora.write_bytes(b"SOFT")
    assert digests(**files) == plain == {"pipeline": plain["pipeline"]}
    assert digests({"loras": {"soft": 0.8}}, **files)["soft"] != styled["soft"]


def test_a_name_without_a_file_is_looked_up_in_the_cache_of_the_hub(folder, tmp_path):
    cache = tmp_path / "hub-home" / "hub" / "models--some--model"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("abc123")
    folder.rename(tmp_path / "moved")
    (cache / "snapshots").mkdir()
    (tmp_path / "moved").rename(cache / "snapshots" / "abc123")
    by_name = DiffusersProvider.model_files("some/model", {}, {})
    by_revision = DiffusersProvider.model_files("mine", {"pipeline": "some/model@abc123"}, {})
    assert by_name == by_revision


def test_digests_do_until_something_is_made(folder, tmp_path):
    first = digests()
    folder.rename(tmp_path / "away")
    assert digests() == first
    with pytest.raises(NotReadyError, match="models/sdxl: there is no pipeline"):
        DiffusersProvider.model_files("sdxl", {"pipeline": "models/sdxl"}, {}, present=True)


@pytest.mark.parametrize(
    ("model", "files", "parameters", "message", "remedy"),
    [
        ("some/model", {}, {}, "there is no pipeline", "hf download some/model. A build downloads no models"),
        ("m", {"pipeline": "some/model@v2"}, {}, "there is no pipeline", "hf download some/model --revision v2."),
        ("models/sdxl", {}, {}, "a folder can move", "as pipeline"),
        ("m", {"pipeline": "models/sdxl/README.md"}, {}, "one file", "save_pretrained"),
        ("m", {"pipeline": "models/sdxl"}, {"loras": {"soft": 1}}, "'soft', which model.files does not", "as soft"),
        ("m", {"pipeline": "models/sdxl", "a": "a.txt"}, {"loras": {"a": 1}}, "a.txt: there is no such file", "LoRA"),
        ("m", {"pipeline": "models/sdxl"}, {"loras": ["a"]}, "no mapping", "loras: {brushwork: 0.8}"),
        ("m", {"pipeline": "models/sdxl"}, {"dtype": "float8"}, "'float8' is not one of", "Choose"),
        ("m", {"pipeline": "models/sdxl"}, {"size": "big"}, "is not WIDTHxHEIGHT", "1024x1024"),
        ("m", {"pipeline": "models/sdxl"}, {"width": 64}, "width is no parameter", "Write size"),
        ("m", {"pipeline": "models/sdxl"}, {"scheduler": "os.system"}, "no scheduler", "EulerDiscreteScheduler"),
    ],
)
def test_a_mistake_is_told_with_its_remedy_before_anything_is_loaded(folder, model, files, parameters, message, remedy):
    with pytest.raises(NotReadyError, match=message.replace(".", r"\.")) as caught:
        DiffusersProvider.model_files(model, files, parameters)
    assert remedy in caught.value.remedy


def test_weights_that_can_run_programs_are_not_loaded(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(NotReadyError, match="can run any program"):
        digests()


@pytest.mark.parametrize("index", ["[", "[]", "7"])
def test_an_index_that_is_none_is_told(folder, index):
    (folder / "model_index.json").write_text(index)
    with pytest.raises(NotReadyError, match=r"model_index\.json: it cannot be read"):
        digests()
