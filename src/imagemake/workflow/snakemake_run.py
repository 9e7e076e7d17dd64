"""What imagemake needs of Snakemake's `workflow` object, whose attributes are not a public interface.

Our Snakefile can be the main one, be included by a project's own, or be a module with a prefix. In each case the hooks
must be called, even if the including Snakefile has hooks of its own.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.config.fields import CONFIG
from imagemake.config.listings import with_listed_facts
from imagemake.config.load import run_config
from imagemake.core.errors import ExitCode, exit_on_error
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import WORK
from imagemake.workflow.kubernetes import prepare_kubernetes
from imagemake.workflow.slurm import ask_who_knows
from imagemake.workflow.stopping import exit_if_stopped


class Hooks(Protocol):
    """What is called when a run starts and ends; see `imagemake.workflow.planner.Planner`."""

    def begin_run(self) -> None:
        """Called before the first job."""

    def missing(self) -> list[str]:
        """Return one line for each planned target that lacks images."""

    def end_run(self, *, crashed: bool) -> None:
        """Called after a run that began, unless a signal stopped it; `crashed` tells whether it ended with an error."""


class SnakemakeRun:
    """One process of Snakemake, seen from our Snakefile.

    Args:
        workflow: Snakemake's object of that name.
        config: Snakemake's `config`.
    """

    def __init__(self, workflow: Any, config: Mapping[str, Any]) -> None:
        self._workflow = workflow
        self._config = config
        # Only the modifier of the file that is being read is `workflow.modifier`, so this can't wait.
        self._is_given_config = bool(workflow.modifier.skip_configfile)
        self.project = Path(workflow.modifier.path_modifier.replace_prefix("work")).parent

    @cached_property
    def is_real(self) -> bool:
        """Whether this process runs the jobs: no dry run, and no job of its own; known once a rule is planned."""
        from snakemake_interface_executor_plugins.settings import ExecMode

        workflow = self._workflow
        is_execution = workflow.execution_settings is not None  # not --report, --summary, and so on
        return is_execution and not workflow.dryrun and workflow.exec_mode == ExecMode.DEFAULT

    @property
    def starts_jobs_here(self) -> bool:
        """Whether this process starts the jobs itself, in no other environment than its own."""
        return self.is_real and self._workflow.local_exec and not self._workflow.deployment_settings.deployment_method

    def campaign(self) -> Campaign:
        """Read the campaign. Exits without a traceback if it contains mistakes.

        Not by ``configfile:``, which reads YAML 1.1, where 00123 is 83. A module that is given a `config` uses that,
        unless it is what ``configfile:`` reads from our file.
        """
        with exit_on_error():
            if not self.project.is_dir():
                remedy = f"Create it, with {CONFIG} in it: imagemake init {self.project}"
                raise UserError(Problem(str(self.project), "this folder, the module's prefix, is missing.", remedy))
            if self._is_given_config and not self._is_what_configfile_reads():
                return with_listed_facts(load_campaign(self._config), self.project)
            settings = self._workflow.config_settings
            files = [path.absolute() for path in settings.configfiles]
            values, replaces = settings.config_args or (), settings.replace_workflow_config
            with chdir(self.project):
                return with_listed_facts(load_campaign(run_config(files, values, replaces=replaces)))

    @property
    def work_address(self) -> str | None:
        """Where jobs find ``work/`` if they share no disk: Snakemake's default storage; None if it has none."""
        settings = self._workflow.storage_settings
        return settings.default_storage_prefix if settings and settings.default_storage_provider else None

    def local(self, path: str) -> Any:
        """Return a path that is on this disk, also where jobs share none."""
        from snakemake.io import flag

        return flag(str(self.project / path), "local") if self.work_address else path

    def prepare_executor(self) -> None:
        """Set what the plug-in that starts the jobs cannot find out itself."""
        plugin = self._workflow.executor_plugin
        if plugin is None:
            return
        if plugin.name == "slurm":
            ask_who_knows(self._workflow.executor_settings)
        if plugin.name == "kubernetes":
            image = self._workflow.remote_execution_settings.container_image
            prepare_kubernetes(self._workflow.executor_settings, image, WORK)
        # The image has the storage plug-in. Each job would download its newest version and all that it needs: half a
        # minute of CPU time for packages that are not used, and without a way to the internet, the job's end.
        plugin.common_settings.auto_deploy_default_storage_provider = False

    def limit_gpus(self, count: Callable[[], int]) -> None:
        """Limit jobs on this machine to its GPUs, or to one job at a time if it has none. A cluster has limits itself.

        Args:
            count: Returns the number of GPUs.
        """
        if self._workflow.local_exec:
            self.limit("gpu", max(1, count()))

    def limit(self, name: str, most: int) -> None:
        """Limit a resource of the run, unless an option does. Of several modules, the lowest limit holds.

        Without a shared disk, no option makes it higher: each job gets its share of the rates by it.
        """
        from snakemake.resources import Resource

        resources, ours = self._workflow.global_resources, self._shared("limits", {})
        is_more = self.work_address is not None and name in resources and resources[name].value > most
        if name not in resources or most < ours.get(name, 0) or is_more:
            resources[name] = Resource(name, most)
            ours[name] = most

    def _shared(self, name: str, first: Any) -> Any:
        """Return what all modules of this process share."""
        return self._workflow.__dict__.setdefault(f"_imagemake_{name}", first)

    def _is_what_configfile_reads(self) -> bool:
        from snakemake.common.configfile import load_configfile

        path = self.project / CONFIG
        return path.is_file() and dict(self._config) == load_configfile(str(path))

    def call_hooks(self, hooks: Hooks) -> None:
        """Call hooks when this run starts and ends, beside those that a Snakefile has. Call this once all are read.

        At its end, the process exits with `ExitCode.INCOMPLETE` and one line per target if images are missing.

        Raises:
            UserError: If ``--no-hooks`` is given.
        """
        if self._workflow.execution_settings.no_hooks:
            what = "without hooks, nothing would lock the folder and keep to the budget."
            raise UserError(Problem("--no-hooks", what, "Run without this option."))
        called: list[Hooks] = self._shared("hooks", [])
        called.append(hooks)
        if len(called) > 1:
            return

        def exit_incomplete() -> None:
            # Snakemake ends with 0 and calls no hook if it has no job to run, whatever the target lacks.
            if _tell_missing(called):
                sys.stdout.flush()
                os._exit(ExitCode.INCOMPLETE)

        def on_start() -> None:
            for one in called:
                one.begin_run()

        def on_success() -> None:
            atexit.unregister(exit_incomplete)
            _end_timers()
            for one in called:
                one.end_run(crashed=False)
            if _tell_missing(called):
                sys.exit(ExitCode.INCOMPLETE)

        def on_error() -> None:
            atexit.unregister(exit_incomplete)  # the status of the error stays
            _end_timers()
            exit_if_stopped()
            for one in called:
                one.end_run(crashed=True)

        atexit.register(exit_incomplete)
        self._add("_onstart", on_start, first=True)
        self._add("_onsuccess", on_success, first=False)
        self._add("_onerror", on_error, first=True)

    def _add(self, name: str, ours: Callable[[], None], *, first: bool) -> None:
        theirs = getattr(self._workflow, name)

        def both(log: Any) -> None:
            if first:
                ours()
            theirs(log)
            if not first:
                ours()

        setattr(self._workflow, name, both)


def _end_timers() -> None:
    """End the timers of Snakemake's limit of jobs per time: the process would wait up to a second for the last one."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.function.__module__.startswith("snakemake.scheduling."):
            thread.cancel()


def _tell_missing(called: Sequence[Hooks]) -> bool:
    lines = [line for one in called for line in one.missing()]
    if lines:
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    return bool(lines)
