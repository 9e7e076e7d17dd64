"""Runs each job as Kubernetes does: in a folder of its own that is empty, with some environment variables, no more.

The job gets the Snakefile from the archive that Snakemake puts into the storage. It runs until its process ends, or
until a test kills that. ``SNAKEMAKE_BARE_FOLDERS`` names the folder of the jobs' folders.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)
OF_THE_IMAGE = ("PATH", "PYTHONPATH", "LANG", "HOME")  # what a container's image sets


class Executor(RemoteExecutor):
    def run_job(self, job: JobExecutorInterface) -> None:
        folders = Path(os.environ["SNAKEMAKE_BARE_FOLDERS"])
        folder = Path(tempfile.mkdtemp(prefix=f"{job.name}-", dir=folders))
        environment = {name: os.environ[name] for name in OF_THE_IMAGE if name in os.environ}
        environment |= self.envvars()
        with (folders / f"{folder.name}.log").open("w") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self.format_job_exec(job)],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (folders / f"{folder.name}.pid").write_text(str(process.pid))
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=str(process.pid), aux={"process": process}))

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        for info in active_jobs:
            status = info.aux["process"].poll()
            if status is None:
                yield info
            elif status == 0:
                self.report_job_success(info)
            else:
                self.report_job_error(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        for info in active_jobs:
            os.killpg(info.aux["process"].pid, signal.SIGTERM)

    def get_python_executable(self) -> str:
        return sys.executable
