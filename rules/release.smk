"""
Writes the release: postprocessed images under their names, with manifest, metrics, and contact sheet.

NEEDS  the plan, and every postprocessed table
MAKES  results/, results/pilot/, results/small/   with images/ and sheets/, not declared because their files vary
"""


rule release:
    input:
        plan=plan_of("all"),
        tables=postprocessed_of("all"),
        later=postprocessed_later_of("all"),
    output:
        manifest="results/manifest.csv",
        parquet="results/manifest.parquet",
        schema="results/manifest.schema.json",
        metrics="results/metrics.json",
        sheet="results/index.html",
        review="results/review.csv",
    log:
        "logs/release/all.log",
    conda:
        conda_file("../envs/release.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/release.py --project {params.project:q} '
        "--plan {input.plan:q} 2>&1 | tee {log:q} >&2"


use rule release as release_pilot with:
    input:
        plan=plan_of("pilot"),
        tables=postprocessed_of("pilot"),
        later=postprocessed_later_of("pilot"),
    output:
        manifest="results/pilot/manifest.csv",
        parquet="results/pilot/manifest.parquet",
        schema="results/pilot/manifest.schema.json",
        metrics="results/pilot/metrics.json",
        sheet="results/pilot/index.html",
        review="results/pilot/review.csv",
    log:
        "logs/release/pilot.log",


use rule release as release_small with:
    input:
        plan=plan_of("small"),
        tables=postprocessed_of("small"),
        later=postprocessed_later_of("small"),
    output:
        manifest="results/small/manifest.csv",
        parquet="results/small/manifest.parquet",
        schema="results/small/manifest.schema.json",
        metrics="results/small/metrics.json",
        sheet="results/small/index.html",
        review="results/small/review.csv",
    log:
        "logs/release/small.log",


rule image:
    input:
        plan=plan_of("image/{image}"),
        tables=postprocessed_of("image/{image}"),
        later=postprocessed_later_of("image/{image}"),
    output:
        "results/images/{image}",
    log:
        "logs/image/{image}.log",
    conda:
        conda_file("../envs/release.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/image.py --project {params.project:q} '
        "--plan {input.plan:q} --image {output:q} 2>&1 | tee {log:q} >&2"
