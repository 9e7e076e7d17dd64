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
            here("results/manifest.csv"),
            caption="report/manifest.rst",
            category="Whole campaign",
        ),
        parquet=here("results/manifest.parquet"),
        schema=here("results/manifest.schema.json"),
        metrics=report(
            here("results/metrics.json"),
            caption="report/metrics.rst",
            category="Whole campaign",
        ),
        sheet=report(
            here("results/index.html"),
            caption="report/sheet.rst",
            category="Whole campaign",
        ),
        review=here("results/review.csv"),
    log:
        here("logs/release/all.log"),
    localrule: True  # on a cluster, it would wait longer than it works
    conda:
        conda_file("../envs/release.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/start.py release --project {params.project:q} '
        "--plan {input.plan:q} 2>&1 | tee {log:q} >&2"


use rule release as release_pilot with:
    input:
        plan=plan_of("pilot"),
        tables=postprocessed_of("pilot"),
        later=postprocessed_later_of("pilot"),
    output:
        manifest=report(
            here("results/pilot/manifest.csv"),
            caption="report/manifest.rst",
            category="Pilot",
        ),
        parquet=here("results/pilot/manifest.parquet"),
        schema=here("results/pilot/manifest.schema.json"),
        metrics=report(
            here("results/pilot/metrics.json"),
            caption="report/metrics.rst",
            category="Pilot",
        ),
        sheet=report(
            here("results/pilot/index.html"),
            caption="report/sheet.rst",
            category="Pilot",
        ),
        review=here("results/pilot/review.csv"),
    log:
        here("logs/release/pilot.log"),
    localrule: True


use rule release as release_small with:
    input:
        plan=plan_of("small"),
        tables=postprocessed_of("small"),
        later=postprocessed_later_of("small"),
    output:
        manifest=report(
            here("results/small/manifest.csv"),
            caption="report/manifest.rst",
            category="Small",
        ),
        parquet=here("results/small/manifest.parquet"),
        schema=here("results/small/manifest.schema.json"),
        metrics=report(
            here("results/small/metrics.json"),
            caption="report/metrics.rst",
            category="Small",
        ),
        sheet=report(
            here("results/small/index.html"),
            caption="report/sheet.rst",
            category="Small",
        ),
        review=here("results/small/review.csv"),
    log:
        here("logs/release/small.log"),
    localrule: True


rule image:
    input:
        plan=plan_of("image/{image}"),
        tables=postprocessed_of("image/{image}"),
        later=postprocessed_later_of("image/{image}"),
    output:
        here("results/images/{image}"),
    log:
        here("logs/image/{image}.log"),
    localrule: True
    conda:
        conda_file("../envs/release.yaml")
    params:
        project=project_folder,
    shell:
        'python "$IMAGEMAKE_SCRIPTS"/start.py image --project {params.project:q} '
        "--plan {input.plan:q} --image {output:q} 2>&1 | tee {log:q} >&2"
