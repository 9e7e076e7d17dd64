"""
From good pictures to finished ones, in the store under the digest of picture and steps.

NEEDS  work/validated/{batch}.jsonl   pictures with measures
MAKES  work/finished/{batch}.jsonl    the same with the finished picture, or why there is none
"""


rule postprocess:
    input:
        verdicts=verdicts_of,
    output:
        finished="work/finished/{batch}.jsonl",
    log:
        "logs/postprocess/{batch}.log",
    conda:
        "../envs/postprocess.yaml"
    params:
        settings=sections("campaign", "validation", "postprocess", "alerts"),
    shell:
        r"""
        python scripts/postprocess.py --settings {params.settings:q} \
            --verdicts {input.verdicts:q} --finished {output.finished:q} 2>{log:q}
        """
