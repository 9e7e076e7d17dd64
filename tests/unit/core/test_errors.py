"""Every error of ours has one base, and ends a command with a documented exit status and no traceback."""

import importlib
import pkgutil

import pytest

import imagemake
from imagemake.core.errors import ImagemakeError, InterruptedByUserError, exit_on_error
from imagemake.core.problems import NotReadyError, Problem, UserError

# Not errors of ours: they carry a reason within one module, and its caller turns them into an answer.
INNER = {
    "BadValueError",
    "BrokenProfile",
    "NotFetchedError",
    "NotRememberedError",
    "StalePipeline",
    "StoppedBetweenSteps",
    "TooFewGpusError",
    "_ComesLaterError",
    "_Mistake",
}


def own_exceptions():
    for module in pkgutil.walk_packages(imagemake.__path__, "imagemake."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, Exception) and one.__module__.startswith("imagemake."):
                yield one


def test_every_exception_has_the_common_base():
    strangers = {one.__name__ for one in own_exceptions() if not issubclass(one, ImagemakeError)}
    assert strangers <= INNER


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError(Problem("a.yaml", "it is wrong.", "Correct it.")), 2, "a.yaml: it is wrong.\n  Correct it."),
        (NotReadyError("No key.", "Set one."), 3, "No key.\n  Set one."),
        (InterruptedByUserError("Stopped."), 130, "Stopped."),
        (KeyboardInterrupt(), 130, "\nStopped."),
    ],
)
def test_an_error_ends_in_words_and_its_exit_code(error, code, words, capsys):
    with pytest.raises(SystemExit) as ended, exit_on_error():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err == f"{words}\n"
