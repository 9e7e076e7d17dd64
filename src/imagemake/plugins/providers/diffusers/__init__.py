"""Pipelines of diffusers, in the process of the job, on a GPU or the CPU of this machine."""
