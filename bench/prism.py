"""Asks Prism, by OpenAI's own description of its API, whether it knows what the provider `openai` sends.

Prism stands between the provider and the stand-in, and judges each request and each response by the description, in
which fields that it does not name are forbidden here. Neither Prism nor the description is part of this repository:

    npm install --prefix /tmp/prism @stoplight/prism-cli@5.14
    python bench/prism.py openapi.json --prism /tmp/prism/node_modules/.bin/prism

It exits with status 1 if a request is not valid, other than in what the SDK knows and the description does not. What
Prism says about responses is about the stand-in, and is shown for information: Prism passes multipart on as text, which
breaks images, and the description forbids the nulls that the documentation shows in batches. Prism ignores fields of
multipart that it does not know, so this file looks for those itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]

from fake_openai import FakeOpenAI, Settings  # noqa: E402

from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.plugins.providers import Connection  # noqa: E402
from imagemake.plugins.providers.openai.provider import OpenAIProvider  # noqa: E402

START_S = 60
CONTROL = "control, must be invalid"
REFERENCES = ("a" * 64, "b" * 64, "c" * 64)
PARAMETERS = {"size": "1024x1024", "quality": "low", "background": "opaque", "output_format": "jpeg"}
PARAMETERS |= {"output_compression": 80}
# What openai-python 3.54 sends or takes, and the description of August 2026 does not have.
NEWER = (
    "request.body: Request body must have required property 'image'",  # several are sent as image[]
    "request.body: Request body must NOT have additional properties; found 'complexity'",
    "request.body: Request body must NOT have additional properties; found 'safety_identifier'",
)


def main() -> int:
    """Run Prism and the stand-in, send everything, and print what Prism says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", type=Path, help="OpenAI's description, as JSON")
    parser.add_argument("--prism", default="prism", help="Prism's command")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FakeOpenAI(Settings()) as server:
        strict = Path(folder, "openapi.json")
        strict.write_text(json.dumps(strictly(json.loads(given.description.read_text()))))
        port = free_port()
        command = [given.prism, "proxy", str(strict), server.base_url, "--port", str(port), "--host", "127.0.0.1"]
        with Path(folder, "prism.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as prism:
            try:
                wait_for(port)
                found = asyncio.run(judged(f"http://127.0.0.1:{port}", Path(folder), forms_of(strict)))
            finally:
                prism.terminate()
    return reported(found)


def reported(found: dict[str, list[str]]) -> int:
    """Print what was found; return the exit status."""
    wrong = 0
    for name, violations in found.items():
        requests = [one for one in violations if one.startswith("request")]
        unknown = [one for one in requests if one not in NEWER]
        wrong += bool(unknown) != name.startswith(CONTROL)
        print(f"{'INVALID' if unknown else 'newer  ' if requests else 'valid  '} {name}")
        print(*(f"          {one}" for one in violations if one in requests), sep="\n", end="\n" if requests else "")
    print(f"{len(found)} requests, {wrong} of them judged otherwise than they should be.\nResponses of the stand-in:")
    told = dict.fromkeys(one for violations in found.values() for one in violations if not one.startswith("request"))
    print(*(f"          {one}" for one in told), sep="\n")
    return 1 if wrong else 0


def strictly(schema: Any) -> Any:
    """Return a description whose objects accept the fields that it names and no others."""
    if isinstance(schema, list):
        return [strictly(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: strictly(one) for name, one in schema.items()}
    if inner.get("type") == "object" and isinstance(inner.get("properties"), dict):
        inner.setdefault("additionalProperties", False)
    return inner


def forms_of(description: Path) -> dict[str, set[str]]:
    """Return the fields of multipart by path."""
    whole = json.loads(description.read_text())
    forms = {}
    for path, kinds in whole["paths"].items():
        contents = kinds.get("post", {}).get("requestBody", {}).get("content", {})
        if form := contents.get("multipart/form-data"):
            name = form["schema"]["$ref"].rpartition("/")[2]
            forms[path] = set(whole["components"]["schemas"][name]["properties"])
    return forms


async def judged(address: str, folder: Path, forms: dict[str, set[str]]) -> dict[str, list[str]]:
    """Send one request of each kind; return what Prism says against each, and against its response."""
    import os

    os.environ["OPENAI_API_KEY"] = "sk-stand-in"
    provider = OpenAIProvider(Connection(address, 60, "OPENAI_API_KEY"))
    heard: list[str] = []

    responses: list[int] = []

    async def hear(response: httpx2.Response) -> None:
        responses.append(response.status_code)
        heard.extend(words(one) for one in json.loads(response.headers.get("sl-violations", "[]")))

    async def look(request: httpx2.Request) -> None:
        if request.headers.get("content-type", "").startswith("multipart/"):
            names = {name.decode() for name in re.findall(rb'; name="([^"\[]+)', await request.aread())}
            heard.extend(f"request.form: {name!r} is no field" for name in names - forms[request.url.path])

    provider._client._client.event_hooks["request"].append(look)
    provider._client._client.event_hooks["response"].append(hear)
    found: dict[str, list[str]] = {}

    async def ask(name: str, call: Awaitable[Any]) -> Any:
        heard.clear()
        responses.clear()
        answer: Any = None
        try:
            answer = await call
        except Exception as error:  # whatever it is, it is reported
            heard.append(f"{type(error).__name__}: {error}"[:200])
        if not responses:
            heard.append("request: it did not reach Prism")
        found[name] = list(dict.fromkeys(heard))
        return answer

    images = {name: png("RGB", color) for name, color in zip(REFERENCES, ("red", "green", "blue"), strict=True)}
    images["m" * 64] = png("RGBA", "#0000")
    await ask("generation", provider.generate(recipe()))
    await ask("generation with user and moderation", provider.generate(recipe(user="buyer-7", moderation="low")))
    await ask("edit with 1 reference", provider.generate_from(recipe(references=1), images))
    await ask("edit with 3 references", provider.generate_from(recipe(references=3), images))
    await ask("edit with 1 reference and a mask", provider.generate_from(recipe(references=1, mask=True), images))
    await ask("edit with 3 references and a mask", provider.generate_from(recipe(references=3, mask=True), images))
    for number, (name, content) in enumerate(images.items(), 1):
        await ask(f"file: reference image {number}", provider.upload_image(name, content))
    await batches(provider, ask, folder)
    await ask("models", provider.check("gpt-image-2"))
    for name, value in {"complexity": "low", "safety_identifier": "buyer-7"}.items():
        await ask(
            f"newer than the description: {name}", provider.generate(recipe("gpt-image-2.6-flare", **{name: value}))
        )
    await ask(f"{CONTROL}: a generation with a seed", provider.generate(recipe(seed="7")))
    await ask(
        f"{CONTROL}: an edit with moderation", provider.generate_from(recipe(references=1, moderation="low"), images)
    )
    await provider.close()
    return found


async def batches(provider: OpenAIProvider, ask: Any, folder: Path) -> None:
    """Send what batches need, and each kind of line by itself, as the API reads it: a body of its endpoint."""
    lines = {"generation": recipe(), "edit": recipe(references=3, mask=True)}
    for name, wanted in lines.items():
        endpoint, body = provider.batch_request(wanted)
        await ask(f"line of a batch: {name}", send(provider, endpoint.removeprefix("/v1"), body))
        file = folder / "requests.jsonl"
        file.write_text(json.dumps(provider.batch_line("call-1", wanted)) + "\n")
        uploaded = await ask(f"file: requests of {name}s", provider.upload_batch(file))
        made = await ask(f"batch of {name}s: create", provider.create_batch(uploaded, endpoint, {"id": name}))
        await ask(f"batch of {name}s: find", provider.find_batch({"id": name}))
        await asyncio.sleep(2)
        state = await ask(f"batch of {name}s: poll", provider.poll_batch(made.id))
        for result in state.files:
            await ask(f"batch of {name}s: results", read(provider, result))
        await ask(f"batch of {name}s: delete its file", provider.delete_batch_file(uploaded))
    uploaded = await provider.upload_batch(folder / "requests.jsonl")
    made = await provider.create_batch(uploaded, "/v1/images/edits", {"id": "x"})
    await ask("batch: cancel", provider.cancel_batch(made.id))


async def send(provider: OpenAIProvider, path: str, body: dict[str, Any]) -> None:
    """Send a body as JSON."""
    await provider._client.post(path, body=body, cast_to=object)


async def read(provider: OpenAIProvider, file: str) -> None:
    """Read all results of a file."""
    assert [one async for one in provider.batch_results(file)]


def recipe(model: str = "gpt-image-2", references: int = 0, mask: bool = False, **parameters: str) -> Recipe:
    """Return a recipe."""
    names, overlay = REFERENCES[:references], "m" * 64 if mask else None
    return Recipe("openai", model, "A red mug", 1, PARAMETERS | parameters, references=names, mask=overlay)


def png(mode: str, color: str) -> bytes:
    """Return a small PNG."""
    file = BytesIO()
    Image.new(mode, (64, 48), color).save(file, "PNG")
    return file.getvalue()


def words(violation: dict[str, Any]) -> str:
    """Return one of Prism's violations in a line."""
    return f"{'.'.join(map(str, violation['location']))}: {violation['message']}"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with closing(socket.socket()) as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens at a port."""
    for _ in range(START_S * 10):
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("Prism did not start")


if __name__ == "__main__":
    sys.exit(main())
