"""Asks the stand-in of `tests/fake_queue` by the vendors' own SDKs: do they understand what it says?

Run it where fal-client, replicate, and dashscope are installed, together with the packages of the tests. It exits with
status 1 if an SDK does not. Black Forest Labs has no SDK.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from fake_queue import FakeQueue  # noqa: E402

LATENCY_S = (0.4, 0.4)


def by_fal(server: FakeQueue) -> str:
    """Submit, poll, fetch, cancel, and be refused, by fal-client."""
    import fal_client
    import fal_client.client as sdk

    os.environ["FAL_KEY"] = "stand-in-key"
    sdk.QUEUE_URL_FORMAT = f"{server.base_url}/"
    arguments = {"prompt": "a mug", "seed": 7}
    handle = fal_client.submit("fal-ai/flux-2-pro", arguments)
    states = {type(handle.status()).__name__}
    result = handle.get()
    assert result["seed"] == 7
    assert isinstance(handle.status(), fal_client.Completed)
    ours = fal_client.submit("fal-ai/flux-2-pro", arguments)
    ours.cancel()
    assert server.jobs[ours.request_id].canceled
    refused = fal_client.submit("fal-ai/flux-2-pro", {"prompt": "a weapon"})
    time.sleep(LATENCY_S[1])
    try:
        refused.get()
    except Exception as error:  # the SDK's own class
        return f"states {sorted(states)}, result, cancel, and {type(error).__name__}: {str(error)[:60]}"
    raise AssertionError("the SDK took a refusal for an image")


def by_replicate(server: FakeQueue) -> str:
    """Create, poll, cancel, and be refused, by replicate."""
    import replicate

    client = replicate.Client(api_token="stand-in-key", base_url=server.root)
    made = client.models.predictions.create(model="black-forest-labs/flux-2-pro", input={"prompt": "a mug", "seed": 7})
    first = made.status
    made.wait()
    assert made.status == "succeeded"
    assert str(made.output).startswith(server.root)
    other = client.models.predictions.create(model="black-forest-labs/flux-2-pro", input={"prompt": "a cup"})
    other.cancel()
    refused = client.models.predictions.create(model="black-forest-labs/flux-2-pro", input={"prompt": "a weapon"})
    refused.wait()
    assert refused.status == "failed"
    return f"states {first}, {made.status}, {client.predictions.get(other.id).status}, and failed: {refused.error}"


def by_dashscope(server: FakeQueue) -> str:
    """Submit, poll, and be refused, by dashscope."""
    import dashscope
    from dashscope.aigc.image_generation import ImageGeneration

    dashscope.base_http_api_url = server.base_url
    dashscope.api_key = "stand-in-key"

    def ask(prompt: str) -> Any:
        messages = [{"role": "user", "content": [{"text": prompt}]}]
        task = ImageGeneration.async_call(model="qwen-image", messages=messages, n=1, size="1024*1024")
        assert task.status_code == 200, task
        return ImageGeneration.wait(task)

    made = ask("a mug")
    assert made.output.choices[0].message.content[0]["image"].startswith(server.root)
    refused = ask("a weapon")
    return f"{made.output['task_status']}, and {refused.output['task_status']}: {refused.output['code']}"


def main() -> None:
    """Ask by every SDK."""
    ways: dict[str, Callable[[FakeQueue], str]] = {"fal": by_fal, "replicate": by_replicate, "dashscope": by_dashscope}
    failed = False
    for form, ask in ways.items():
        with FakeQueue(form, latency_s=LATENCY_S) as server:
            try:
                print(f"{form}: {ask(server)}; {len(server.asked)} calls, {server.refused_keys} refused", flush=True)
            except Exception as error:
                failed = True
                print(f"{form}: FAILED, {type(error).__name__}: {error}; asked {server.asked[-3:]}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
