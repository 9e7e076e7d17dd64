"""
Plans the next round: new attempts, with other seeds and patched prompts, at the requests that failed.

NEEDS  the plan, and every validated table of the previous round
MAKES  work/rounds/{run}-{round}.json   the batches of this round; none if nothing is left to try
"""


checkpoint next_round:
    input:
        plan=here("work/plans/{run}.json"),
        tables=validated_before,
    output:
        batches=here("work/rounds/{run}-{round}.json"),
    log:
        here("logs/next_round/{run}-{round}.log"),
    localrule: True  # on a cluster, it would wait longer than it works
    conda:
        conda_file("../envs/next_round.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/start.py next_round --project {params.project:q} '
        "--plan {input.plan:q} --batches {output.batches:q} 2>{log:q}"
