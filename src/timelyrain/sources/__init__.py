"""Evidence from many sources: consent-checked, gathered in parallel within a deadline, kept with provenance."""
