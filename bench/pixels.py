"""Measures decoding, each measure, and encoding of an image of 1024x1024 on one core, beside the plain library call.

Run ``python bench/pixels.py``. It draws its images, so that results are comparable: one like a photograph (smooth
shapes and grain), and a flat product drawing on white.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from statistics import median
from typing import Literal

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from imagemake.images.decoded import DecodedImage, decode_image
from imagemake.images.thumbnail import thumbnail
from imagemake.plugins.measures import BUILT_IN, is_asked, measure_class
from imagemake.plugins.steps import step_class
from imagemake.stages.postprocess.encode import encode, postprocess

SIDE_PX = 1024
REPEATS = 7


@dataclass(frozen=True)
class Output:
    """How to encode a postprocessed image."""

    format: Literal["jpeg", "png", "webp"]
    quality: int = 90
    max_kb: int | None = None
    background: str = "#ffffff"


def photograph() -> Image.Image:
    """Draw smooth colored shapes with some grain, which compress like a photograph."""
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    smooth = coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))
    grain = random.normal(0, 4, (SIDE_PX, SIDE_PX, 3))
    return Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8))


def drawing() -> Image.Image:
    """Draw a flat mug on white."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((300, 250, 720, 800), 60, fill="#c83250")
    draw.ellipse((650, 400, 850, 650), outline="#c83250", width=40)
    return image


def ms(call: Callable[[], object]) -> float:
    """Return the median time of a call in milliseconds."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * median(times)


def row(name: str, ours: Callable[[], object], plain: Callable[[], object] | None = None, what: str = "") -> float:
    """Print one line, and return the time of our code."""
    ours_ms = ms(ours)
    beside = ""
    if plain is not None:
        plain_ms = ms(plain)
        beside = f"{plain_ms:8.2f}  {ours_ms / plain_ms:6.2f}  {what}"
    print(f"{name:26}{ours_ms:8.2f}{beside}")
    return ours_ms


def saved(image: Image.Image, name: str, quality: int | None = None) -> bytes:
    """Encode with Pillow's defaults."""
    file = BytesIO()
    if quality is None:
        image.save(file, name)
    else:
        image.save(file, name, quality=quality)
    return file.getvalue()


def as_provided(image: Image.Image, name: str) -> bytes:
    """Encode as providers do."""
    return saved(image, name, None if name == "PNG" else 95)


def decoded(data: bytes) -> None:
    """Decode with Pillow only."""
    Image.open(BytesIO(data)).load()


def fresh(image: DecodedImage) -> DecodedImage:
    """Return the image without cached views."""
    return DecodedImage(image.pil, file_format="png", mode="RGB", frames=1, size_bytes=1, has_alpha=False)


def reads_pixels(name: str) -> bool:
    """Return whether a measure can be timed: others ask servers, and no package ships weights for `prompt`."""
    return name != "prompt" and not is_asked(name)


def bench_opening(image: Image.Image) -> float:
    """Measure decoding, and return the milliseconds for PNG."""
    open_ms = 0.0
    for name in ("WEBP", "JPEG", "PNG"):
        data = as_provided(image, name)
        title = f"open {name}, {len(data) // 1000} KB"
        open_ms = row(title, partial(decode_image, data), partial(decoded, data), "Image.open().load()")
    return open_ms


def bench_measures(image: Image.Image, open_ms: float) -> None:
    """Measure each measure with its views, and all of them on one image."""
    decoded_image = decode_image(as_provided(image, "PNG"))
    measures = {name: measure_class(name)(measure_class(name).Settings()) for name in BUILT_IN if reads_pixels(name)}
    plain: dict[str, tuple[Callable[[], object], str]] = {
        "phash": (partial(imagehash.phash, image), "imagehash.phash()"),
        "sharpness": (lambda: image.convert("L").filter(ImageFilter.FIND_EDGES), "filter(FIND_EDGES)"),
        "tone": (lambda: (image.entropy(), image.histogram()), "Image.entropy(), histogram()"),
    }
    for name, measure in measures.items():
        call, what = plain.get(name, (None, ""))
        row(f"measure {name}, alone", lambda measure=measure: measure.read(fresh(decoded_image)), call, what)  # type: ignore[misc]

    def all_measures() -> None:
        shared = fresh(decoded_image)
        for measure in measures.values():
            measure.read(shared)

    measures_ms = row("all measures together", all_measures)
    print(f"{'':26}{measures_ms / open_ms:8.0%} of opening the PNG")


def bench_encoding(image: Image.Image) -> None:
    """Measure encoding of postprocessed images and thumbnails, and the whole stage."""
    for output in (Output("jpeg"), Output("webp"), Output("png")):
        plain = partial(saved, image, output.format.upper(), None if output.format == "png" else 90)
        title = f"encode {output.format}, {len(encode(image, output)) // 1000} KB"
        row(title, partial(encode, image, output), plain, f"Image.save(), {len(plain()) // 1000} KB")
    row(
        f"thumbnail, {len(thumbnail(image)) / 1000:.1f} KB",
        partial(thumbnail, image),
        lambda: saved(image.resize((192, 192), Image.Resampling.LANCZOS), "JPEG"),
        "resize(LANCZOS), save()",
    )
    crop = step_class("crop")(step_class("crop").Settings(ratio="4:5"))
    row("postprocess PNG: crop, JPEG", partial(postprocess, as_provided(image, "PNG"), [crop], Output("jpeg")))


def main() -> None:
    """Print the tables."""
    for title, image in (("photograph", photograph()), ("drawing", drawing())):
        print(f"\n{title:26}{'ms':>8}{'plain':>8}{'ratio':>8}")
        bench_measures(image, bench_opening(image))
        bench_encoding(image)


if __name__ == "__main__":
    main()
