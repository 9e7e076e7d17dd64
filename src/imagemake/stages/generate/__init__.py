"""From requests to images in the store: calls, rates, retries."""
