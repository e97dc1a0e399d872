"""Double entry in integer fen: append only, balanced by the database, idempotent by key, batch first.

Two nouns: accounts and transfers. A transfer is one business act with two or more lines that sum to zero. Rows come in through the
database function `ledger_post` alone, which posts a whole batch in one call and refuses a charge that was not disclosed.
"""
