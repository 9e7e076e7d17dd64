"""
Asks models about the images of a batch that no other check rejects, and puts the answers into the store. It spends
money where the models do. Campaigns that ask nothing have no job of this rule.

NEEDS  work/validated/{batch}.jsonl   images with measures
MAKES  work/judged/{batch}.jsonl      the same with answers, or the reason why there are none
"""


rule judge:
    input:
        images=measured_of,
    output:
        judged="work/judged/{batch}.jsonl",
    log:
        "logs/judge/{batch}.log",
    conda:
        conda_file("../envs/judge.yaml")
    threads: 0
    resources:
        judge_calls=calls_of_judge,
        batches=batches_of_judge,
    params:
        project=project_folder,
        settings=settings_file(
            "campaign",
            "validation",
            "models",
            "budget_usd",
            "limits",
            "store",
            "alerts",
        ),
    # `exec`, so that signals reach the script, and no shell that would end before it.
    shell:
        r"""
        exec python "$IMAGEMAKE_SCRIPTS"/start.py judge --project {params.project:q} --calls {resources.judge_calls} \
            --settings {params.settings:q} --batch {input.images:q} --outcomes {output.judged:q} \
            >{log:q} 2>&1
        """
