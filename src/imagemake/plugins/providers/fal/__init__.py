"""The `fal` provider: the models of fal.ai through its queue."""
