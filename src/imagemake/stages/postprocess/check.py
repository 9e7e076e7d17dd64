"""Checks that all postprocessing steps can run, before a run pays for images."""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.config.fields import CONFIG
from imagemake.config.outputs import Postprocess
from imagemake.core.problems import NotReadyError, Problem, UserError
from imagemake.plugins.registry import install_command, packages_missing
from imagemake.plugins.steps import step_class


def check_steps(postprocess: Postprocess) -> None:
    """Check that the packages and files that the postprocessing steps need are present.

    Raises:
        UserError: If some are missing; lists one problem per step.
    """
    found = [problem for place, step in postprocess.steps_by_place().items() for problem in _problems(place, step)]
    if found:
        raise UserError(found)


def _problems(place: str, step: ChosenPlugin) -> Iterator[Problem]:
    kind = step_class(step.name)
    if missing := packages_missing(kind):
        what = f"step {step.name!r} needs packages that are not installed: {', '.join(missing)}."
        remedy = f"Install them: {install_command(step.name, kind)}; or remove the step."
        yield Problem(f"{CONFIG}, {place}", what, remedy)
        return
    try:
        kind.check(kind.Settings.model_validate(step.settings))
    except NotReadyError as error:
        yield Problem(f"{CONFIG}, {place}.{step.name}", error.what, error.remedy)
