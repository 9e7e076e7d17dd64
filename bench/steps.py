"""Measures postprocessing steps: CPU time per image in ms, and peak memory.

    python bench/steps.py            ms on 1024x1024, compared with the library call that does the same, and with
                                     decoding a PNG and encoding a JPEG
    python bench/steps.py memory     peak memory of a process that takes one image of 3840x2160 through a step

It reports CPU time, so that other programs matter little. The image is an enlarged photograph of the tests.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps

from imagemake.config.outputs import Output
from imagemake.images.decoded import decode_image
from imagemake.plugins.steps import step_class
from imagemake.stages.postprocess.encode import encode

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPH = ROOT / "tests" / "images" / "astronaut.jpg"
LOGO = "docs/contact-sheet.png"
LARGE_PX = (3840, 2160)
AT_LEAST_S = 0.4

Plain = Callable[[Image.Image], Any]


def unsharp(image: Image.Image) -> Any:
    """Sharpen with OpenCV."""
    array = np.asarray(image)
    return cv2.addWeighted(array, 1.6, cv2.GaussianBlur(array, (0, 0), 1.0), -0.6, 0)


def watermark(image: Image.Image) -> Image.Image:
    """Lay a logo over an image with Pillow only."""
    logo = Image.open(ROOT / LOGO).convert("RGBA")
    width_px = image.width // 5
    logo = logo.resize((width_px, round(logo.height * width_px / logo.width)), Image.Resampling.LANCZOS)
    copy = image.copy()
    copy.paste(logo, (image.width - width_px, image.height - logo.height), mask=logo)
    return copy


STEPS: Mapping[str, tuple[str, Mapping[str, Any], Plain | None]] = {
    "crop to 4:5": ("crop", {"ratio": "4:5"}, lambda image: image.crop((102, 0, 921, 1024))),
    "crop, smart": ("crop", {"ratio": "4:5", "gravity": "smart"}, None),
    "crop to the subject": ("crop", {"subject": {}}, None),
    "pad to 3:2": ("pad", {"ratio": "3:2"}, lambda image: ImageOps.pad(image, (1536, 1024), color="white")),
    "resize to 800": (
        "resize",
        {"width_px": 800},
        lambda image: image.resize((800, 800), Image.Resampling.LANCZOS),
    ),
    "resize to 0.5 megapixels": (
        "resize",
        {"megapixels": 0.5},
        lambda image: image.resize((707, 707), Image.Resampling.LANCZOS),
    ),
    "auto-levels": ("color", {"auto_levels_clip_percent": 0.5}, lambda image: ImageOps.autocontrast(image, cutoff=0.5)),
    "white balance": ("color", {"white_balance": {"most_percent": 100}}, None),
    "sharpen": ("sharpen", {}, lambda image: image.filter(ImageFilter.UnsharpMask(1.0, 60, 2))),
    "sharpen, against OpenCV": ("sharpen", {}, unsharp),
    "overlay": ("overlay", {"file": LOGO}, watermark),
    "frame": ("frame", {"width_px": 16}, lambda image: ImageOps.expand(image, 16, "white")),
    "remove background": ("remove_background", {}, None),
    "upscale twice, from 512": ("upscale", {"factor": 2}, lambda image: image.resize((1024, 1024), Image.LANCZOS)),
    "upscale four times, from 256": ("upscale", {"factor": 4}, lambda image: image.resize((1024, 1024), Image.LANCZOS)),
}
FROM_PX = {"upscale twice, from 512": 512, "upscale four times, from 256": 256}


def main() -> None:
    """Measure, and print a table."""
    cv2.setNumThreads(1)
    if sys.argv[1:2] == ["memory"]:
        memory()
    elif sys.argv[1:2] == ["one"]:
        one(sys.argv[2])
    else:
        times()


def times() -> None:
    """Print the CPU time of each step in ms."""
    photograph = Image.open(PHOTOGRAPH).convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)
    png = saved(photograph)
    decode = ms(lambda: decode_image(png))
    writing = {
        name: ms(lambda name=name: encode(photograph, Output(format=name))) for name in ("jpeg", "png", "webp", "avif")
    }
    limit = decode + writing["jpeg"]
    print(
        f"decoding a PNG {decode:.1f} ms; encoding "
        + ", ".join(f"{name} {value:.1f}" for name, value in writing.items())
    )
    print(f"| step | ms | plain call, ms | ratio | share of decoding PNG and encoding JPEG, {limit:.0f} ms |")
    print("|---|---|---|---|---|")
    for label, (name, settings, plain) in STEPS.items():
        image = photograph.resize((FROM_PX[label],) * 2) if label in FROM_PX else photograph
        kind = step_class(name)
        step = kind(kind.Settings.model_validate(settings))
        own = ms(lambda step=step, image=image: step.apply(image))
        other = ms(lambda plain=plain, image=image: plain(image)) if plain else None
        told = f"{other:.1f} | {own / other:.2f}" if other else " | "
        print(f"| {label} | {own:.1f} | {told} | {100 * own / limit:.0f} % |", flush=True)


def memory() -> None:
    """Print the peak memory of one process per step."""
    print(f"| step, on {LARGE_PX[0]}x{LARGE_PX[1]} | peak MB |\n|---|---|")
    for label in ("decoding and encoding", *STEPS):
        if "against" not in label:
            done = subprocess.run([sys.executable, __file__, "one", label], capture_output=True, text=True, check=False)
            said = done.stdout.strip() or done.stderr[-200:]
            print(f"| {label.partition(',')[0] if label in FROM_PX else label} | {said} |", flush=True)


def one(label: str) -> None:
    """Apply a step to a large image, from file to file, and print the peak memory of this process in MB."""
    large = saved(Image.open(PHOTOGRAPH).convert("RGB").resize(LARGE_PX))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = decode_image(large).pil
    if label in STEPS:
        name, settings, _ = STEPS[label]
        kind = step_class(name)
        image = kind(kind.Settings.model_validate(settings)).apply(image)
    encode(image, Output())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{peak / 1000:,.0f} (before the image: {base / 1000:,.0f})")


def saved(image: Image.Image) -> bytes:
    """Write a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def ms(do: Callable[[], Any]) -> float:
    """Return the CPU time of the fastest of several calls, in ms."""
    do()
    best, start, spent = float("inf"), time.process_time(), 0.0
    while spent < AT_LEAST_S or spent == 0.0:
        before = time.process_time()
        do()
        now = time.process_time()
        best, spent = min(best, now - before), now - start
    return 1000 * best


if __name__ == "__main__":
    main()
