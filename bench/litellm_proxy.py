"""Calls a real LiteLLM proxy by the provider `openai`, with the stand-in behind the proxy: what arrives, and how often?

LiteLLM is in an environment of its own, never in that of this project:

    uv venv /tmp/litellm && uv pip install --python /tmp/litellm/bin/python 'litellm[proxy]>=1.108'
    python bench/litellm_proxy.py --litellm /tmp/litellm/bin/litellm

It exits with status 1 if an image, a cost, or the kind of an error is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import yaml
from PIL import Image
from prism import free_port

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]

from fake_openai import Call, FakeOpenAI, Rule, Settings  # noqa: E402

from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.plugins.providers import Connection, FailureKind, ProviderError, response_to  # noqa: E402
from imagemake.plugins.providers.openai.provider import OpenAIProvider  # noqa: E402

Answer = tuple[str | None, float | None, str | None] | ProviderError  # format of the image, its cost, the call
START_S = 120
MODEL = "gpt-image-2"
KEYS = {"LITELLM_API_KEY": "sk-master-1234", "WRONG_KEY": "sk-wrong-12345"}
PARAMETERS = {"size": "1024x1024", "quality": "low", "output_format": "jpeg", "safety_identifier": "buyer-7"}
KINDS = {
    "moderation": FailureKind.REFUSED,
    "rate_limited": FailureKind.RATE_LIMITED,
    "insufficient_quota": FailureKind.STOP,
    "billing_limit": FailureKind.STOP,
    "server_error": FailureKind.UNKNOWN,
    "overloaded": FailureKind.UNKNOWN,
    "cut_before_answer": FailureKind.UNKNOWN,
}


def main() -> int:
    """Run the proxy and the stand-in, and print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", default="litellm", help="LiteLLM's command")
    given = parser.parse_args()
    os.environ.update(KEYS)
    rules = tuple(Rule.model_validate({"prompt": f"^{name} ", "behavior": name}) for name in KINDS)
    with tempfile.TemporaryDirectory() as folder, FakeOpenAI(Settings(rules=rules)) as server:
        port, config = free_port(), Path(folder, "config.yaml")
        config.write_text(yaml.safe_dump(configuration(server.base_url)))
        command = [given.litellm, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own = clean | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
        with (
            Path(folder, "litellm.log").open("w") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=own, cwd=folder) as proxy,
        ):
            try:
                wait_for(f"http://127.0.0.1:{port}/health/liveliness")
                return asyncio.run(judged(f"http://127.0.0.1:{port}/v1", server))
            finally:
                proxy.terminate()


def configuration(upstream: str) -> dict[str, object]:
    """Return LiteLLM's configuration, which asks for no retries in every way that it has."""
    known = {"model": f"openai/{MODEL}", "api_base": upstream, "api_key": "sk-upstream", "max_retries": 0}
    unpriced = known | {"model": "openai/gpt-image-2.6-flare"}
    return {
        "model_list": [
            {"model_name": MODEL, "litellm_params": known},
            {"model_name": "unpriced", "litellm_params": unpriced},
        ],
        "general_settings": {"master_key": KEYS["LITELLM_API_KEY"]},
        "router_settings": {"num_retries": 0},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
    }


