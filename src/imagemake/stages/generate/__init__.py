"""Generate images: calls, rates, retries, and batches."""
