"""What is wanted: a campaign and a catalog, read, checked, and worked out into requests."""
