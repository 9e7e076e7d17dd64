"""Snakemake's logger plug-in `imagemake`: shows a run in a few lines. It passes events on to imagemake's console.

Snakemake finds it by the name of this package. The profile switches it on; ``--logger`` with another name replaces it,
and with ``--verbose``, ``--debug-dag``, or ``--printshellcmds`` Snakemake itself shows everything.
"""

from __future__ import annotations

import logging
import logging.handlers
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from imagemake.workflow.console.console import Console
from imagemake.workflow.console.profile_line import leave_out_profile_line

DRAIN_S = 2.0

leave_out_profile_line()


class LogHandler(LogHandlerBase):
    """Handles Snakemake's log records, in the thread of Snakemake's queue."""

    def __post_init__(self) -> None:
        """Create the console, unless Snakemake itself is to show everything."""
        # Otherwise, logging prints a traceback per record if Snakemake's own log is on a full disk.
        logging.raiseExceptions = False
        common = self.common_settings
        quiet = {str(getattr(one, "name", one)).lower() for one in common.quiet or ()}
        self._is_off = bool(common.verbose or common.debug_dag or common.printshellcmds)
        self._is_mute = "all" in quiet and not common.dryrun
        self._console: Console | None = None
        if not self._is_off:
            self._console = Console(is_dry=common.dryrun, is_quiet=bool(quiet), drain=_drain)

    @property
    def writes_to_stream(self) -> bool:
        """Whether this replaces Snakemake's own output."""
        return not self._is_off

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log stays."""
        return False

    @property
    def has_filter(self) -> bool:
        """The console decides what is shown."""
        return True

    @property
    def has_formatter(self) -> bool:
        """The console decides how it is shown."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The graph of rules is not shown."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on to the console."""
        try:
            handled = getattr(record, "imagemake_handled", None)
            if handled is not None:
                handled.set()
            elif self._console is not None:
                self._pass_on(self._console, record)
        except Exception:
            traceback.print_exc()

    def _pass_on(self, console: Console, record: logging.LogRecord) -> None:
        values = record.__dict__
        match values.get("event"):
            case LogEvent.WORKFLOW_STARTED:
                console.started(Path(values["cwd"]))
            case LogEvent.JOB_INFO:
                console.job_started(
                    values["jobid"], values["rule_name"], _texts(values, "output"), _texts(values, "log")
                )
            case LogEvent.JOB_FINISHED:
                console.job_finished(values["job_id"])
            case LogEvent.JOB_ERROR:
                console.job_failed(values["jobid"], values.get("rule_msg") or "")
            case LogEvent.ERROR if values.get("exception") == "RuleException" and "CalledProcessError" in record.msg:
                pass  # the error of the job follows
            case None | LogEvent.ERROR | LogEvent.GROUP_ERROR if not self._is_mute or record.levelno >= logging.ERROR:
                console.message(record.levelno, str(record.msg or ""))

    def close(self) -> None:
        """End the console. Snakemake calls this at the end of the process, after the last record."""
        if self._console is not None:
            console, self._console = self._console, None
            console.end()
        super().close()


def _texts(values: Mapping[str, Any], name: str) -> list[str]:
    return list(map(str, values.get(name) or ()))


def _drain() -> None:
    """Wait until the records that Snakemake has queued so far are handled."""
    if threading.current_thread() is not threading.main_thread():
        return
    for handler in logging.getLogger("snakemake.logging").handlers:
        if isinstance(handler, logging.handlers.QueueHandler):
            handled = threading.Event()
            record = logging.LogRecord("imagemake", logging.CRITICAL, "", 0, "", None, None)
            record.__dict__["imagemake_handled"] = handled
            handler.enqueue(record)
            handled.wait(DRAIN_S)
