"""Compares providers with plain scripts: rates of images on one stand-in, by turns, with the CPU time of each.

A script uses the vendor's SDK, or the same HTTP library where there is none, and writes each image to a file. The
provider runs as a job does: with a journal, and each image forced to disk. Run it where google-genai and fal-client are
installed, together with the packages of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import Item  # noqa: E402

POLL_S = 0.5  # fal-client would ask ten times a second

Ask = Callable[[int], Awaitable[bytes]]


def openai_server(latency_s: float) -> AbstractContextManager[Any]:
    """Return the stand-in of OpenAI's API, with images of 64x64 px."""
    from fake_openai import FakeOpenAI, Settings

    return FakeOpenAI(Settings(latency_s=latency_s, any_size=True))


def gemini_server(latency_s: float) -> AbstractContextManager[Any]:
    """Return the stand-in of Google's API."""
    from fake_gemini.server import FakeGemini
    from fake_gemini.settings import Settings

    return FakeGemini(Settings(latency_s=latency_s))


def openrouter_server(latency_s: float) -> AbstractContextManager[Any]:
    """Return the stand-in of OpenRouter's API."""
    from fake_openrouter.server import FakeOpenRouter

    return FakeOpenRouter(latency_s=latency_s)


def fal_server(latency_s: float) -> AbstractContextManager[Any]:
    """Return the stand-in of fal's queue."""
    from fake_queue import FakeQueue

    return FakeQueue("fal", latency_s=(latency_s, latency_s))


@asynccontextmanager
async def openai_script(base_url: str, way: Way) -> AsyncIterator[Ask]:
    """Ask by OpenAI's SDK."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=way.key, base_url=base_url)

    async def ask(number: int) -> bytes:
        answer = await client.images.generate(model=way.model, prompt=f"script {number}", extra_body=way.parameters)
        return base64.b64decode(answer.data[0].b64_json)

    async with client:
        yield ask


@asynccontextmanager
async def gemini_script(base_url: str, way: Way) -> AsyncIterator[Ask]:
    """Ask by google-genai."""
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=base_url.removesuffix("/v1beta"), api_version="v1beta")
    client = genai.Client(api_key=way.key, http_options=options)

    async def ask(number: int) -> bytes:
        config = types.GenerateContentConfig(response_modalities=["IMAGE"], seed=number)
        answer = await client.aio.models.generate_content(model=way.model, contents=f"script {number}", config=config)
        return answer.candidates[0].content.parts[0].inline_data.data

    yield ask
    await client.aio.aclose()


@asynccontextmanager
async def openrouter_script(base_url: str, way: Way) -> AsyncIterator[Ask]:
    """Ask by httpx2, without limits of connections."""
    import httpx2

    limits, headers = httpx2.Limits(max_connections=None), {"Authorization": f"Bearer {way.key}"}
    client = httpx2.AsyncClient(headers=headers, limits=limits, timeout=60)

    async def ask(number: int) -> bytes:
        body = {"model": way.model, "prompt": f"script {number}", "seed": number}
        answer = await client.post(f"{base_url}/images", json=body)
        return base64.b64decode(answer.json()["data"][0]["b64_json"])

    async with client:
        yield ask


@asynccontextmanager
async def fal_script(base_url: str, way: Way) -> AsyncIterator[Ask]:
    """Ask by fal-client, and fetch the image by its HTTP library."""
    import fal_client
    import fal_client.client as sdk
    import httpx

    sdk.QUEUE_URL_FORMAT = f"{base_url}/"
    client = fal_client.AsyncClient(key=way.key)
    files = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60)

    async def ask(number: int) -> bytes:
        handle = await client.submit(way.model, {"prompt": f"script {number}", "seed": number})
        async for _ in handle.iter_events(interval=POLL_S):
            pass
        return (await files.get((await handle.get())["images"][0]["url"])).content

    async with files:
        yield ask


@dataclass(frozen=True, slots=True)
class Way:
    """One API, and how a script uses it.

    Attributes:
        model: Name of the model.
        key: Key of the stand-in.
        variable: Variable that has the key.
        server: Returns the stand-in.
        script: Returns what asks for one image.
        parameters: Parameters of every request.
    """

    model: str
    key: str
    variable: str
    server: Callable[[float], AbstractContextManager[Any]]
    script: Callable[[str, Way], AbstractAsyncContextManager[Ask]]
    parameters: dict[str, Any] = field(default_factory=dict)


SMALL = {"size": "64x64", "quality": "low"}
WAYS = {
    "openai": Way("gpt-image-2", "sk-stand-in", "OPENAI_API_KEY", openai_server, openai_script, SMALL),
    "openrouter": Way(
        "black-forest-labs/flux.2-pro",
        "sk-or-v1-0123456789abcdef",
        "OPENROUTER_API_KEY",
        openrouter_server,
        openrouter_script,
    ),
    "gemini": Way("gemini-3-pro-image", "AIza-stand-in-0123456789", "GEMINI_API_KEY", gemini_server, gemini_script),
    "fal": Way("fal-ai/flux-2-pro", "stand-in-key", "FAL_KEY", fal_server, fal_script),
}


def serve(name: str, latency_s: float, pipe: Connection) -> None:
    """Serve until the other end of a pipe closes, in a process of its own."""
    with WAYS[name].server(latency_s) as server:
        pipe.send((server.base_url, getattr(server, "pid", os.getpid())))
        pipe.recv()


def work_beside() -> None:
    """Decode, resize, and encode an image again and again, as validation and postprocessing do."""
    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise((1024, 1024), 60).convert("RGB").save(file, "PNG")
    while True:
        Image.open(file).resize((800, 800), Image.Resampling.LANCZOS).save(io.BytesIO(), "JPEG")


@contextmanager
def started(name: str, latency_s: float, beside: int) -> Iterator[tuple[str, int]]:
    """Start the stand-in and the work beside, and yield the address and the process ID of the stand-in."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    server = processes.Process(target=serve, args=(name, latency_s, theirs))
    others = [processes.Process(target=work_beside, daemon=True) for _ in range(beside)]
    for process in (server, *others):
        process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        server.join()
        for process in others:
            process.terminate()


