"""Garbage collection in processes that end soon."""

import subprocess
import sys

import pytest

MAKE_A_CYCLE = """
class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("collected")

Cycle()
"""
CALL = "from imagemake.core.garbage import collect_rarely; collect_rarely()\n"
GIVE_BACK = "from imagemake.core.garbage import give_back\n"
MAKE_1000_OBJECTS = "\nkept = [[] for _ in range(1000)]"


@pytest.mark.parametrize(("before", "after"), [(CALL, ""), (CALL, MAKE_1000_OBJECTS)])
def test_a_process_that_ends_soon_collects_nothing(before, after):
    assert printed(MAKE_A_CYCLE + after) == "collected\n"
    assert printed(before + MAKE_A_CYCLE + after) == ""


def test_before_a_long_wait_what_nobody_uses_is_collected_though_there_is_little_of_it():
    assert printed(f"{CALL}{MAKE_A_CYCLE}\nprint('made')") == "made\n"
    assert printed(f"{CALL}{GIVE_BACK}{MAKE_A_CYCLE}\ngive_back()\nprint('gone')") == "collected\ngone\n"


def test_what_is_no_garbage_is_still_closed_at_the_end(tmp_path):
    path = tmp_path / "file"
    printed(f"{CALL}file = open({str(path)!r}, 'w'); file.write('text')")
    assert path.read_text() == "text"


def printed(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
