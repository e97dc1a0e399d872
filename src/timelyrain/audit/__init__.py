"""What was done, by whom, in a log that cannot be rewritten unseen: append-only acts under signed tree heads (RFC 6962)."""
