"""From a catalog to requests: rendering, names, references, and selection."""
