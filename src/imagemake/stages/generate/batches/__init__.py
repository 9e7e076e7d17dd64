"""Images through a provider's Batch API: upload, submit, follow, collect."""
