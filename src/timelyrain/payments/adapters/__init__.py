"""Counterparties of `payments`."""
