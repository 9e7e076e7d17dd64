"""
The plan, and the input functions that read it. Planning waits until a rule asks for it, because jobs on cluster nodes
parse this file again and must not plan again.
"""

from pathlib import Path

from imagemake.config.fields import CONFIG
from imagemake.core.garbage import collect_rarely
from imagemake.workflow.installed import SCRIPTS
from imagemake.workflow.process import job_prefix, use_this_python
from imagemake.workflow.snakemake_run import SnakemakeRun
from imagemake.plan.call_modes import call_mode_of_batch
from imagemake.workflow.planner import Planner

use_this_python()
collect_rarely()

RUN = SnakemakeRun(workflow, config)
shell.prefix(job_prefix(SCRIPTS, RUN.work_address))
here = RUN.local  # files that stay on the disk of the main process
PROJECT = RUN.project  # not the working folder if this is a module with a prefix
CAMPAIGN = RUN.campaign()
# Verdicts depend on answers only where something is asked.
VERDICTS = "judged" if CAMPAIGN.validation.asked.askers else "validated"
PLANNER = Planner(CAMPAIGN, RUN)
ALL_CORES = 10_000  # Snakemake lowers it to what there is
if (PROJECT / CONFIG).exists():
    # For Snakemake's report and archive.
    workflow.configfiles.append(str(PROJECT / CONFIG))

# The campaign limits calls and batches in flight. `--resources api_calls=N`, also in a profile, takes precedence.
RUN.limit("api_calls", CAMPAIGN.limits.in_flight)
RUN.limit("batches", CAMPAIGN.limits.batches_in_flight)
RUN.limit("judge_calls", CAMPAIGN.limits.judge_calls_in_flight)
IN_BATCHES = CAMPAIGN.validation.asked.in_batches


wildcard_constraints:
    batch=r"(generate|validate|judge|rewrite|postprocess)-[0-9a-f]{16}",
    run=r"[0-9a-f]{16}",
    round=r"[0-9]+",
    image=r"[^/]+",


# Parameters take `input`, so that Snakemake does not record and compare them: for that, it imports pandas.
def project_folder(wildcards, input):
    """Return the folder of the project. A shell command of a module sees only the main Snakefile's variables."""
    return str(PROJECT)


def settings_file(*names):
    """Return the file of some sections of the campaign as a parameter: a function, so that braces are no wildcards."""
    path = PLANNER.settings_file(*names)
    return lambda wildcards, input: path


def conda_file(path):
    """Return a file of a conda environment. Snakemake formats the path of a local one, so its braces are doubled."""
    file = workflow.current_basedir.join(path)
    if not file.is_local:
        return file
    return type(file)(file.path.replace("{", "{{").replace("}", "}}"))


