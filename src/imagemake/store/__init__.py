"""Images by key, the journal of calls, the ledger, and the team store."""
