"""Why a job failed, from what it left in its log."""

import os
from types import SimpleNamespace

import pytest

from imagemake.workflow.console.failures import error_in, log_text, plain, warnings_in, without_message

TRACEBACK = """Traceback (most recent call last):
  File "/x/scripts/release.py", line 26, in <module>
    main()
  File "/x/release/writer.py", line 60, in write
    images.mkdir()
    ^^^^^^^^^^^^^^
NotADirectoryError: [Errno 20] Not a directory: 'results/images'
"""


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("HTTP 401: no such key\n  Set OPENAI_API_KEY.\n", "HTTP 401: no such key. Set OPENAI_API_KEY."),
        ("Warning: a\ngenerate-1: 3 of 4 images\nHTTP 404\n", "HTTP 404"),
        (TRACEBACK, "NotADirectoryError: [Errno 20] Not a directory: 'results/images'"),
        (TRACEBACK + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK, None),
        ("", ""),
        ("\n  \n", ""),
        ("Warning: only this\n", ""),
    ],
)
def test_the_error_is_the_end_of_the_log_in_one_line(log, error):
    found = error_in(log)
    assert found == (error if error is not None else "NotADirectoryError: [Errno 20] Not a directory: 'results/images'")
    assert "\n" not in found


def test_an_error_without_end_is_cut():
    assert len(error_in("x" * 100_000)) == 600


def test_warnings_are_found_with_what_is_indented_below_them():
    log = "Warning: one\n  Do this.\nother\n  no\ngenerate-1a: Warning: two\na Warning: no\nServer: a is ready\n"
    assert warnings_in(log) == ["Warning: one\n  Do this.", "Warning: two", "Server: a is ready"]


def test_only_the_end_of_a_log_is_read(tmp_path):
    (tmp_path / "log").write_text("x" * 50_000 + "\nthe end\n")
    text = log_text(tmp_path / "log")
    assert len(text) == 20_000
    assert text.endswith("the end\n")
    assert log_text(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'WorkflowError in file "x.smk", line 3:\nno such file\n  File "/a/b.py", line 4, in f\n',
            'WorkflowError in file "x.smk", line 3:\nno such file',
        ),
        (
            TRACEBACK.replace("NotADirectoryError: [Errno 20] Not a directory: 'results/images'", "KeyError: 'x'"),
            "KeyError: 'x'",
        ),
        (
            "FileExistsError in file \"x.smk\", line 3:\n[Errno 17] File exists: 'a'",
            "FileExistsError in file \"x.smk\", line 3:\n[Errno 17] File exists: 'a'",
        ),
    ],
)
def test_what_snakemake_says_is_shown_without_code_and_where_it_is(message, said):
    assert plain(message) == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "WorkflowError:\nFailed to create output directory logs/generate.\n"
            "OSError: [Errno 28] No space left on device: 'logs/generate'",
            "logs/generate: the disk is full. Free some space",
        ),
        (
            TRACEBACK.replace("NotADirectoryError: [Errno 20] Not a directory", "OSError: [Errno 30] Read-only"),
            "results/images: the file system is read-only. Mount it writable",
        ),
        (
            "FileExistsError: [Errno 17] File exists: '.snakemake'",
            ".snakemake: it is not a folder, but a file or a broken link. Rename it",
        ),
        (
            "WorkflowError:\nError recording metadata for finished job ([Errno 28] No space left on device). Please "
            "ensure write permissions for the directory /shop/.snakemake",
            "/shop/.snakemake: the disk is full. Free some space",
        ),
    ],
)
def test_what_the_computer_refuses_snakemake_is_one_line_with_a_remedy(message, said):
    assert plain(message).startswith(said)
    assert "\n" not in plain(message)


def test_a_job_whose_log_found_no_room_says_so(tmp_path, monkeypatch):
    log = tmp_path / "logs" / "generate" / "a.log"
    log.parent.mkdir(parents=True)
    assert without_message(log) == without_message(None) == "it ended without a message"
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096, f_files=0, f_flag=0))
    assert without_message(log).startswith(f"{log.parent}: the disk is full. Free some space (df -h shows")
