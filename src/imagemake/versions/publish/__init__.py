"""From a release's folder to a place where readers find it, whole."""
