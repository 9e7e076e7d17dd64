"""
From a batch of requests to images in the store. The only rule that spends money.

NEEDS  work/batches/{batch}.jsonl     requests, one a line
MAKES  work/generated/{batch}.jsonl   one outcome a request; the images themselves are in the store
"""


rule generate:
    input:
        batch="work/batches/{batch}.jsonl",
    output:
        outcomes="work/generated/{batch}.jsonl",
    log:
        "logs/generate/{batch}.log",
    conda:
        "../envs/generate.yaml"
    threads: threads_of
    resources:
        api_calls=api_calls_of,
        batches=batches_of,
    params:
        settings=settings_of(
            "campaign",
            "model",
            "more_models",
            "models",
            "budget_usd",
            "limits",
            "store",
            "alerts",
        ),
    # shell, not script: a `script:` job starts four times slower, and reruns when the file's mtime moves.
    shell:
        r"""
        python scripts/generate.py --calls {resources.api_calls} --settings {params.settings:q} \
            --batch {input.batch:q} --outcomes {output.outcomes:q} 2>&1 | tee -i {log:q} >&2
        """
