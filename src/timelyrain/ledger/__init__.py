"""Double entry in integer fen: append only, balanced by the database, idempotent by key, batch first.

Two nouns: accounts and transfers. A transfer is one business act with two or more lines that sum to zero. Rows come in
through the database's own functions alone (`sql/`), which post a whole batch in one call and refuse what was not disclosed.
"""
