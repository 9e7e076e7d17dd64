import os
import subprocess
import sys

import pytest
from gpus import FAKE_NVML, with_cards

from imagemake.core import held_gpus
from imagemake.core.gpus import VISIBLE
from imagemake.core.held_gpus import hold_cards, lost_memory, note_memory
from imagemake.core.problems import NotReadyError

GIB = 2**30
HOLD = """
import sys
from pathlib import Path
from imagemake.core import held_gpus
held_gpus._folder = lambda: Path(sys.argv[1])
print(held_gpus.hold_cards()[0].visible, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Starts processes that hold a card until they are killed."""
    running = []
    paths = os.pathsep.join([str(FAKE_NVML), *sys.path])

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "FAKE_NVML_CARDS": "2", "PYTHONPATH": paths},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_each_process_gets_a_card_of_its_own_and_a_killed_one_gives_it_back(holder):
    first, second = holder(), holder()
    cards = {process.stdout.readline().strip(): process for process in (first, second)}
    assert set(cards) == {"GPU-00000000-fake", "GPU-00000001-fake"}
    third = holder()
    cards["GPU-00000001-fake"].kill()
    assert third.stdout.readline().strip() == "GPU-00000001-fake"


def test_a_process_takes_the_free_card_with_most_memory_and_shows_cuda_only_that(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 3, tmp_path)
    fake.CARDS[0].used, fake.CARDS[2].used = 20 * GIB, 10 * GIB
    (card,) = hold_cards()
    assert card.uuid == os.environ[VISIBLE] == fake.CARDS[1].uuid
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert hold_cards() == (card,)  # another batch in the same process


def test_cards_that_somebody_named_keep_their_names(monkeypatch, tmp_path):
    with_cards(monkeypatch, 3, tmp_path)
    monkeypatch.setenv(VISIBLE, "2")
    hold_cards()
    assert os.environ[VISIBLE] == "2"


def test_several_cards_are_taken_together_or_not_at_all(monkeypatch, tmp_path, holder):
    with_cards(monkeypatch, 2, tmp_path)
    other = holder()
    other.stdout.readline()
    waits = []

    def waiting():
        waits.append([card.uuid for card in held_gpus._free_cards()])
        other.kill()
        other.wait()

    assert len(hold_cards(2, waiting=waiting)) == 2
    assert len(waits[0]) == 1  # what it had taken was free while it waited
    with_cards(monkeypatch, 2, tmp_path / "none")
    with pytest.raises(NotReadyError, match="3 GPUs are needed, but this process sees only 2"):
        hold_cards(3)


def test_no_card_is_held_without_a_driver(monkeypatch, tmp_path):
    with_cards(monkeypatch, 0, tmp_path)
    assert hold_cards() == ()
    assert VISIBLE not in os.environ
    assert lost_memory() == []


def test_memory_that_does_not_come_back_is_told_once_with_who_holds_it(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 2, tmp_path)
    monkeypatch.setattr(held_gpus, "SETTLE_S", 0.0)
    (card,) = hold_cards()
    note_memory([card])
    fake.CARDS[0].used += 3 * GIB
    fake.CARDS[0].processes = [4711]
    told = [str(lost) for lost in lost_memory([card])]
    assert told == [
        "3.0 GiB of memory of NVIDIA Fake 100 (GPU-00000000-fake) did not come back after the last job on it; "
        "processes that use the card: 4711"
    ]
    assert lost_memory([card]) == []


def test_memory_that_comes_back_late_is_waited_for(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    (card,) = hold_cards()
    note_memory([card])
    fake.CARDS[0].used += 3 * GIB

    def sleep(seconds):
        fake.CARDS[0].used -= 3 * GIB

    monkeypatch.setattr(held_gpus.time, "sleep", sleep)
    assert lost_memory([card]) == []


def test_a_card_that_another_process_holds_lacks_no_memory(monkeypatch, tmp_path, holder):
    fake = with_cards(monkeypatch, 2, tmp_path)
    monkeypatch.setattr(held_gpus, "SETTLE_S", 0.0)
    cards = held_gpus.cards()
    note_memory(cards)
    first = holder().stdout.readline().strip()
    for card in fake.CARDS:
        card.used += 3 * GIB
    assert [lost.card.uuid for lost in lost_memory()] == [card.uuid for card in cards if card.uuid != first]


def test_the_folder_of_locks_must_be_ones_own(monkeypatch, tmp_path):
    monkeypatch.setattr(held_gpus, "Path", lambda path: tmp_path / "locks")
    assert held_gpus._folder() == tmp_path / "locks"
    assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
    (tmp_path / "locks").rmdir()
    (tmp_path / "locks").symlink_to(tmp_path)
    with pytest.raises(NotReadyError, match="belongs to somebody else"):
        held_gpus._folder()
