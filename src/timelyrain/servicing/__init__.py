"""A loan's life after the money has gone out: events, books, due days, repayments, until it is settled.

The loan is the fold of its signed terms and its events; the books are the fold's totals, posted step by step.
"""
