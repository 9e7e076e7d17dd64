"""A stand-in for the OpenAI image API: a real HTTP server with configurable faults and a record of every call.

To try the `openai` provider without a key: ``python -m fake_openai --help``, from the folder tests/.
For tests and benchmarks::

    with FakeOpenAI(Settings(latency_s=0.1, rules=[Rule(prompt="ghost", behavior="blank", first=1)])) as server:
        build(base_url=server.base_url)
        assert server.totals().billed_by_prompt == {...}

It reproduces the API as published or observed by November 2026. `ASSUME` marks guesses.
"""

from fake_openai.record import Call, Totals
from fake_openai.server import FakeOpenAI
from fake_openai.settings import BatchSettings, Behavior, Limits, Rule, Settings

__all__ = ["BatchSettings", "Behavior", "Call", "FakeOpenAI", "Limits", "Rule", "Settings", "Totals"]
