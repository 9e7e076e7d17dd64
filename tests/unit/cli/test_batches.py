"""`imagemake batches`: what is listed, collected and cancelled without a run."""

import json
import time

import pytest
import yaml
from fake_openai import BatchSettings, Settings
from image_files import saved
from PIL import Image

from imagemake.cli.main import main
from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.asking.openai import OpenAIAsker
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.judge.job import judge_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions


@pytest.fixture
def server(stand_in):
    stand_in.renew(Settings(any_size=True, batches=BatchSettings(works_on=0)))
    return stand_in


@pytest.fixture
def project(server, tmp_path, monkeypatch):
    """A folder whose run died while its batch of four images was out."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "here"}
    model["key_from"] = "OPENAI_API_KEY"
    limits = {"first_wait_s": 0.02, "longest_wait_s": 0.1}
    (tmp_path / "config").mkdir()
    config = {"campaign": "c", "catalog": "config/catalog.csv", "prompt": "p", "name": "{sku}", "model": model}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump({**config, "limits": limits}))
    recipes = [Recipe("openai", "gpt-image-2", f"p{i}", 0, {"size": "64x64"}, endpoint="here") for i in range(4)]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    job_settings = JobSettings({"campaign": "c", "model": {**model, "mode": "batch"}, "limits": limits})

    async def dies(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIProvider, "poll_batch", dies)
        with pytest.raises(RuntimeError, match="killed"):
            generate_for_job(items, job_settings, job="j", calls=0, store=tmp_path / "store", work=tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def batches(project, capsys):
    def run(*arguments, expect=0):
        with pytest.raises(SystemExit) as ended:
            main(["batches", "--json", *arguments])
        told = capsys.readouterr()
        assert ended.value.code == expect, told.err
        return json.loads(told.out) if told.out else told.err

    return run


def outcomes(project):
    return sorted(call.outcome for call in read_calls(project / "store" / "journal"))


def test_an_open_batch_is_listed_with_what_the_provider_says_of_it(batches, server):
    (one,) = batches()
    assert one["batch"].startswith("batch_")
    assert one["state"].startswith("in_progress") and one["state"].endswith("/4")
    assert (one["requests"], one["made"], one["cost_usd"]) == (4, 0, 0)
    assert one["worst_usd"] > 0
    assert one["expires_at"] > one["made_at"]
    assert 0 <= one["age_h"] < 0.1


def test_offline_asks_nobody_and_says_how_far_we_came(batches, server):
    server.stop()
    (one,) = batches("--offline")
    assert (one["state"], one["expires_at"]) == ("created", None)


def test_a_server_that_does_not_answer_is_told_and_keeps_nobody_waiting(batches, server, project):
    server.stop()
    for arguments in ([], ["--collect"], ["--cancel", "all"]):
        with pytest.raises(SystemExit) as ended:
            main(["batches", *arguments])
        assert ended.value.code == 1
    assert outcomes(project) == [Outcome.WAITING] * 4


def test_collect_leaves_alone_what_is_not_done_and_takes_what_is(batches, project, server):
    assert len(batches("--collect")) == 1
    assert outcomes(project) == [Outcome.WAITING] * 4
    server.change(batches={"duration_s": 0})
    while batches("--collect"):
        time.sleep(0.1)
    assert outcomes(project) == [Outcome.MADE] * 4
    (past,) = batches("--all")
    assert (past["state"], past["made"], past["worst_usd"]) == ("over", 4, None)
    assert past["cost_usd"] > 0


def test_cancel_keeps_what_was_made_and_frees_the_rest(batches, project, server):
    server.change(batches={"duration_s": 0, "works_on": 1})
    while server.totals().billed_calls < 1:
        time.sleep(0.05)
    (one,) = batches("--offline")
    assert batches("--cancel", one["id"][:8]) == []
    found = outcomes(project)
    assert set(found) == {Outcome.FAILED, Outcome.MADE}
    assert found.count(Outcome.MADE) == server.totals().billed_calls
    assert not list(Submissions(project / "store").all())


def test_cancel_of_an_id_that_is_not_open_names_those_that_are(project, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["batches", "--cancel", "zzz"])
    assert ended.value.code == 2
    assert "matches no open batch" in capsys.readouterr().err


def test_a_batch_that_a_run_works_on_is_cancelled_and_left_to_it(batches, project):
    submissions = Submissions(project / "store")
    (submission,) = submissions.all()
    with submissions.lock(submission.id):
        (one,) = batches("--cancel", "all")
        assert one["state"].startswith("cancel")
        assert outcomes(project) == [Outcome.WAITING] * 4


def test_a_folder_without_a_batch_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["batches"])
    assert ended.value.code == 0
    assert "No open batches." in capsys.readouterr().out


def test_answers_about_images_are_collected_without_a_run_too(server, project, batches, monkeypatch):
    judge = {"model": "gpt-6-luna", "base_url": server.base_url, "key_from": "OPENAI_API_KEY", "mode": "batch"}
    validation = {"measures": {"judge": {**judge, "questions": ["Is it red?"]}}}
    path = project / "config" / "config.yaml"
    config = {**yaml.safe_load(path.read_text()), "validation": validation}
    path.write_text(yaml.safe_dump(config))
    store, recipe = Store(project / "store"), Recipe("preview", "preview-1", "p", 0)
    raw = store.raw.put(recipe.key(), saved(Image.new("RGB", (32, 32)), "PNG"), durable=False)
    item = Item("p", 0, recipe, recipe.key(), "new", {}, raw, {"file@1": {"format": "png"}})
    sections = {name: config[name] for name in ("campaign", "validation", "limits")}
    server.change(batches={"duration_s": 0.1})

    async def dies(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIAsker, "poll_batch", dies)
        with pytest.raises(RuntimeError, match="killed"):
            judge_for_job([item], JobSettings(sections), job="j", calls=1, store=store.root, work=project)
    (waiting,) = (one for one in batches("--offline") if one["model"] == "gpt-6-luna")
    assert (waiting["requests"], waiting["made"]) == (1, 0)
    while any(one["model"] == "gpt-6-luna" for one in batches("--collect")):
        time.sleep(0.1)
    (judged,) = judge_for_job([item], JobSettings(sections), job="j", calls=1, store=store.root, work=project)
    assert judged.failure is None
    assert len([call for call in server.calls() if call.endpoint == "/v1/chat/completions"]) == 1
