"""From images to measures and verdicts."""
