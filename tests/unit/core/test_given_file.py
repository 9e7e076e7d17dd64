"""A path of a user can lead to anything: no reader waits for a pipe, reads a device for ever, or shows a traceback."""

from __future__ import annotations

import os
import socket

import pytest

from imagemake.config.load import read_config
from imagemake.core.given_file import read_given
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.reviews import read_reviews

NO_FILE = "it is not a file, but a pipe, a socket, or a device."
WORDS = {"folder": "it is a folder, not a file.", "loop": "its links form a loop."}


@pytest.fixture(params=["folder", "pipe", "socket", "device", "loop"])
def odd(tmp_path, request, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = tmp_path / "catalog.csv"
    match request.param:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(path.name)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path.name)
    return path, WORDS.get(request.param, NO_FILE)


@pytest.mark.parametrize("read", [read_config, read_catalog, read_reviews])
def test_what_is_no_file_is_told_at_once_with_its_path(odd, read):
    path, words = odd
    with pytest.raises(UserError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.what.endswith(words)
    assert problem.remedy


def test_a_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"sku\nA\n")
    (tmp_path / "link").symlink_to("file")
    assert read_given(tmp_path / "link") == b"sku\nA\n"
