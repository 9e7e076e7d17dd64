"""From a catalog to requests: rendering, names, references, selection."""
