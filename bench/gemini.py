"""Compares the `gemini` provider with a plain script that uses Google's SDK, on one stand-in, as rates of images.

Both only generate and store. Run it where google-genai is installed, together with the packages of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "src"))

from google import genai  # noqa: E402
from google.genai import types  # noqa: E402

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import Item  # noqa: E402

MODEL = "gemini-3-pro-image"


async def by_sdk(base_url: str, key: str, n: int, in_flight: int, folder: Path) -> None:
    """Generate and store images as a script does."""
    options = types.HttpOptions(base_url=base_url.removesuffix("/v1beta"), api_version="v1beta")
    client, room = genai.Client(api_key=key, http_options=options), asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        config = types.GenerateContentConfig(response_modalities=["IMAGE"], seed=number)
        async with room:
            answer = await client.aio.models.generate_content(model=MODEL, contents=f"script {number}", config=config)
            (folder / f"{number}.png").write_bytes(answer.candidates[0].content.parts[0].inline_data.data)

    await asyncio.gather(*(one(number) for number in range(n)))


def by_provider(base_url: str, n: int, in_flight: int, folder: Path) -> None:
    """Generate and store images as a job does: with a journal, and each image forced to disk."""
    recipes = [Recipe("gemini", MODEL, f"provider {number}", number, endpoint="stand-in") for number in range(n)]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    model = {"provider": "gemini", "name": MODEL, "base_url": base_url, "identity": "stand-in"}
    given = {"campaign": "bench", "model": {**model, "key_from": "GEMINI_API_KEY"}, "limits": {"in_flight": in_flight}}
    settings = JobSettings.model_validate(given)
    made = generate_for_job(items, settings, job="bench", calls=in_flight, store=folder / "store", work=folder)
    assert all(item.raw for item in made)


def main() -> None:
    """Measure both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="images; default: 1000")
    parser.add_argument("--in-flight", type=int, default=50, help="calls in flight; default: 50")
    parser.add_argument("--latency-s", type=float, default=10.0, help="time for one image, in seconds; default: 10")
    options = parser.parse_args()
    command = [sys.executable, "-m", "fake_gemini", "--latency-s", str(options.latency_s)]
    with (
        tempfile.TemporaryDirectory() as root,
        subprocess.Popen(command, cwd=REPOSITORY / "tests", stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        base_url, _, key = server.stdout.readline().strip().partition(" with the key ")
        os.environ["GEMINI_API_KEY"] = key
        folder = Path(root)
        (folder / "script").mkdir()
        start = time.monotonic()
        asyncio.run(by_sdk(base_url, key, options.n, options.in_flight, folder / "script"))
        script_s = time.monotonic() - start
        by_provider(base_url, options.n, options.in_flight, folder)
        provider_s = time.monotonic() - start - script_s
        server.terminate()
    print(f"script with google-genai {options.n / script_s:6.1f} images/s")
    print(f"provider                 {options.n / provider_s:6.1f} images/s: {script_s / provider_s:.2f} of that rate")


if __name__ == "__main__":
    main()
