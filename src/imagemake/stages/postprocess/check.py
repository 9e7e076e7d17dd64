"""Checks that all postprocessing steps can run, before a run pays for images."""

from __future__ import annotations

from imagemake.config.campaign import CONFIG
from imagemake.config.outputs import Postprocess
from imagemake.core.problems import Problem, UserError
from imagemake.plugins.registry import install_command, packages_missing
from imagemake.plugins.steps import step_class


def check_steps(postprocess: Postprocess) -> None:
    """Check that the packages of all postprocessing steps are installed.

    Raises:
        UserError: If packages are missing; lists one problem per step.
    """
    problems = [
        Problem(
            f"{CONFIG}, {place}",
            f"step {step.name!r} needs packages that are not installed: {', '.join(missing)}.",
            f"Install them: {install_command(step.name, kind)}; or remove the step.",
        )
        for place, step in postprocess.steps_by_place().items()
        if (missing := packages_missing(kind := step_class(step.name)))
    ]
    if problems:
        raise UserError(problems)
