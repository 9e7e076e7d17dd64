"""What a run does: where each request stands, why, and which batches follow from that."""
