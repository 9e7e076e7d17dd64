"""Ask for the prompts of a batch and put them into the store; see `imagemake.stages.rewrite.job`."""

from imagemake.stages.rewrite.job import rewrite_for_job
from imagemake.workflow.asking_job import run_asking_job

if __name__ == "__main__":
    run_asking_job(__doc__, rewrite_for_job)
