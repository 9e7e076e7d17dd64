"""
From images to measures. Reads what was not read before; thresholds are applied later, so they may change for free.

NEEDS  work/generated/{batch}.jsonl   where each image is, or why there is none
MAKES  work/validated/{batch}.jsonl   the same with measures; what is read once is found there by later plans
"""


rule validate:
    input:
        images=images_of,
    output:
        measures="work/validated/{batch}.jsonl",
    log:
        "logs/validate/{batch}.log",
    conda:
        "../envs/validate.yaml"
    params:
        settings=settings_of("validation"),
    shell:
        r"""
        python scripts/validate.py --settings {params.settings:q} \
            --images {input.images:q} --measures {output.measures:q} 2>{log:q}
        """
