"""`python -m fake_openai`: the stand-in as a separate program."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from fake_openai.app import build_app
from fake_openai.server import STAND_IN_KEY
from fake_openai.settings import Behavior, Settings

BACKLOG = 1024
EPILOG = f"""\
rules: a JSON object each; the first that applies to a call decides. With "prompt" it is for the prompts in which this
regular expression is found, with "share" for a part of them, with "first" for the first N calls of each prompt.
  --rule '{{"prompt": "mug", "behavior": "blank", "first": 1}}'      the first try of every mug is an empty image
  --rule '{{"behavior": "cut_before_answer", "share": 0.01}}'        one call in a hundred is billed and never answered
  --rule '{{"prompt": "knife", "behavior": "moderation"}}'           refused, as by the safety system
behaviors:
{fill(", ".join(Behavior), 110, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)}

while it runs:
  curl -s URL/_record                                              every call, and what they add up to
  curl -s URL/_settings                                            all that can be set, also with --settings FILE
  curl -s URL/_settings -d '{{"latency_s": [8, 12]}}'                change some of it
  curl -s -X POST URL/_reset                                       forget the calls
"""
USE = """\
A stand-in for the OpenAI image API listens at {url}/v1. Its images cost nothing, and no model made them.

In config/config.yaml:
  model:
    provider: openai
    name: gpt-image-2
    base_url: {url}/v1
    key_from: STAND_IN_KEY
In the shell: export STAND_IN_KEY={key}

For other programs that use OpenAI's library:
  export OPENAI_BASE_URL={url}/v1
  export OPENAI_API_KEY={key}

Every call, and what they would have cost: {url}/_record        Stop it with Ctrl-C.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_openai",
        description="A stand-in for the OpenAI image API: same parameters, errors, usage and headers; settable\n"
        "latency, rate limits and faults; and a record of every call. It needs no key and no network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=8600, help="port; 0 for a free one (default: 8600)")
    parser.add_argument("--settings", metavar="FILE", help="JSON object with any settings; - for a line of input")
    parser.add_argument("--latency", metavar="S", type=float, nargs="+", help="seconds a call takes, or two: a range")
    parser.add_argument("--images-per-min", metavar="N", type=int, help="rate limit (the API: 5 to 250, by tier)")
    parser.add_argument("--requests-per-min", metavar="N", type=int, help="rate limit")
    parser.add_argument("--tokens-per-min", metavar="N", type=int, help="rate limit")
    parser.add_argument("--rule", metavar="JSON", action="append", default=[], help="a fault; see below")
    parser.add_argument("--seed", type=int, help="of latencies and rules with a share (default: 0)")
    parser.add_argument("--products", action="store_true", help="draw what the prompt says, not only patterns")
    parser.add_argument("--any-size", action="store_true", help="take any size, even 64x64, which the API refuses")
    parser.add_argument("--api-key", metavar="KEY", action="append", help="accept this key only (default: every key)")
    parser.add_argument("--prepare", metavar="SIZE:FORMAT", action="append", help="draw such images before starting")
    parser.add_argument("--record", metavar="FILE", type=Path, help="add a JSON line for every call")
    parser.add_argument("--owned", action="store_true", help=argparse.SUPPRESS)  # ends with its standard input
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    given: dict[str, Any] = {}
    if arguments.settings == "-":
        given = orjson.loads(sys.stdin.readline())
    elif arguments.settings:
        given = orjson.loads(Path(arguments.settings).read_bytes())
    limits = {
        name: value
        for name in ("images_per_min", "requests_per_min", "tokens_per_min")
        if (value := getattr(arguments, name)) is not None
    }
    if limits:
        given["limits"] = {**given.get("limits", {}), **limits}
    if arguments.latency:
        given["latency_s"] = arguments.latency[0] if len(arguments.latency) == 1 else arguments.latency
    for name, value in (("seed", arguments.seed), ("api_keys", arguments.api_key), ("prepare", arguments.prepare)):
        if value is not None:
            given[name] = value
    if arguments.rule:
        given["rules"] = [*given.get("rules", []), *map(orjson.loads, arguments.rule)]
    if arguments.products:
        given["drawing"] = "products"
    if arguments.any_size:
        given["any_size"] = True
    return Settings.model_validate(given)


async def _serve(settings: Settings, arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    runner = web.AppRunner(build_app(settings, arguments.record), access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, arguments.host, arguments.port, backlog=BACKLOG)
    await site.start()
    host, port = runner.addresses[0][:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if arguments.owned:
        print(f"{url}/v1", flush=True)
        loop.add_reader(sys.stdin, stopped.set)  # nothing is written to it, so readable means closed
    else:
        print(USE.format(url=url, key=STAND_IN_KEY), flush=True)
    await stopped.wait()
    await runner.cleanup()


def main() -> None:
    """Read the arguments, and serve until stopped."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        settings = _settings(arguments)
    except (ValidationError, orjson.JSONDecodeError, OSError) as error:
        parser.error(f"these settings are not allowed: {error}")
    try:
        asyncio.run(_serve(settings, arguments))
    except OSError as error:
        parser.exit(1, f"cannot listen at {arguments.host}:{arguments.port}: {error}\n")


if __name__ == "__main__":
    main()
