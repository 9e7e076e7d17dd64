"""
Measures the images of a batch, except for known measures. Thresholds are applied later: changing one reads no image.
Images that the checks accept are postprocessed into the store while they are decoded; `postprocess` finds them there.

NEEDS  work/generated/{batch}.jsonl   where each image is, or the reason why there is none
MAKES  work/validated/{batch}.jsonl   the same with measures, which later plans find there
"""


rule validate:
    input:
        images=images_of,
    output:
        measures="work/validated/{batch}.jsonl",
    log:
        "logs/validate/{batch}.log",
    conda:
        conda_file("../envs/validate.yaml")
    params:
        project=project_folder,
        settings=settings_file("validation", "postprocess", "store"),
    shell:
        r"""
        python "$IMAGEMAKE_SCRIPTS"/start.py validate --project {params.project:q} --settings {params.settings:q} \
            --images {input.images:q} --measures {output.measures:q} 2>{log:q}
        """
