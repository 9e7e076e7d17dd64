"""
Asks a text model for better prompts, as attempts.rewrite says, and puts the answers into the store. It spends money where
the model does. The next round uses the answers.

NEEDS  work/batches/{batch}.jsonl     calls, one for each rejected image
MAKES  work/rewritten/{batch}.jsonl   the same, with the reason where there is no answer
"""


rule rewrite:
    input:
        calls="work/batches/{batch}.jsonl",
    output:
        rewritten="work/rewritten/{batch}.jsonl",
    log:
        "logs/rewrite/{batch}.log",
    conda:
        conda_file("../envs/rewrite.yaml")
    threads: 0
    resources:
        judge_calls=judge_calls_of,
    params:
        project=project_folder,
        settings=settings_file(
            "campaign", "attempts", "models", "budget_usd", "limits", "store", "alerts"
        ),
    # `exec`, so that signals reach the script, and no shell that would end before it.
    shell:
        r"""
        exec python "$IMAGEMAKE_SCRIPTS"/start.py rewrite --project {params.project:q} --calls {resources.judge_calls} \
            --settings {params.settings:q} --batch {input.calls:q} --outcomes {output.rewritten:q} \
            >{log:q} 2>&1
        """
