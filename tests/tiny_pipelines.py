"""Pipelines of diffusers with random weights, a few megabytes each: the real code, without a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EDGE_PX = 64
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_pipeline(folder: Path, seed: int = 0) -> Path:
    """Write a Stable Diffusion pipeline that draws 64 px in a fraction of a second, and return its folder."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    text: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4}
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=EDGE_PX // 8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 16, 32, 32),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=EDGE_PX,
    )
    tokenizer = _tokenizer(folder / "words")
    encoder = CLIPTextModel(
        CLIPTextConfig(**text, num_hidden_layers=2, vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1)
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
