import os

import orjson
import pytest
from gpus import end_job, with_cards

from imagemake.core import held_gpus
from imagemake.core.files import FileLock
from imagemake.core.gpus import VISIBLE
from imagemake.stages.generate.calls import ToldToStopError
from imagemake.stages.generate.gpu import hold_gpu
from imagemake.store.layout import progress_file, stopping_file
from imagemake.store.progress import JobProgress, no_progress


def test_a_job_that_waits_for_a_card_says_so_and_stops_when_the_run_does(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    table = tmp_path / "work" / "generated" / "batch.jsonl"
    progress = JobProgress(tmp_path / "work", table, 5)
    told = []

    def sleep(seconds):
        told.append(orjson.loads(progress_file(tmp_path / "work", table).read_bytes())["waits_for"])
        progress._written_at = 0.0
        if len(told) == 3:
            stopping_file(tmp_path / "work").touch()

    monkeypatch.setattr(held_gpus.time, "sleep", sleep)
    other = FileLock(tmp_path / f"{fake.CARDS[0].uuid}.lock")
    with other, pytest.raises(ToldToStopError, match="while all GPUs were taken"):
        hold_gpu(None, progress, told.append)
    assert told[-1] == "a free GPU"


def test_a_job_without_nvidia_cards_works_on_what_there_is(monkeypatch, tmp_path):
    with_cards(monkeypatch, 0, tmp_path)
    assert hold_gpu(None, no_progress(), print) is None
    with_cards(monkeypatch, 1, tmp_path)
    assert hold_gpu("mps", no_progress(), print) is None


def test_a_card_that_the_user_named_keeps_its_number(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 3, tmp_path)
    assert hold_gpu("cuda:1", no_progress(), print).uuid == fake.CARDS[1].uuid
    assert VISIBLE not in os.environ
    end_job()
    assert hold_gpu("cuda:7", no_progress(), print) is None  # what uses it says so


def test_a_job_says_if_memory_of_its_card_did_not_come_back(monkeypatch, tmp_path, capsys):
    fake = with_cards(monkeypatch, 1, tmp_path)
    monkeypatch.setattr(held_gpus, "SETTLE_S", 0.0)
    alerts = []
    assert hold_gpu(None, no_progress(), alerts.append).uuid == fake.CARDS[0].uuid
    assert capsys.readouterr().err == ""
    end_job()
    fake.CARDS[0].used *= 9
    hold_gpu(None, no_progress(), alerts.append)
    assert capsys.readouterr().err.startswith("Warning: 8.0 GiB of memory of NVIDIA Fake 100 (GPU-00000000-fake) did")
    assert [alert.partition(" of memory")[0] for alert in alerts] == ["8.0 GiB"]
