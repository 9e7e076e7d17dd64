"""What can be exchanged: providers, measures, and postprocessing steps, one file or folder each."""
