"""
Writes the release: postprocessed images under their names, with manifest, metrics, and contact sheet.

NEEDS  the plan, and every postprocessed table
MAKES  results/, results/pilot/, results/small/   with images/, sheets/, exports/: their files vary, so none is declared
"""


rule release:
    input:
        plan=plan_of("all"),
        tables=postprocessed_of("all"),
        later=postprocessed_later_of("all"),
    output:
        manifest=report(
            "results/manifest.csv",
            caption="report/manifest.rst",
            category="Whole campaign",
        ),
        parquet="results/manifest.parquet",
        schema="results/manifest.schema.json",
        metrics=report(
            "results/metrics.json",
            caption="report/metrics.rst",
            category="Whole campaign",
        ),
        sheet=report(
            "results/index.html",
            caption="report/sheet.rst",
            category="Whole campaign",
        ),
        review="results/review.csv",
    log:
        "logs/release/all.log",
    localrule: True  # on a cluster, it would wait longer than it works
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
        manifest=report(
            "results/pilot/manifest.csv",
            caption="report/manifest.rst",
            category="Pilot",
        ),
        parquet="results/pilot/manifest.parquet",
        schema="results/pilot/manifest.schema.json",
        metrics=report(
            "results/pilot/metrics.json",
            caption="report/metrics.rst",
            category="Pilot",
        ),
        sheet=report(
            "results/pilot/index.html",
            caption="report/sheet.rst",
            category="Pilot",
        ),
        review="results/pilot/review.csv",
    log:
        "logs/release/pilot.log",
    localrule: True


use rule release as release_small with:
    input:
        plan=plan_of("small"),
        tables=postprocessed_of("small"),
        later=postprocessed_later_of("small"),
    output:
        manifest=report(
            "results/small/manifest.csv",
            caption="report/manifest.rst",
            category="Small",
        ),
        parquet="results/small/manifest.parquet",
        schema="results/small/manifest.schema.json",
        metrics=report(
            "results/small/metrics.json",
            caption="report/metrics.rst",
            category="Small",
        ),
        sheet=report(
            "results/small/index.html",
            caption="report/sheet.rst",
            category="Small",
        ),
        review="results/small/review.csv",
    log:
        "logs/release/small.log",
    localrule: True


rule image:
    input:
        plan=plan_of("image/{image}"),
        tables=postprocessed_of("image/{image}"),
        later=postprocessed_later_of("image/{image}"),
    output:
        "results/images/{image}",
    log:
        "logs/image/{image}.log",
    localrule: True
    conda:
        conda_file("../envs/release.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/image.py --project {params.project:q} '
        "--plan {input.plan:q} --image {output:q} 2>&1 | tee {log:q} >&2"
