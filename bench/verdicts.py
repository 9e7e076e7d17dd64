"""Measures verdicts of 100,000 images, with one range for all images and with ranges for groups and models.

Run ``python bench/verdicts.py``. It reads no image, and prints CPU seconds and their ratio.
"""

from __future__ import annotations

import time

from imagemake.config.checks import Check, Checks, Limit, Override, over_defaults
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import judge
from imagemake.store.items import Measured

IMAGES = 100_000
CATEGORIES, MODELS = [f"category {number}" for number in range(50)], ["flux", "gpt-image-2"]
MEASURED: Measured = {
    "file@1": {"format": "png", "width_px": 1024, "height_px": 1024, "has_alpha": False},
    "tone@1": {"contrast": 0.2, "uniform_share": 0.4, "mean_luma": 180.0},
    "sharpness@2": {"focus": 0.8, "relative_sharpness": 0.1, "laplacian_variance": 120.0},
}


def seconds(checks: Checks) -> float:
    """Return the CPU time of comparing and judging all images."""
    start = time.process_time()
    for number in range(IMAGES):
        variables = {"category": CATEGORIES[number % 50], "sku": str(number)}
        of_request = checks.of(variables, MODELS[number % 2])
        values = values_of(MEASURED, of_request, Expected("a mug", variables))
        judge(values, {}, of_request, formats=("png",), size_as_requested=True)
    return time.process_time() - start


def main() -> None:
    """Print both, each the better of three runs."""
    overrides = tuple(
        Override(when={"category": [category], "model": ["flux"]}, reject=Limit(min=0.01)) for category in CATEGORIES
    )
    plain = Checks(over_defaults({}))
    by_group = Checks(over_defaults({"tone.contrast": Check(overrides=overrides)}))
    pairs = [(seconds(plain), seconds(by_group)) for _ in range(3)]
    one, other = (min(times) for times in zip(*pairs, strict=True))
    print(f"one range for all: {one:.2f} s; 50 overrides: {other:.2f} s; ratio {other / one:.2f}")


if __name__ == "__main__":
    main()
