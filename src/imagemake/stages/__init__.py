"""What jobs do: generate, validate, postprocess."""
