"""Pipelines of diffusers with random weights, a few megabytes each: the real code, without a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

EDGE_PX = 64
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Scale(NamedTuple):
    """How large the parts of a pipeline are.

    Attributes:
        edge_px: Edge of its images.
        unet: Channels of the U-Net's blocks.
        vae: Channels of the VAE's blocks.
        groups: Groups of each normalization.
        width: Width of the text encoder.
        layers: Layers of the text encoder.
    """

    edge_px: int
    unet: tuple[int, ...]
    vae: tuple[int, ...]
    groups: int
    width: int
    layers: int


SCALES = {
    "tiny": Scale(EDGE_PX, (32, 64), (16, 16, 32, 32), 8, 32, 2),
    "sd15": Scale(512, (320, 640, 1280, 1280), (128, 256, 512, 512), 32, 768, 12),  # of Stable Diffusion 1.5
}


def tiny_pipeline(folder: Path, seed: int = 0) -> Path:
    """Write a Stable Diffusion pipeline that draws 64 px in a fraction of a second, and return its folder."""
    return random_pipeline(folder, like="tiny", seed=seed)


def random_pipeline(folder: Path, *, like: str, seed: int = 0) -> Path:
    """Write a Stable Diffusion pipeline with random weights, and return its folder.

    Args:
        folder: Where to.
        like: A key of `SCALES`.
        seed: Of the weights.
    """
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    scale = SCALES[like]
    n_blocks = len(scale.unet) - 1
    attends = ("CrossAttnDownBlock2D",) * n_blocks, ("CrossAttnUpBlock2D",) * n_blocks
    unet = UNet2DConditionModel(
        block_out_channels=scale.unet,
        layers_per_block=1 if like == "tiny" else 2,
        sample_size=scale.edge_px // 8,
        in_channels=4,
        out_channels=4,
        down_block_types=(*attends[0], "DownBlock2D"),
        up_block_types=("UpBlock2D", *attends[1]),
        cross_attention_dim=scale.width,
        norm_num_groups=scale.groups,
    )
    vae = AutoencoderKL(
        block_out_channels=scale.vae,
        layers_per_block=1 if like == "tiny" else 2,
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=scale.groups,
        sample_size=scale.edge_px,
    )
    tokenizer = _tokenizer(folder / "words")
    encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=scale.width,
            intermediate_size=4 * scale.width,
            num_attention_heads=scale.width // 8 if like == "tiny" else 12,
            num_hidden_layers=scale.layers,
            vocab_size=len(tokenizer),
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def tiny_lora(pipeline: Path, file: Path, seed: int = 1) -> Path:
    """Write a LoRA for a tiny pipeline, and return its file."""
    import torch
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    unet = StableDiffusionPipeline.from_pretrained(pipeline).unet
    unet.add_adapter(LoraConfig(r=4, target_modules=["to_k", "to_q", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(unet)
    StableDiffusionPipeline.save_lora_weights(file.parent, unet_lora_layers=layers, weight_name=file.name)
    return file


def _tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=20, unk_token="<|endoftext|>"
    )
