"""Measures how well `upscale` restores reduced photographs, compared with a Lanczos filter.

Run ``python bench/upscaling.py``, which downloads packages with photographs. It cuts out the middle 512 px of each,
reduces them with a bicubic filter, and enlarges them again. PSNR and SSIM (Wang et al. 2004) are those of brightness.
"""

from __future__ import annotations

from statistics import mean, median
from typing import Any

import cv2
import numpy as np
from labeled import photographs
from PIL import Image

from imagemake.images.networks.super_resolution import SuperResolution

SIDE_PX = 512


def luma(image: Image.Image, edge_px: int) -> Any:
    """Return brightness, without the border, which no filter can know."""
    return np.asarray(image.convert("L"), dtype=np.float64)[edge_px:-edge_px, edge_px:-edge_px]


def psnr_db(one: Any, other: Any) -> float:
    """Return the peak signal-to-noise ratio."""
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def ssim(one: Any, other: Any) -> float:
    """Return the structural similarity with windows of 11 px."""

    def local(values: Any) -> Any:
        return cv2.GaussianBlur(values, (11, 11), 1.5)[5:-5, 5:-5]

    mean_one, mean_other = local(one), local(other)
    spread_one, spread_other = local(one * one) - mean_one**2, local(other * other) - mean_other**2
    together = local(one * other) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_one * mean_other + c1) * (2 * together + c2)
    return float((above / ((mean_one**2 + mean_other**2 + c1) * (spread_one + spread_other + c2))).mean())


def cut(image: Image.Image, factor: int) -> Image.Image:
    """Return the middle, with sides that the factor divides."""
    wide, high = (min(SIDE_PX, side) // factor * factor for side in image.size)
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def main() -> None:
    """Print one line per photograph, and the means."""
    print("| photograph | PSNR in dB: Lanczos | `upscale` | SSIM: Lanczos | `upscale` |")
    print("|---|---|---|---|---|")
    for factor in (2, 4):
        network = SuperResolution(factor)
        rows = []
        for name, photograph in photographs().items():
            whole = cut(photograph, factor)
            small = whole.resize((whole.width // factor, whole.height // factor), Image.Resampling.BICUBIC)
            by_network, by_filter = network.of(small), small.resize(whole.size, Image.Resampling.LANCZOS)
            was, filtered, made = (luma(image, factor) for image in (whole, by_filter, by_network))
            rows.append(
                (
                    psnr_db(was, filtered),
                    psnr_db(was, made),
                    ssim(was, filtered),
                    ssim(was, made),
                )
            )
            print(_line(f"{factor}: {name}", rows[-1]))
        print(_line(f"**{factor}: mean of {len(rows)}**", [mean(column) for column in zip(*rows, strict=True)]))
        gains = [row[1] - row[0] for row in rows]
        print(
            f"| {factor}: gain in dB, least, median, most | {min(gains):.2f} | {median(gains):.2f} | {max(gains):.2f} |"
        )


def _line(name: str, row: Any) -> str:
    return f"| {name} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:.3f} | {row[3]:.3f} |"


if __name__ == "__main__":
    main()
