"""The team store: images by key that a team shares, so that each is paid for once."""
