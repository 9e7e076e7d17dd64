"""Why a job failed, from what it left in its log."""

import pytest

from imagemake.workflow.console.failures import error_in, log_text, warnings_in, without_traceback

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
    log = "Warning: one\n  Do this.\nother\n  no\ngenerate-1a: Warning: two\na line of a Warning: no\n"
    assert warnings_in(log) == ["Warning: one\n  Do this.", "Warning: two"]


def test_only_the_end_of_a_log_is_read(tmp_path):
    (tmp_path / "log").write_text("x" * 50_000 + "\nthe end\n")
    text = log_text(tmp_path / "log")
    assert len(text) == 20_000
    assert text.endswith("the end\n")
    assert log_text(tmp_path / "none") == ""


def test_what_snakemake_says_is_shown_without_where_in_code_it_says_it():
    message = 'WorkflowError in file "x.smk", line 3:\nno such file\n  File "/a/b.py", line 4, in f\n'
    assert without_traceback(message) == 'WorkflowError in file "x.smk", line 3:\nno such file'
