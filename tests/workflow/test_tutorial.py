"""The tutorial, run literally: each command of docs/tutorial.md, from the wheel, in an empty home."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from folders import REPOSITORY
from installed import Installed

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(?:(?P<language>\w+)(?: title=\"(?P<file>[^\"]+)\")?)?\n(?P<text>.*?)^```$", re.M | re.S)
_PROGRESS = re.compile(r"^\d\d:\d\d:\d\d .* images done.*\n", re.M)  # every half minute, so on slow machines only


def beginning(line: str) -> str:
    """Return the key of a line of YAML, or the first cell of one of CSV."""
    return re.split(r"[,:]", line, maxsplit=1)[0]


def shown(text: str) -> re.Pattern[str]:
    """Return a pattern of an output, in which `...` stands for anything."""
    return re.compile(re.escape(text).replace(re.escape("..."), ".*?"), re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a block, with the output that the page shows."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


class Reader:
    """Someone who does what the page says, in a shell and an editor.

    Args:
        installed: The environment that the page installs.
        home: Their home, an empty folder.
    """

    def __init__(self, installed: Installed, home: Path) -> None:
        (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        self._folder = home
        path = os.pathsep.join([str(installed.bin), os.environ["PATH"]])
        self._environment = installed.environment(HOME=str(home), PATH=path)

    def edit(self, name: str, text: str) -> None:
        """Write a file, or replace the lines of one that begin as the given ones do."""
        path = self._folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        for line in text.splitlines() if lines else ():
            (place,) = (number for number, old in enumerate(lines) if beginning(old) == beginning(line))
            lines[place] = line
        path.write_text("\n".join(lines) + "\n" if lines else text)

    def run(self, command: str) -> str:
        """Run a command, and return what it tells."""
        whole = f'{command}\nstatus=$?\npwd >"$HOME/.folder"\nexit $status'
        done = subprocess.run(
            ["bash", "-c", whole],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        self._folder = Path((Path(self._environment["HOME"]) / ".folder").read_text().rstrip("\n"))
        return _PROGRESS.sub("", done.stdout)


def test_every_block_of_the_tutorial_does_what_it_shows(installed, tmp_path):
    reader = Reader(installed, tmp_path)
    first, *blocks = _BLOCK.finditer(PAGE)
    assert [command for command, _ in steps(first["text"])][-1] == "pip install '.[review,dvc]'", "what the fixture is"
    for block in blocks:
        if block["file"]:
            reader.edit(block["file"], block["text"])
        for command, output in steps(block["text"]) if not block["language"] else ():
            told = reader.run(command)
            assert shown(output).fullmatch(told), f"$ {command}\n{told}"


def test_three_dots_stand_for_what_varies_and_for_nothing_else():
    assert shown("24 images, about ...; 2 more\n...\nend\n").fullmatch("24 images, about 4 s; 2 more\na\nb\nend\n")
    assert not shown("24 images\n").fullmatch("24 images\nWarning\n")
    assert not shown("a.b\n").fullmatch("axb\n")
