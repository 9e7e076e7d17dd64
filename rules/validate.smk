"""
From pictures to measures. Reads what was not read before; thresholds are applied later, so they may change for free.

NEEDS  work/generated/{batch}.jsonl   where each picture is, or why there is none
MAKES  work/validated/{batch}.jsonl   the same with measures; what is read once is found there by later plans
"""


rule validate:
    input:
        pictures=pictures_of,
    output:
        measures="work/validated/{batch}.jsonl",
    log:
        "logs/validate/{batch}.log",
    conda:
        "../envs/validate.yaml"
    params:
        settings=sections("validation"),
    shell:
        r"""
        python scripts/validate.py --settings {params.settings:q} \
            --pictures {input.pictures:q} --measures {output.measures:q} 2>{log:q}
        """
