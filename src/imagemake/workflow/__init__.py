"""What Snakemake calls: the planner, the rounds, alerts, the run lock, and the environment of jobs."""
