"""
Postprocesses the accepted images of a batch, and puts the results into the store under the digest of image and steps.

NEEDS  work/validated/{batch}.jsonl       images with measures
MAKES  work/postprocessed/{batch}.jsonl   the same with the postprocessed image, or the reason why there is none
"""


rule postprocess:
    input:
        verdicts=verdicts_of,
    output:
        postprocessed="work/postprocessed/{batch}.jsonl",
    log:
        "logs/postprocess/{batch}.log",
    conda:
        conda_file("../envs/postprocess.yaml")
    params:
        project=project_folder,
        settings=settings_file(
            "campaign", "validation", "postprocess", "store", "alerts"
        ),
    shell:
        r"""
        python "$IMAGEMAKE_SCRIPTS"/start.py postprocess --project {params.project:q} --settings {params.settings:q} \
            --verdicts {input.verdicts:q} --postprocessed {output.postprocessed:q} 2>{log:q}
        """
