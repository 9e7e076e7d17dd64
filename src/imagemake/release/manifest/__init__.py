"""The manifest: one row per image, as CSV, Parquet, JSON schema, and sidecars."""
