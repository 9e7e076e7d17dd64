"""What somebody writes in an afternoon: the SDK, a semaphore, threads, and a file per image that is skipped if there.

``python script_by_hand.py CATALOG FOLDER`` brings a folder up to date with a catalog. The server and the key are those
of the SDK: OPENAI_BASE_URL and OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pixel_work import IN_FLIGHT, MODEL, QUALITY, SIZE, finish, read_catalog, write_release


async def make(catalog: Path, folder: Path, *, only_download: bool, near_duplicates: bool) -> None:
    """Make the images that are missing, and finish each on a thread as soon as it is there."""
    from openai import AsyncOpenAI

    for name in ("raw", "rows"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    gate, threads = asyncio.Semaphore(IN_FLIGHT), ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    async def one(row: dict[str, str]) -> dict[str, Any]:
        # By the prompt, so that an edited row is made again.
        key = hashlib.sha256(f"{row['name']} {row['prompt']}".encode()).hexdigest()[:32]
        raw, done = folder / "raw" / f"{key}.png", folder / "rows" / f"{key}.json"
        if done.exists():
            return dict(json.loads(done.read_bytes()))
        async with gate:  # also while it is finished: otherwise all images wait in memory for a thread
            data = raw.read_bytes() if raw.exists() else await call(row["prompt"], raw)
            if only_download:
                return {}
            loop = asyncio.get_running_loop()
            finished = await loop.run_in_executor(threads, finish, row["name"], row["prompt"], data, folder)
        done.write_text(json.dumps(finished))
        return finished

    async def call(prompt: str, raw: Path) -> bytes:
        answer = await client.images.generate(model=MODEL, prompt=prompt, size=SIZE, quality=QUALITY)
        data = base64.b64decode(answer.data[0].b64_json)
        partial = raw.with_suffix(".part")  # a script that was killed leaves no half of an image
        partial.write_bytes(data)
        partial.rename(raw)
        return data

    async with AsyncOpenAI() as client:
        rows = await asyncio.gather(*(one(row) for row in read_catalog(catalog)))
    if not only_download:
        write_release(rows, folder, near_duplicates=near_duplicates)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path, help="CSV with the columns name and prompt")
    parser.add_argument("folder", type=Path, help="folder of the images")
    parser.add_argument("--only-download", action="store_true", help="keep the images as they came, and do no more")
    parser.add_argument("--no-near-duplicates", action="store_true", help="do not look for images that repeat others")
    given = parser.parse_args()
    near = not given.no_near_duplicates
    asyncio.run(make(given.catalog, given.folder, only_download=given.only_download, near_duplicates=near))


if __name__ == "__main__":
    main()
