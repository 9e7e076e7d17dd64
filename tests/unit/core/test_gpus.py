import sys

import pytest
from gpus import with_cards

from imagemake.core import gpus
from imagemake.core.gpus import SLOWED, Reading, cards


def test_a_machine_without_the_package_or_the_driver_has_no_cards(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # the import fails
    assert gpus._nvml.__wrapped__() is None
    with_cards(monkeypatch, 0, tmp_path)
    fake = sys.modules["pynvml"]
    with pytest.raises(fake.NVMLError):
        fake.nvmlInit()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    assert gpus._nvml.__wrapped__() is None
    monkeypatch.setattr(gpus, "_nvml", lambda: None)
    assert cards() == ()


def test_a_card_tells_what_it_does(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    monkeypatch.setattr(fake.FakeCard, "millijoules", 5_000)
    fake.CARDS[0].reasons = 0x04 | 0x20 | 0x01  # idle is no reason to worry
    (card,) = cards()
    assert card.name == "NVIDIA Fake 100"
    assert card.read() == Reading(
        utilization=0.9,
        used_bytes=2**30,
        total_bytes=24 * 2**30,
        temperature_c=61,
        power_w=200.0,
        energy_j=5.0,
        slowed=frozenset({"power limit", "too hot"}),
    )


def test_what_a_card_does_not_support_is_unknown_and_the_rest_is_told(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].milliwatts, fake.CARDS[0].has_energy, fake.CARDS[0].gpu = None, False, None
    reading = cards()[0].read()
    assert (reading.power_w, reading.energy_j, reading.utilization) == (None, None, None)
    assert reading.used_bytes == 2**30
    fake.CARDS[0].is_lost = True
    assert cards()[0].read() == Reading()


def test_drivers_before_535_tell_why_a_card_is_slow_under_another_name(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].has_event_reasons, fake.CARDS[0].reasons = False, 0x40
    assert cards()[0].read().slowed == {"too hot for the hardware"}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        ("GPU-00000001-fake", [1]),
        ("", []),
        ("-1", []),
        ("1,7,0", [1]),  # as CUDA: nothing after an unknown name
    ],
)
def test_only_cards_that_cuda_may_use_are_known(monkeypatch, tmp_path, visible, expected):
    fake = with_cards(monkeypatch, 3, tmp_path)
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    assert [card.uuid for card in cards()] == [fake.CARDS[index].uuid for index in expected]


def test_the_stand_in_and_our_bits_are_those_of_the_real_package(monkeypatch, tmp_path):
    real = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    fake = with_cards(monkeypatch, 1, tmp_path)
    functions = {name for name in vars(fake) if name.startswith("nvml")}
    assert functions
    assert functions <= set(vars(real))
    numbers = {name: value for name, value in vars(fake).items() if name.startswith("NVML_")}
    assert numbers == {name: getattr(real, name) for name in numbers}
    bits = ("SwPowerCap", "HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
    assert list(SLOWED) == [getattr(real, f"nvmlClocksEventReason{bit}") for bit in bits]