async def judged(address: str, server: FakeOpenAI) -> int:
    """Ask for everything; return the exit status."""
    wrong = 0
    files = {hashlib.sha256(data).hexdigest(): data for data in map(png, ("red", "green", "blue", "#0000"))}
    *names, mask = files
    recipes = {
        "generation": Recipe("openai", MODEL, "A red mug", 1, PARAMETERS),
        "edit with 1 reference": Recipe("openai", MODEL, "A red mug", 1, PARAMETERS, references=tuple(names[:1])),
        "edit with 3 references and a mask": Recipe(
            "openai", MODEL, "A red mug", 1, PARAMETERS, references=tuple(names), mask=mask
        ),
        "model without a price": Recipe("openai", "unpriced", "A red mug", 1, PARAMETERS),
    }
    for name, recipe in recipes.items():
        answer, calls = await ask(address, server, recipe, files)
        (call,) = calls
        sent = all(call.params.get(field) == value for field, value in PARAMETERS.items())
        is_right = isinstance(answer, tuple) and sent and call.references == list(recipe.files) and answer[0] == "JPEG"
        usd = answer[1] if isinstance(answer, tuple) else None
        is_right = is_right and usd == (None if name == "model without a price" else round(call.cost_usd, 9))
        wrong += not is_right
        print(f"{'right' if is_right else 'WRONG'} {name}: {answer}; the stand-in's price is ${call.cost_usd:.6f}")
    for name, kind in KINDS.items():
        recipe = Recipe("openai", MODEL, f"{name} mug", 1, PARAMETERS)
        wrong += told(name, kind, *await ask(address, server, recipe, {}))
        recipe = Recipe("openai", MODEL, f"{name} mug", 1, PARAMETERS, references=tuple(names[:1]))
        wrong += told(f"{name}, edit", kind, *await ask(address, server, recipe, files))
    plain = Recipe("openai", MODEL, "A mug", 1, PARAMETERS)
    wrong += told("wrong key", FailureKind.STOP, *await ask(address, server, plain, {}, key="WRONG_KEY"))
    wrong += told("no key", FailureKind.UNKNOWN, *await ask(address, server, plain, {}, key=None))
    other = Recipe("openai", "nope", "A mug", 1, PARAMETERS)
    wrong += told("unknown model", FailureKind.CONFIGURATION, *await ask(address, server, other, {}))
    odd = Recipe("openai", MODEL, "A mug", 1, PARAMETERS | {"size": "64x64"})
    wrong += told("wrong size", FailureKind.CONFIGURATION, *await ask(address, server, odd, {}))
    provider = OpenAIProvider(Connection(address, 60, "LITELLM_API_KEY"))
    print(f"doctor: {(await provider.check(MODEL)).words}; {(await provider.check('nope')).words}")
    await provider.close()
    return 1 if wrong else 0


async def ask(
    address: str, server: FakeOpenAI, recipe: Recipe, files: Mapping[str, bytes], key: str | None = "LITELLM_API_KEY"
) -> tuple[Answer, list[Call]]:
    """Send one request; return the image's format with its cost, or the error, and what arrived at the stand-in."""
    server.reset()
    provider = OpenAIProvider(Connection(address, 60, key))
    try:
        found = await response_to(provider, recipe, files)
        cost = None if found.cost_usd is None else round(found.cost_usd, 9)
        with Image.open(BytesIO(found.image)) as image:
            answer: Answer = (image.format, cost, found.request_id)
    except ProviderError as error:
        answer = error
    finally:
        await provider.close()
    server.wait_until_idle()
    return answer, server.calls()


def told(name: str, kind: FailureKind, answer: Answer, calls: list[Call]) -> bool:
    """Print the outcome of a call that must fail; return whether it is wrong."""
    is_right = isinstance(answer, ProviderError) and answer.failure is kind
    what = f"{answer.failure}: {answer}"[:110] if isinstance(answer, ProviderError) else answer
    usd = sum(call.cost_usd for call in calls)
    print(f"{'right' if is_right else 'WRONG'} {name}: {len(calls)} calls upstream, ${usd:.4f} billed; {what}")
    return not is_right


def png(color: str) -> bytes:
    """Return a small PNG."""
    file = BytesIO()
    Image.new("RGBA" if color.startswith("#") else "RGB", (64, 48), color).save(file, "PNG")
    return file.getvalue()


def wait_for(url: str) -> None:
    """Wait until an address answers."""
    for _ in range(START_S):
        with suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(1)
    raise TimeoutError("LiteLLM did not start")


if __name__ == "__main__":
    sys.exit(main())
