"""
Snakemake as its tutorial shows it: one job per image and stage.

NEEDS  config: catalog    CSV with the columns name and prompt
MAKES  raw/{name}.png     what the API sent
       rows/{name}.json   its measures
       images/{name}.jpg  the resized image
       manifest.csv       one line per image
"""

from pathlib import Path

from pixel_work import read_catalog

PROMPTS = {row["name"]: row["prompt"] for row in read_catalog(Path(config["catalog"]))}
STEP = f"{config['python']} {workflow.basedir}/naive_step.py"


rule all:
    input:
        rows=expand("rows/{name}.json", name=PROMPTS),
        images=expand("images/{name}.jpg", name=PROMPTS),
    output:
        "manifest.csv",
    shell:
        "{STEP} release . {input.rows}"


rule generate:
    output:
        "raw/{name}.png",
    params:
        prompt=lambda wildcards: PROMPTS[wildcards.name],
    shell:
        "{STEP} generate {params.prompt:q} {output:q}"


rule validate:
    input:
        "raw/{name}.png",
    output:
        "rows/{name}.json",
    params:
        prompt=lambda wildcards: PROMPTS[wildcards.name],
    shell:
        "{STEP} validate {wildcards.name:q} {params.prompt:q} {input:q} {output:q}"


rule postprocess:
    input:
        "raw/{name}.png",
    output:
        "images/{name}.jpg",
        "thumbnails/{name}.jpg",
    params:
        prompt=lambda wildcards: PROMPTS[wildcards.name],
    shell:
        "{STEP} postprocess {wildcards.name:q} {params.prompt:q} {input:q} ."
