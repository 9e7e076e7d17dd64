"""Whether images can be finished as the campaign asks, before anything is paid for."""

from __future__ import annotations

from imagemake.config.campaign import CONFIG
from imagemake.config.outputs import Postprocess
from imagemake.core.problems import Problem, UserError
from imagemake.plugins.registry import install_command, packages_missing
from imagemake.plugins.steps import step_class


def check_steps(postprocess: Postprocess) -> None:
    """Check that what post-processing steps need is installed.

    Raises:
        UserError: One problem a step that lacks something.
    """
    problems = [
        Problem(
            f"{CONFIG}, {place}",
            f"step {step.name!r} needs packages that are not installed: {', '.join(missing)}.",
            f"Install them: {install_command(step.name, kind)}; or take the step out.",
        )
        for place, step in postprocess.steps_by_place().items()
        if (missing := packages_missing(kind := step_class(step.name)))
    ]
    if problems:
        raise UserError(problems)