async def by_script(ask: Ask, n: int, in_flight: int, folder: Path) -> None:
    """Generate and store images as a script does."""
    room = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with room:
            (folder / f"{number}.png").write_bytes(await ask(number))

    await asyncio.gather(*(one(number) for number in range(n)))


def by_provider(name: str, base_url: str, n: int, in_flight: int, folder: Path) -> None:
    """Generate and store images as a job does."""
    way = WAYS[name]
    recipes = [
        Recipe(name, way.model, f"provider {number}", number, parameters=way.parameters, endpoint="stand-in")
        for number in range(n)
    ]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    model = {"provider": name, "name": way.model, "base_url": base_url, "identity": "stand-in"}
    given = {"campaign": "bench", "model": {**model, "key_from": way.variable}, "limits": {"in_flight": in_flight}}
    settings = JobSettings(given)
    made = generate_for_job(items, settings, job="bench", calls=in_flight, store=folder / "store", work=folder)
    assert all(item.raw for item in made), next(item.failure for item in made if not item.raw)


async def imported(way: Way, base_url: str) -> None:
    """Import what a script needs, which takes up to a second."""
    async with way.script(base_url, way):
        pass


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process took so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(name: str, in_flight: int, options: argparse.Namespace) -> None:
    """Measure both by turns, and print each run and the ratio."""
    way, n, ratios = WAYS[name], options.n, list[float]()
    os.environ[way.variable] = way.key

    async def script(folder: Path) -> None:
        async with way.script(base_url, way) as ask:
            await by_script(ask, n, in_flight, folder)

    with started(name, options.latency_s, options.beside) as (base_url, pid):
        runs: Sequence[tuple[str, Callable[[Path], None]]] = (
            ("script", lambda folder: asyncio.run(script(folder))),
            ("provider", lambda folder: by_provider(name, base_url, n, in_flight, folder)),
        )
        asyncio.run(imported(way, base_url))
        for turn in range(options.turns):
            walls = dict[str, float]()
            for who, make in runs[:: 1 if turn % 2 == 0 else -1]:
                with tempfile.TemporaryDirectory() as root:
                    own_s, server_s, start = time.process_time(), cpu_s(pid), time.monotonic()
                    make(Path(root))
                    walls[who] = time.monotonic() - start
                    own_s, server_s = time.process_time() - own_s, cpu_s(pid) - server_s
                rate = f"{n / walls[who]:5.1f} images/s, {own_s:5.1f} s of CPU"
                load = f"stand-in {server_s:.1f} s, load {os.getloadavg()[0]:.1f}"
                print(f"{name:10} {in_flight:3} in flight, {who:8} {rate}, {load}", flush=True)
            ratios.append(walls["script"] / walls["provider"])
    shares = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"{name:10} {in_flight:3} in flight: {median(ratios):.3f} of the script's rate ({shares})", flush=True)


def main() -> None:
    """Compare the given providers, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("provider", nargs="*", choices=[*WAYS, []], help="default: all")
    parser.add_argument("-n", type=int, default=1000, help="images; default: 1000")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[50, 250], help="calls in flight; default: 50 250")
    parser.add_argument("--latency-s", type=float, default=10.0, help="time for one image, in seconds; default: 10")
    parser.add_argument("--turns", type=int, default=2, help="runs of each; default: 2")
    parser.add_argument("--beside", type=int, default=0, help="processes that work on pixels meanwhile; default: 0")
    options = parser.parse_args()
    for name in options.provider or WAYS:
        for in_flight in options.in_flight:
            compare(name, in_flight, options)


if __name__ == "__main__":
    main()
