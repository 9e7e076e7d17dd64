"""What was paid for: images by key, the journal of calls, the ledger, the team's store."""
