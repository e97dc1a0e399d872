"""Counterparties of `customers`."""
