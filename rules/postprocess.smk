"""
From good images to finished ones, in the store under the digest of image and steps.

NEEDS  work/validated/{batch}.jsonl   images with measures
MAKES  work/postprocessed/{batch}.jsonl    the same with the finished image, or why there is none
"""


rule postprocess:
    input:
        verdicts=verdicts_of,
    output:
        finished="work/postprocessed/{batch}.jsonl",
    log:
        "logs/postprocess/{batch}.log",
    conda:
        "../envs/postprocess.yaml"
    params:
        settings=settings_of("campaign", "validation", "postprocess", "alerts"),
    shell:
        r"""
        python scripts/postprocess.py --settings {params.settings:q} \
            --verdicts {input.verdicts:q} --finished {output.finished:q} 2>{log:q}
        """
