"""A store that is in a bucket, of which ``store/`` is a copy, so that jobs need no shared disk."""
