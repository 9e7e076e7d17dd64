"""Messages to people about a run that goes on without them: mail, Slack, webhooks, whatever Apprise can reach.

The addresses hold passwords, so they come from the environment only. An event is told once a run, however many jobs
meet it, and a message that cannot be delivered costs a line in the log and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from imagemake.config.run import Alerts, Event
from imagemake.core.problems import Problem, UserError
from imagemake.store.items import Item

ADDRESSES = "IMAGEMAKE_ALERTS"
LONGEST_TEXT = 2000  # characters; some services refuse more
NOT_TRIED = ("budget", "stopped", "waiting")  # reasons of images that nobody asked a provider for in this run
INSTALL = "Install it: pip install 'imagemake[alerts]', or take alerts out."


def addresses() -> list[str]:
    """Return where messages go; they are secrets."""
    return os.environ.get(ADDRESSES, "").split()


def check_alerts(settings: Alerts) -> list[str]:
    """Check before a run that messages can be sent.

    Returns:
        Warnings.

    Raises:
        UserError: If the library is missing.
    """
    if not settings.on:
        return []
    if find_spec("apprise") is None:
        raise UserError(Problem("config/config.yaml, alerts", "the library that sends messages is not there.", INSTALL))
    if not addresses():
        return [f"alerts are on, but the environment variable {ADDRESSES} holds no address: nobody will be told."]
    return []


class Alarm:
    """Sends messages about one run.

    Args:
        settings: What is told.
        campaign: Named in every message.
        work: The folder in which it is remembered what was told.
    """

    def __init__(self, settings: Alerts, campaign: str, work: Path) -> None:
        self._settings = settings
        self._campaign = campaign
        self._told = work / "alerts"

    def begin_run(self) -> None:
        """Forget what was told in earlier runs."""
        for path in self._told.glob("*"):
            path.unlink(missing_ok=True)

    def tell(self, event: Event, text: str) -> None:
        """Tell an event, if it is to be told and nobody told it in this run."""
        if event not in self._settings.on or not addresses() or not self._is_first(event):
            return
        for failure in send(f"imagemake: {self._campaign}: {event}", text):
            print(f"Warning: {failure}", file=sys.stderr)

    def tell_failures(self, items: Sequence[Item]) -> None:
        """Tell if more of a job's images than the limit were not good enough."""
        tried = [item for item in items if item.failure is None or item.failure.reason not in NOT_TRIED]
        bad = sum(item.finished is None or item.failure is not None for item in tried)
        if len(tried) >= self._settings.least and bad > self._settings.failure_rate * len(tried):
            what = f"{bad:,} of {len(tried):,} images of one job failed or were rejected"
            self.tell("failures", f"{what}, limit {100 * self._settings.failure_rate:g} %.")

    def tell_left_out(self, items: Sequence[Item]) -> None:
        """Tell if the budget left images out."""
        left_out = [item for item in items if item.failure is not None and item.failure.reason == "budget"]
        if left_out:
            assert left_out[0].failure is not None
            self.tell("budget", f"{len(left_out):,} images or more were left out: {left_out[0].failure.message}.")

    def _is_first(self, event: Event) -> bool:
        self._told.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (self._told / event).touch(exist_ok=False)
            return True
        return False


def send(title: str, text: str) -> list[str]:
    """Send a message to every address.

    Returns:
        What went wrong, by the place of the address in the list: the address itself is a secret.
    """
    import logging

    try:
        from apprise import Apprise
    except ImportError:
        return [f"the library that sends messages is not there. {INSTALL}"]
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages quote addresses
    failures = []
    for place, address in enumerate(addresses(), start=1):
        sender = Apprise()
        if not sender.add(address):
            failures.append(f"address {place} of {ADDRESSES} is none that Apprise knows.")
        elif not sender.notify(title=title[:LONGEST_TEXT], body=text[:LONGEST_TEXT]):
            failures.append(f"address {place} of {ADDRESSES} did not take the message.")
    return failures
