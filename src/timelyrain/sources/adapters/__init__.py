"""Counterparties of `sources`: one module each, an HTTP client and a pure parser."""
