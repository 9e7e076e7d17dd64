"""The provider's Batch API: upload, submit, follow, collect."""
