"""
The plan, and the input functions that read it. Planning waits until a rule asks for it, so a job on a cluster node, which parses
this file again, costs no plan.
"""

from pathlib import Path

from snakemake.resources import Resource

from imagemake.config.campaign import load_campaign
from imagemake.workflow.process import python_path, use_this_python
from imagemake.plan.call_modes import call_mode_of_batch
from imagemake.workflow.planner import Planner
from imagemake.core.errors import exit_on_error
from imagemake.config.job_settings import job_settings_json

use_this_python()
# In a conda environment of a stage, this package is not installed. Strict mode is what a prefix of our own replaces.
# The user's own entries stay: jobs find the same plug-ins as the plan.
shell.prefix(f"set -euo pipefail; export PYTHONPATH={python_path()}; ")

with exit_on_error():
    CAMPAIGN = load_campaign(config)
PLANNER = Planner(CAMPAIGN)

# The campaign caps calls and batches in flight; `--resources api_calls=N` on the command line or in a profile wins.
for name, most in (
    ("api_calls", CAMPAIGN.limits.in_flight),
    ("batches", CAMPAIGN.limits.batches_in_flight),
):
    if name not in workflow.global_resources:
        workflow.global_resources[name] = Resource(name, most)


wildcard_constraints:
    batch=r"(generate|validate|postprocess)-[0-9a-f]{16}",
    run=r"[0-9a-f]{16}",
    round=r"[0-9]+",
    image=r"[^/]+",


def settings_of(*names):
    """Some sections of the campaign as a parameter: by a function, since in a text Snakemake would read `{name}` as a wildcard."""
    text = job_settings_json(CAMPAIGN, *names)
    return lambda wildcards: text


def api_calls_of(wildcards, input):
    """Half of what is allowed, so that one job starts while another one still waits for its last answers; none for a job
    that buys or collects a batch, which makes no image by a call of its own."""
    call_mode, n_items = call_mode_of_batch(Path(input.batch), CAMPAIGN)
    return (
        0 if call_mode.in_batches else min(n_items, -(-CAMPAIGN.limits.in_flight // 2))
    )


def batches_of(wildcards, input):
    call_mode, n_items = call_mode_of_batch(Path(input.batch), CAMPAIGN)
    return 1 if call_mode.in_batches else 0


def threads_of(wildcards, input):
    """Waiting for answers is no work: such a job takes tokens, not a core. A cluster profile gives it one."""
    call_mode, n_items = call_mode_of_batch(Path(input.batch), CAMPAIGN)
    return 0 if call_mode.paid else 1


def plan_of(scope):
    """The plan's file for a scope; nothing where its release is up to date, so that nothing runs."""
    return lambda wildcards: PLANNER.plan(scope.format(**wildcards)).inputs


def postprocessed_of(scope):
    """The finished tables of a scope's first round, which are known at once."""

    def tables(wildcards):
        plan = PLANNER.plan(scope.format(**wildcards))
        return expand("work/postprocessed/{batch}.jsonl", batch=plan.batches)

    return tables


def postprocessed_later_of(scope):
    """The finished tables of the later rounds."""

    def tables(wildcards):
        plan = PLANNER.plan(scope.format(**wildcards))
        return expand(
            "work/postprocessed/{batch}.jsonl", batch=list(later_batches(plan))
        )

    return tables


def later_batches(plan):
    """The batches of later rounds: each round is known when the one before it is validated."""
    round = 1
    batches = [batch for batch in plan.batches if makes_verdicts(batch)]
    while batches and round <= plan.last_round:
        listing = checkpoints.next_round.get(run=plan.run, round=round).output.batches
        batches = PLANNER.batches_in(listing)
        yield from batches
        round += 1


def makes_verdicts(batch):
    return not batch.startswith("postprocess-")


def validated_before(wildcards):
    """The validated tables of the round before this one."""
    if wildcards.round == "1":
        batches = PLANNER.batches_in(f"work/plans/{wildcards.run}.json")
    else:
        before = int(wildcards.round) - 1
        batches = PLANNER.batches_in(
            checkpoints.next_round.get(run=wildcards.run, round=before).output.batches
        )
    return expand(
        "work/validated/{batch}.jsonl",
        batch=[batch for batch in batches if makes_verdicts(batch)],
    )


def images_of(wildcards):
    """The table that tells where a batch's raw images are: the batch itself where they are all in the store."""
    folder = "generated" if wildcards.batch.startswith("generate-") else "batches"
    return f"work/{folder}/{wildcards.batch}.jsonl"


def verdicts_of(wildcards):
    """The table that tells a batch's measures: the batch itself where they were read before."""
    folder = "validated" if makes_verdicts(wildcards.batch) else "batches"
    return f"work/{folder}/{wildcards.batch}.jsonl"
