"""A tiny pipeline with a LoRA, made once, where diffusers is installed."""

import pytest
from tiny_pipelines import tiny_lora, tiny_pipeline


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory):
    pytest.importorskip("diffusers", reason="needs diffusers and torch: run make test-diffusers")
    import torch

    torch.set_num_threads(1)  # on a busy machine, threads wait for each other most of the time
    folder = tmp_path_factory.mktemp("models")
    pipeline = tiny_pipeline(folder / "tiny")
    return {"pipeline": str(pipeline), "style": str(tiny_lora(pipeline, folder / "style.safetensors"))}
