"""The models of the stand-in, in the form of OpenRouter's lists. Names resemble real ones; prices are made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

RATIOS = ["1:1", "2:3", "3:2", "16:9", "9:16"]
FLAG = {"type": "boolean"}


def one_of(*values: str) -> dict[str, Any]:
    """Return the descriptor of a parameter with a set of values."""
    return {"type": "enum", "values": list(values)}


def between(least: int, most: int) -> dict[str, Any]:
    """Return the descriptor of a parameter with a range."""
    return {"type": "range", "min": least, "max": most}


def price(billable: str, unit: str, cost_usd: float, variant: str | None = None) -> dict[str, Any]:
    """Return one billable line."""
    line = {"billable": billable, "unit": unit, "cost_usd": cost_usd}
    return line if variant is None else {**line, "variant": variant}


def endpoint(slug: str, parameters: dict[str, Any], *pricing: dict[str, Any]) -> dict[str, Any]:
    """Return the record of an endpoint."""
    return {
        "provider_name": slug.replace("-", " ").title(),
        "provider_slug": slug,
        "provider_tag": slug,
        "supported_parameters": parameters,
        "supports_streaming": False,
        "allowed_passthrough_parameters": [],
        "pricing": list(pricing),
    }


GEMINI = {"aspect_ratio": one_of(*RATIOS), "resolution": one_of("1K", "2K", "4K"), "input_references": between(0, 14)}
TOKENS = (price("input_text", "token", 2e-06), price("output_image", "token", 0.00012))
ENDPOINTS: dict[str, list[dict[str, Any]]] = {
    "black-forest-labs/flux.2-pro": [
        endpoint(
            "black-forest-labs",
            {
                "aspect_ratio": one_of(*RATIOS, "21:9"),
                "resolution": one_of("1K", "2K"),
                "output_format": one_of("png", "jpeg"),
                "seed": FLAG,
                "input_references": between(0, 8),
            },
            price("output_image", "image", 0.03),
            price("input_reference", "image", 0.015),
        )
    ],
    "bytedance-seed/seedream-4.5": [
        endpoint(
            "seed",
            {"aspect_ratio": one_of(*RATIOS), "resolution": one_of("2K", "4K"), "n": between(1, 4), "seed": FLAG},
            price("output_image", "image", 0.04),
        )
    ],
    "google/gemini-3-pro-image": [
        endpoint("google-ai-studio", GEMINI, *TOKENS),
        endpoint("google-vertex", {**GEMINI, "resolution": one_of("1K", "2K"), "seed": FLAG}, *TOKENS),
    ],
    "recraft/recraft-v4": [
        endpoint(
            "recraft",
            {"aspect_ratio": one_of(*RATIOS), "resolution": one_of("1K", "2K"), "output_format": one_of("png", "webp")},
            price("output_image", "image", 0.04, "1K"),
            price("output_image", "image", 0.25, "2K"),
        )
    ],
}


def listed_models() -> dict[str, Any]:
    """Return the list of models, each with the union of what its endpoints take."""
    data = []
    for name, endpoints in ENDPOINTS.items():
        union: dict[str, Any] = {}
        for one in reversed(endpoints):
            union |= one["supported_parameters"]
        data.append(
            {
                "id": name,
                "name": name.partition("/")[2],
                "description": "A model of the stand-in.",
                "created": 1_790_000_000,
                "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]},
                "endpoints": f"/api/v1/images/models/{name}/endpoints",
                "supported_parameters": union,
                "supports_streaming": False,
            }
        )
    return {"data": data}


def cost_usd(one: dict[str, Any], n_images: int, resolution: str, n_references: int) -> float:
    """Return what a call costs: 1,290 tokens per image where tokens are billed."""
    total = Decimal(0)
    for line in one["pricing"]:
        each = Decimal(str(line["cost_usd"])) * (1290 if line["unit"] == "token" else 1)
        if line["billable"] == "output_image" and line.get("variant", resolution) == resolution:
            total += each * n_images
        elif line["billable"] == "input_reference":
            total += each * n_references
    return float(total)
