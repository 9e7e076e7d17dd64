"""What is to be done: where each request stands, why, and which batches follow from it."""
