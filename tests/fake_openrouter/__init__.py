"""A stand-in for OpenRouter's image API: a real HTTP server in a thread, with faults and a record of every call.

::

    with FakeOpenRouter(rules=[Rule("knife", "moderation")]) as server:
        build(base_url=server.base_url)
        assert server.billed_usd == ...

It reproduces the API as the types of OpenRouter's SDK 1.3.84 describe it. Its models, prices, and error messages are
made up. `ASSUME` marks guesses.
"""

from fake_openrouter.server import STAND_IN_KEY, Call, FakeOpenRouter, Rule

__all__ = ["STAND_IN_KEY", "Call", "FakeOpenRouter", "Rule"]
