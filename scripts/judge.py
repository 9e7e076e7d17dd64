"""Ask models about the images of a batch and put their answers into the store; see `imagemake.stages.judge.job`."""

from imagemake.stages.judge.job import judge_for_job
from imagemake.workflow.asking_job import run_asking_job

if __name__ == "__main__":
    run_asking_job(__doc__, judge_for_job)
