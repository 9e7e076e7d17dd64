"""Sends messages about unattended runs: by mail, Slack, webhooks, or anything else that Apprise supports.

Addresses contain passwords, so they come from the environment only. Each event is sent once per run, no matter how
many jobs report it. A message that cannot be delivered prints a warning and has no other effect.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from imagemake.config.run import Alerts, Budget, Event
from imagemake.core.known_secrets import ALERTS, redacted
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import counted
from imagemake.store.items import NOT_TRIED, Item
from imagemake.store.layout import alerts_folder

ADDRESSES = ALERTS
MAX_CHARACTERS = 2000  # some services reject longer messages
INSTALL = "Install it with pip install 'imagemake[alerts]', or remove alerts from the configuration."


def addresses() -> list[str]:
    """Return the addresses that receive messages. They are secrets."""
    return os.environ.get(ADDRESSES, "").split()


def check_alerts(settings: Alerts) -> list[str]:
    """Check before a run that messages can be sent.

    Returns:
        Warnings.

    Raises:
        UserError: If Apprise is not installed.
    """
    if not settings.on:
        return []
    if find_spec("apprise") is None:
        raise UserError(Problem("config/config.yaml, alerts", "Apprise is not installed.", INSTALL))
    if not addresses():
        return [f"alerts are on, but the environment variable {ADDRESSES} contains no address. No alert will be sent."]
    return []


class AlertSender:
    """Sends messages about one run.

    Args:
        settings: Which events to send, and from which failure rate on.
        campaign: Named in every message.
        work: The project's work folder. It remembers which events were sent.
    """

    def __init__(self, settings: Alerts, campaign: str, work: Path) -> None:
        self._settings = settings
        self._campaign = campaign
        self._sent_events = alerts_folder(work)

    def begin_run(self) -> None:
        """Forget which events were sent in earlier runs."""
        for path in self._sent_events.glob("*"):
            path.unlink(missing_ok=True)

    def send(self, event: Event, text: str) -> None:
        """Send an event if it is configured and was not sent in this run."""
        if event not in self._settings.on or not addresses() or not self._is_first(event):
            return
        for failure in send_message(f"imagemake: {self._campaign}: {event}", text):
            print(f"Warning: {failure}", file=sys.stderr)

    def send_failures(self, items: Sequence[Item]) -> None:
        """Send an alert if the share of a job's images that failed or were rejected exceeds the limit."""
        tried = [item for item in items if item.failure is None or item.failure.reason not in NOT_TRIED]
        bad = sum(item.finished is None or item.failure is not None for item in tried)
        if len(tried) >= self._settings.min_images and bad > self._settings.failure_rate * len(tried):
            what = f"{bad:,} of {len(tried):,} images of one job failed or were rejected"
            self.send("failures", f"{what}. The limit is {100 * self._settings.failure_rate:g} %.")

    def send_left_out(self, count: int, budget: Budget) -> None:
        """Send an alert if the budget left images out.

        Args:
            count: Their number in the whole run.
            budget: The budget.
        """
        if count:
            limits = {"run": budget.run, "campaign": budget.campaign}
            told = ", ".join(f"{name} ${usd:,.2f}" for name, usd in limits.items() if usd is not None)
            were = f"{counted(count, 'image')} {'was' if count == 1 else 'were'}"
            self.send("budget", f"{were} left out of budget_usd ({told}). The contact sheet has the reason of each.")

    def send_crash(self) -> None:
        """Send an alert that the run ended with an error, unless one said what stopped it."""
        if not (self._sent_events / "stopped").exists():
            self.send("crashed", "The run ended with an error. See its log, then run it again to continue.")

    def _is_first(self, event: Event) -> bool:
        self._sent_events.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (self._sent_events / event).touch(exist_ok=False)
            return True
        return False


def send_message(title: str, text: str) -> list[str]:
    """Send a message to every address.

    Returns:
        Failures. Each names its address by position, because the address itself is a secret.
    """
    import logging

    try:
        from apprise import Apprise
    except ImportError:
        return [f"Apprise is not installed. {INSTALL}"]
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages quote addresses
    title, text = redacted(title), redacted(text)
    failures = []
    for position, address in enumerate(addresses(), start=1):
        sender = Apprise()
        if not sender.add(address):
            failures.append(f"Apprise does not recognize address {position} of {ADDRESSES}.")
        elif not sender.notify(title=title[:MAX_CHARACTERS], body=text[:MAX_CHARACTERS]):
            failures.append(f"address {position} of {ADDRESSES} did not accept the message.")
    return failures
