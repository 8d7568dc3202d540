"""Floor 5: reading other servers."""