def api_calls_of(wildcards, input):
    """Return the calls that a job may have in flight: half of the limit, so that a second job starts while the first
    one waits for its last responses. A job that submits or collects a batch at the provider needs none, and one that
    computes itself has its own number.
    """
    call_mode, n_items = call_mode_of_batch(PLANNER.batch_here(input.batch), CAMPAIGN)
    if call_mode.in_batches or call_mode.local_device:
        return 0
    return min(n_items, -(-CAMPAIGN.limits.in_flight // 2))


def judge_calls_of(wildcards, input):
    """Return the calls that a job which asks for prompts may have in flight: half of the limit, so that two overlap."""
    return -(-CAMPAIGN.limits.judge_calls_in_flight // 2)


def calls_of_judge(wildcards, input):
    """Return the calls that a job which judges may have in flight, fewer where most of its questions are in a batch:
    then it waits for hours, and as many such jobs as the limit of batches allows run beside each other.
    """
    jobs = CAMPAIGN.limits.batches_in_flight if IN_BATCHES else 2
    return -(-CAMPAIGN.limits.judge_calls_in_flight // jobs)


def batches_of_judge(wildcards, input):
    """Return how many batches a job which judges has in flight at the provider."""
    return 1 if IN_BATCHES else 0


def batches_of(wildcards, input):
    """Return how many batches a job has in flight at the provider."""
    call_mode, n_items = call_mode_of_batch(PLANNER.batch_here(input.batch), CAMPAIGN)
    return 1 if call_mode.in_batches else 0


def gpus_of(wildcards, input):
    """Return one GPU for a job that computes on it, and else None: Kubernetes would look for a node with 0 GPUs."""
    call_mode, n_items = call_mode_of_batch(PLANNER.batch_here(input.batch), CAMPAIGN)
    return 1 if call_mode.local_device == "gpu" else None


def threads_of(wildcards, input):
    """Return no core for a job that only waits for a server, and all of them for a model that runs on the CPU.

    `api_calls` limits the former; a cluster profile sets one core.
    """
    call_mode, n_items = call_mode_of_batch(PLANNER.batch_here(input.batch), CAMPAIGN)
    if call_mode.local_device == "cpu":
        return ALL_CORES
    return 0 if call_mode.paid and not call_mode.local_device else 1


def plan_of(scope):
    """Return the plan's file for a scope, or no file if the release is up to date, so that nothing runs."""
    return lambda wildcards: [
        here(path) for path in PLANNER.plan(scope.format(**wildcards)).inputs
    ]


def postprocessed_of(scope):
    """Return the postprocessed tables of a scope's first round. They are known when the plan is."""

    def tables(wildcards):
        plan = PLANNER.plan(scope.format(**wildcards))
        return postprocessed(plan.batches)

    return tables


def postprocessed_later_of(scope):
    """Return the postprocessed tables of a scope's later rounds."""

    def tables(wildcards):
        plan = PLANNER.plan(scope.format(**wildcards))
        return postprocessed(later_batches(plan))

    return tables


def postprocessed(batches):
    """Return the postprocessed tables of batches. Those that rewrite prompts have none."""
    own = [batch for batch in batches if not rewrites_prompts(batch)]
    return expand("work/postprocessed/{batch}.jsonl", batch=own)


def later_batches(plan):
    """Yield the batches of later rounds. A round is known once the previous one is validated."""
    round = 1
    batches = [batch for batch in plan.batches if has_next_round(batch)]
    while batches and round <= plan.last_round:
        listing = checkpoints.next_round.get(run=plan.run, round=round).output.batches
        batches = PLANNER.batches_in(listing)
        yield from batches
        round += 1


def has_next_round(batch):
    """Return whether a batch can have consequences: its images can be rejected, or it writes prompts of attempts."""
    return not batch.startswith("postprocess-")


def rewrites_prompts(batch):
    """Return whether a batch asks for prompts, and not about images."""
    return batch.startswith("rewrite-")


def validated_before(wildcards):
    """Return the validated tables of the previous round."""
    if wildcards.round == "1":
        batches = PLANNER.batches_in(PROJECT / f"work/plans/{wildcards.run}.json")
    else:
        previous = int(wildcards.round) - 1
        batches = PLANNER.batches_in(
            checkpoints.next_round.get(run=wildcards.run, round=previous).output.batches
        )
    own = [batch for batch in batches if has_next_round(batch)]
    return [
        f"work/{'rewritten' if rewrites_prompts(batch) else VERDICTS}/{batch}.jsonl"
        for batch in own
    ]


def images_of(wildcards):
    """Return the table with the raw images of a batch: the batch itself if all of them are in the store."""
    folder = "generated" if wildcards.batch.startswith("generate-") else "batches"
    return f"work/{folder}/{wildcards.batch}.jsonl"


def measured_of(wildcards):
    """Return the table with the measures of a batch: the batch itself if all of them are known."""
    folder = "batches" if wildcards.batch.startswith("judge-") else "validated"
    return f"work/{folder}/{wildcards.batch}.jsonl"


def verdicts_of(wildcards):
    """Return the table with the measures and answers of a batch: the batch itself if all of them are known."""
    folder = VERDICTS if has_next_round(wildcards.batch) else "batches"
    return f"work/{folder}/{wildcards.batch}.jsonl"
