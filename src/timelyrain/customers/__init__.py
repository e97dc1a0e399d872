"""People: encrypted personal data, one-time codes, sessions, consent, and a log of every read."""
