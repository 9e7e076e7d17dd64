"""
Plans the next round: new attempts, with other seeds and patched prompts, at the requests that failed.

NEEDS  the plan, and every validated table of the previous round
MAKES  work/rounds/{run}-{round}.json   the batches of this round; none if nothing is left to try
"""


checkpoint next_round:
    input:
        plan="work/plans/{run}.json",
        tables=validated_before,
    output:
        batches="work/rounds/{run}-{round}.json",
    log:
        "logs/next_round/{run}-{round}.log",
    conda:
        "../envs/next_round.yaml"
    shell:
        "python scripts/next_round.py --plan {input.plan:q} --batches {output.batches:q} 2>{log:q}"
