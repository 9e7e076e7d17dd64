"""Validates a caller's parameters as the API does, and returns a request that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fake_openai import errors
from fake_openai.chance import digest
from fake_openai.models import (
    PARTIAL_IMAGE_TOKENS,
    Model,
    output_tokens,
    reference_tokens,
    served_models,
    text_tokens,
)
from fake_openai.parameters import boolean, choice, integer, prompt_text, size_px
from fake_openai.references import Reference
from fake_openai.settings import Settings

Endpoint = Literal["/v1/images/generations", "/v1/images/edits"]
ENDPOINTS: tuple[Endpoint, ...] = ("/v1/images/generations", "/v1/images/edits")
# fmt: off
_COMMON = frozenset((
    "background", "complexity", "frame_count", "frame_duration_ms", "model", "n", "output_compression", "output_format",
    "partial_images", "prompt", "quality", "safety_identifier", "size", "stream", "svg", "user",
))
# fmt: on
# `response_format` and `style` are in the SDK for the retired models; GPT Image models don't accept them.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "/v1/images/generations": _COMMON | {"moderation"},
    "/v1/images/edits": _COMMON | {"image", "input_fidelity", "markup", "mask"},
}
# ASSUME: the default model.
DEFAULT_MODEL = "gpt-image-2"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A call's request, with every `auto` resolved."""

    model: Model
    prompt: str
    n: int
    width_px: int
    height_px: int
    quality: str
    transparent: bool
    output_format: str
    compression: int
    partial_images: int | None  # None: no stream
    safety_identifier: str | None
    fingerprint: str
    usage: dict[str, Any]
    painted_on: tuple[bytes, bytes] | None = None  # image and mask: only what the mask leaves open is painted
    tags: frozenset[str] | None = None  # of the first image that is edited; None: nothing is edited


def _model(body: Mapping[str, Any], settings: Settings) -> Model:
    name = str(body.get("model", DEFAULT_MODEL))
    model = served_models(settings.today).get(name)
    if model is None:
        raise errors.model_gone(name, settings.retired_status)
    return model


def _format(body: Mapping[str, Any], model: Model) -> tuple[str, int, bool]:
    output_format = choice(body, "output_format", ("png", "jpeg", "webp"), "png")
    for name in ("frame_count", "frame_duration_ms"):
        if name in body:
            raise errors.invalid(name, f"'{name}' is only supported with output_format 'gif'.")
    if "svg" in body:
        raise errors.invalid("svg", "'svg' is only supported with output_format 'svg'.")
    compression = integer(body, "output_compression", 0, 100, 100)
    if output_format == "png" and compression < 100:
        message = "Compression less than 100 is not supported for PNG output format."
        raise errors.invalid("output_compression", message, "invalid_png_output_compression", errors.IMAGE_USER_ERROR)
    transparent = choice(body, "background", ("transparent", "opaque", "auto"), "auto") == "transparent"
    if transparent and output_format == "jpeg":
        message = "Transparent background is not supported for JPEG output format."
        raise errors.invalid("background", message, kind=errors.IMAGE_USER_ERROR)
    return output_format, compression, transparent


def _check_the_rest(endpoint: Endpoint, body: Mapping[str, Any], model: Model, references: Sequence[Reference]) -> None:
    if endpoint == "/v1/images/generations":
        choice(body, "moderation", ("low", "auto"), "auto")
    if "complexity" in body and not model.complexity:
        raise errors.invalid("complexity", f"The model '{model.name}' does not support the 'complexity' parameter.")
    choice(body, "complexity", ("low", "medium", "high"), "low")
    if "input_fidelity" in body and not model.fidelity:
        message = f"The model '{model.name}' does not support the 'input_fidelity' parameter."
        raise errors.invalid("input_fidelity", message, "invalid_input_fidelity_model")
    if model.fidelity:
        choice(body, "input_fidelity", model.fidelity, "low")
    if "markup" in body and not model.markup:
        raise errors.invalid("markup", f"The model '{model.name}' does not support the 'markup' parameter.")


def read_request(
    endpoint: Endpoint, body: Mapping[str, Any], settings: Settings, references: Sequence[Reference] = ()
) -> ImageRequest:
    """Check a call's parameters as the API does.

    Args:
        endpoint: Endpoint, which decides the valid parameters.
        body: The caller's parameters; null counts as absent. Files are named there, with any value.
        settings: Served models and accepted sizes.
        references: Reference images, then a mask or markup.

    Raises:
        ApiError: For the first invalid parameter.
    """
    body = {name: value for name, value in body.items() if value is not None}
    for name in body:
        if name not in PARAMETERS[endpoint]:
            raise errors.unknown_parameter(name)
    prompt = prompt_text(body)
    model = _model(body, settings)
    width, height = size_px(body, model, settings.any_size)
    quality = choice(body, "quality", (*model.qualities, "auto"), "auto")
    quality = "medium" if quality == "auto" else quality
    output_format, compression, transparent = _format(body, model)
    _check_the_rest(endpoint, body, model, references)
    n = integer(body, "n", 1, 10, 1)
    partial_images = integer(body, "partial_images", 0, 3, 0)
    stream = boolean(body, "stream")
    if partial_images and not stream:
        raise errors.invalid("partial_images", "'partial_images' is only supported when 'stream' is true.")
    if stream and n > 1:
        raise errors.invalid("n", "Streaming is only supported with n=1.")
    return ImageRequest(
        model=model,
        prompt=prompt,
        n=n,
        width_px=width,
        height_px=height,
        quality=quality,
        transparent=transparent,
        output_format=output_format,
        compression=compression,
        partial_images=partial_images if stream else None,
        safety_identifier=body.get("safety_identifier") or body.get("user") or None,
        fingerprint=_fingerprint(endpoint, body, model, references),
        usage=_usage(
            text_tokens(prompt),
            sum(reference_tokens(ref.width_px, ref.height_px, body.get("input_fidelity")) for ref in references),
            output_tokens(model, quality, width, height) * n + PARTIAL_IMAGE_TOKENS * partial_images,
        ),
        tags=references[0].tags if references else None,
    )


def _fingerprint(endpoint: Endpoint, body: Mapping[str, Any], model: Model, references: Sequence[Reference]) -> str:
    # Parameters as sent: `size: auto` differs from `size: 1024x1024`. Files count by content, not by name.
    words = {name: str(value) for name, value in body.items() if name not in ("model", "image", "mask", "markup")}
    return digest("call", endpoint, model.name, words, [reference.digest for reference in references]).hex()


def _usage(text: int, image: int, output: int) -> dict[str, Any]:
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"image_tokens": image, "text_tokens": text},
        "output_tokens": output,
        "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
        "total_tokens": text + image + output,
    }
