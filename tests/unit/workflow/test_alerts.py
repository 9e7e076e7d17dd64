"""Alerts: sent once per run to every address, and never a reason for a run to fail."""

import pytest
from gpus import with_cards
from webhook import a_webhook

from imagemake.config.campaign import load_campaign
from imagemake.config.run import Alerts, Budget
from imagemake.core import held_gpus
from imagemake.core.gpus import cards
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.store.items import Item, ItemFailure
from imagemake.store.store import StoredFile
from imagemake.workflow import alerts
from imagemake.workflow.alerts import ADDRESSES, AlertSender, check_alerts, send_message
from imagemake.workflow.planner import Planner

EVERYTHING = Alerts(on=("finished", "stopped", "budget", "failures", "crashed"), failure_rate=0.5, min_images=4)


@pytest.fixture
def webhook(monkeypatch):
    with a_webhook() as server:
        monkeypatch.setenv(ADDRESSES, server.address)
        yield server


def items(good, bad, failure=None):
    recipe = Recipe("openai", "m", "p", 0)
    finished = [StoredFile("k", "d", "jpg")] * good + [None] * bad
    return [Item(f"{i}", 0, recipe, "k", "new", finished=stored, failure=failure) for i, stored in enumerate(finished)]


def test_an_event_is_told_once_a_run_however_many_jobs_meet_it(webhook, tmp_path):
    for _ in range(2):
        AlertSender(EVERYTHING, "Shop", tmp_path).send("stopped", "no quota")
    assert webhook.told == [("imagemake: Shop: stopped", "no quota")]
    AlertSender(EVERYTHING, "Shop", tmp_path).begin_run()
    AlertSender(EVERYTHING, "Shop", tmp_path).send("stopped", "no quota again")
    assert len(webhook.taken) == 2


def test_what_is_not_asked_for_is_not_told(webhook, tmp_path):
    AlertSender(Alerts(on=("finished",)), "Shop", tmp_path).send("crashed", "x")
    AlertSender(Alerts(), "Shop", tmp_path).send("finished", "x")
    assert webhook.told == []


@pytest.mark.parametrize(("good", "bad", "is_told"), [(1, 3, True), (2, 2, False), (0, 3, False)])
def test_failures_are_told_above_the_limit_in_jobs_that_are_large_enough(webhook, tmp_path, good, bad, is_told):
    AlertSender(EVERYTHING, "Shop", tmp_path).send_failures(items(good, bad))
    assert [text for _, text in webhook.told] == (
        ["3 of 4 images of one job failed or were rejected. The limit is 50 %."] if is_told else []
    )


@pytest.mark.parametrize("reason", ["budget", "stopped", "waiting"])
def test_what_was_not_tried_is_no_failure(webhook, tmp_path, reason):
    AlertSender(EVERYTHING, "Shop", tmp_path).send_failures(items(0, 9, ItemFailure(reason, "later")))
    assert webhook.told == []


def test_what_the_budget_left_out_is_told(webhook, tmp_path):
    sender = AlertSender(EVERYTHING, "Shop", tmp_path)
    sender.send_left_out(0, Budget(run=5))
    assert webhook.told == []
    sender.send_left_out(1200, Budget(run=5, campaign=20.5))
    ((_, text),) = webhook.told
    assert text.startswith("1,200 images were left out of budget_usd (run $5.00, campaign $20.50).")


def test_one_event_makes_one_message(webhook, tmp_path):
    sender = AlertSender(EVERYTHING, "Shop", tmp_path)
    sender.send("stopped", "no quota")
    sender.send_crash()
    assert [title for title, _ in webhook.told] == ["imagemake: Shop: stopped"]
    only_crashes = AlertSender(Alerts(on=("crashed",)), "Shop", tmp_path / "other")
    only_crashes.send("stopped", "no quota")
    only_crashes.send_crash()
    assert webhook.told[1][0] == "imagemake: Shop: crashed", "nobody was told what stopped it"


def test_an_address_that_does_not_take_it_costs_a_line_without_its_secrets(webhook, tmp_path, monkeypatch, capfd):
    webhook.status = 500
    monkeypatch.setenv(ADDRESSES, f"json://kim:pass-word@127.0.0.1:{webhook.server_port}/ nonsense://pass-word")
    AlertSender(EVERYTHING, "Shop", tmp_path).send("finished", "done")
    said = "".join(capfd.readouterr())
    assert f"address 1 of {ADDRESSES} did not accept the message" in said
    assert f"Apprise does not recognize address 2 of {ADDRESSES}" in said
    assert "pass-word" not in said


def test_a_missing_library_is_told_before_the_run_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(alerts, "find_spec", lambda name: None)
    assert check_alerts(Alerts()) == []
    with pytest.raises(UserError, match=r"pip install 'imagemake\[alerts\]'"):
        check_alerts(EVERYTHING)


def test_alerts_without_an_address_are_warned_of(monkeypatch):
    monkeypatch.delenv(ADDRESSES, raising=False)
    assert ADDRESSES in check_alerts(EVERYTHING)[0]
    monkeypatch.setenv(ADDRESSES, "json://127.0.0.1/")
    assert check_alerts(EVERYTHING) == []


def test_a_message_holds_no_secret(webhook, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    assert send_message("stopped", "denied: sk-0123456789abcdef") == []
    assert webhook.taken[0]["message"] == "denied: [secret]", "the key is sent"


def test_a_long_message_is_cut(webhook):
    assert send_message("t", "x" * 10_000) == []
    assert len(webhook.taken[0]["message"]) == alerts.MAX_CHARACTERS


def test_memory_that_the_last_job_kept_is_told_at_the_end_of_a_run_on_gpus(webhook, monkeypatch, tmp_path, capsys):
    fake = with_cards(monkeypatch, 1, tmp_path)
    monkeypatch.setattr(held_gpus, "SETTLE_S", 0.0)
    monkeypatch.chdir(tmp_path)
    sections = {"campaign": "Shop", "catalog": "c.csv", "prompt": "A {color} mug", "name": "{color}"}
    planner = Planner(load_campaign({**sections, "alerts": {"on": ["gpu"]}}))
    held_gpus.note_memory(cards())
    fake.CARDS[0].used *= 5
    planner.end_run(crashed=False)
    assert webhook.told == []  # no job of this run was on a card
    planner._open_plans.uses_gpus = True
    planner.end_run(crashed=False)
    ((title, text),) = webhook.told
    assert title == "imagemake: Shop: gpu"
    assert text.startswith("4.0 GiB of memory of NVIDIA Fake 100")
    assert f"Warning: {text}." in capsys.readouterr().err
