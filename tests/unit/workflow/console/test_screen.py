"""Where the console writes to."""

import fcntl
import os
import pty
import struct
import termios

import pytest

from imagemake.workflow.console.screen import DEFAULT_WIDTH, Screen


@pytest.mark.parametrize(("columns", "width"), [(0, DEFAULT_WIDTH - 1), (80, 79), (132, 131)])
def test_a_terminal_that_does_not_tell_its_width_has_the_usual_one(columns, width):
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(writer, "w") as terminal:
        assert Screen(terminal).width == width
    os.close(reader)
