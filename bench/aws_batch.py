"""Runs 20 images with the profile for AWS Batch, which moto stands for: each job is a container of podman.

``python bench/aws_batch.py IMAGE [pilot|killed|again]`` needs podman, runc, root, moto's server, and the packages that
`profiles/aws-batch` names. IMAGE has imagemake and the storage plug-in, as docs/how-to/aws-batch.md says. ``killed``
kills a container while it generates, and ``again`` Snakemake; both start a second time. It prints how each start ended,
what was paid for twice, and whether the key of the provider is in a job definition.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from s3_server import S3Server, an_s3_server  # noqa: E402
from workflow.project import Project  # noqa: E402

REGION, PORT = "eu-central-1", 5055
ROWS = 20
FEW_IMAGES = 5  # that have arrived when something is killed
LIMIT_S = 900
SNAKEFILE = """
from imagemake.workflow.installed import SNAKEFILE

module imagemake:
    snakefile: SNAKEFILE

use rule * from imagemake
"""
# Containers on the network of this machine, with its limits of processes and files.
PODMAN = """
[containers]
netns = "host"
cgroupns = "host"
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def main() -> None:
    """Run, and print."""
    image, case = sys.argv[1], (*sys.argv[2:], "pilot")[0]
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        server = ending.enter_context(FakeOpenAI(Settings(any_size=True, latency_s=1.0)))
        s3 = ending.enter_context(an_s3_server(folder / "s3", "our-images"))
        os.environ |= {**s3.environment(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}"}
        (folder / "podman.conf").write_text(PODMAN)
        os.environ["CONTAINERS_CONF"] = str(folder / "podman.conf")
        ending.enter_context(amazon(folder))
        role, queue = prepare()
        store = {"remote": "s3://our-images/store", "share": "everything"}
        project = Project(folder / "project", server, rows=ROWS, batch_size=10, store=store)
        (project.folder / "Snakefile").unlink()
        (project.folder / "Snakefile").write_text(SNAKEFILE)
        ways = ["--container-image", image, "--aws-batch-job-queue", queue, "--aws-batch-job-role", role, "--jobs", "2"]
        run(project, ways, s3, case)
        if case != "pilot":
            server.wait_until_idle()
            run(project, ways, s3, "")
        billed = server.totals().billed_by_prompt
        print(f"{len(billed)} images, {sum(billed.values())} paid for, {len(project.images())} in the release")
        print(project.imagemake("ledger").stdout)


@contextmanager
def amazon(folder: Path) -> Iterator[None]:
    """Start podman's service, and moto, which asks it to run jobs."""
    socket = f"unix://{folder}/podman.sock"
    with ExitStack() as ending, (folder / "services.log").open("w") as log:
        here = {**os.environ, "DOCKER_HOST": socket, "MOTO_DOCKER_NETWORK_MODE": "host"}
        moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(PORT)]
        for command in (["podman", "system", "service", "--time=0", socket], moto):
            process = subprocess.Popen(command, env=here, stdout=log, stderr=log)
            ending.callback(process.wait)
            ending.callback(process.terminate)
        yield


def client(service: str) -> Any:
    """Return a client of boto3."""
    import boto3

    return boto3.client(service, region_name=REGION)


def prepare() -> tuple[str, str]:
    """Create what an account must have, and return the names of the jobs' role and queue."""
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        with suppress(Exception):
            client("batch").describe_job_queues()
            break
        time.sleep(0.5)
    iam, ec2, batch = client("iam"), client("ec2"), client("batch")
    role = iam.create_role(RoleName="our-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    profile = iam.create_instance_profile(InstanceProfileName="ours")["InstanceProfile"]["Arn"]
    network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    resources = {
        "type": "EC2",
        "minvCpus": 0,
        "maxvCpus": 2,
        "instanceTypes": ["t2.small"],
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroupIds": [ec2.create_security_group(GroupName="g", Description="d", VpcId=network)["GroupId"]],
        "instanceRole": profile,
    }
    on = {"state": "ENABLED"}
    computers = batch.create_compute_environment(
        computeEnvironmentName="computers", type="MANAGED", serviceRole=role, computeResources=resources, **on
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": computers}]
    queue = batch.create_job_queue(jobQueueName="our-queue", priority=1, computeEnvironmentOrder=order, **on)
    client("secretsmanager").create_secret(Name="our-secret", SecretString="sk-stand-in")
    return role, queue["jobQueueArn"]


def run(project: Project, ways: list[str], s3: S3Server, case: str) -> None:
    """Start Snakemake, kill what the case says, and print how it ended."""
    profile = yaml.safe_load((REPOSITORY / "profiles" / "aws-batch" / "config.yaml").read_text())
    given = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}  # as a role gives
    exports = "".join(f"export {name}='{value}'; " for name, value in given.items())
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/aws-batch", *ways]
    command += ["--precommand", exports + profile["precommand"]]
    begin_s = time.monotonic()
    with (project.folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=project.folder, env=project.environment(), stdout=log, stderr=log, start_new_session=True
        )
    raw = s3.folder / "our-images" / "store" / "raw"
    while process.poll() is None and time.monotonic() - begin_s < LIMIT_S:
        time.sleep(0.5)
        if case in ("killed", "again") and len(list(raw.glob("*/*/*.*"))) >= FEW_IMAGES:
            kill(process, case)
            case = ""
    definitions = client("batch").describe_job_definitions()["jobDefinitions"]
    print((project.folder / "run.log").read_text())
    print(f"exit {process.wait()}, {time.monotonic() - begin_s:.0f} s, {len(definitions)} job definitions")
    print("the key is in them" if "sk-stand-in" in json.dumps(definitions, default=str) else "the key is not in them")


def kill(process: subprocess.Popen[bytes], case: str) -> None:
    """Kill a container that generates, or Snakemake."""
    if case == "again":
        os.killpg(process.pid, signal.SIGKILL)
        return
    found = subprocess.run(["podman", "ps", "--format", "{{.Names}}"], capture_output=True, text=True, check=True)
    name = next(line for line in found.stdout.splitlines() if "generate" in line)
    subprocess.run(["podman", "kill", name], check=True)


if __name__ == "__main__":
    main()
