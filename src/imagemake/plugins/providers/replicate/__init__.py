"""The `replicate` provider: the models of replicate.com."""
