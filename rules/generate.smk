"""
Generates the images of a batch and puts them into the store. Only this rule spends money.

NEEDS  work/batches/{batch}.jsonl     requests, one per line
MAKES  work/generated/{batch}.jsonl   one outcome per request; the images are in the store
"""


rule generate:
    input:
        batch="work/batches/{batch}.jsonl",
    output:
        outcomes="work/generated/{batch}.jsonl",
    log:
        "logs/generate/{batch}.log",
    conda:
        conda_file("../envs/generate.yaml")
    threads: threads_of
    resources:
        api_calls=api_calls_of,
        batches=batches_of,
        gpu=gpus_of,
    params:
        project=project_folder,
        settings=settings_file(
            "campaign",
            "model",
            "more_models",
            "models",
            "budget_usd",
            "limits",
            "store",
            "alerts",
        ),
    # `exec`, so that signals reach the script, and no shell that would end before it.
    # A `script:` job starts four times slower than a `shell:` job, and runs again when the script's mtime changes.
    shell:
        r"""
        exec python "$IMAGEMAKE_SCRIPTS"/start.py generate --project {params.project:q} --calls {resources.api_calls} \
            --settings {params.settings:q} --batch {input.batch:q} --outcomes {output.outcomes:q} \
            >{log:q} 2>&1
        """
