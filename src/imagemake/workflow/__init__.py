"""What Snakemake calls: the planner, the rounds, alerts, and the environment of its jobs."""
