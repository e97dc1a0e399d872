"""Many at once on the same accounts: no deadlock, no lost movement, running balances without a gap."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from random import Random
from uuid import uuid4

import pytest
from django.db import connection

from timelyrain.ledger import chart, queries
from timelyrain.ledger.services import LENDER, Line, Transfer, post

pytestmark = pytest.mark.usefixtures("platform")
SHARD, CLIENTS, BATCHES = 90, 8, 25


def test_batches_that_share_accounts_from_many_connections():
    loans = [uuid4() for _ in range(12)]

    def client(seed: int) -> int:
        dice, posted = Random(seed), 0
        for n in range(BATCHES):
            batch = []
            for k in range(dice.choice([1, 1, 40])):
                loan, fen = dice.choice(loans), dice.randrange(1, 1000)
                lines = [Line(chart.LOAN_PRINCIPAL, fen, loan), Line(chart.PAY_OUT_CLEARING, -fen)]
                dice.shuffle(lines)
                key = f"{seed}:{n}:{k}"
                batch.append(
                    Transfer(key, "test", date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC), lines, loan)
                )
            posted += len(post(SHARD, batch))
            assert post(SHARD, batch) == set()
        connection.close()
        return posted

    with ThreadPoolExecutor(CLIENTS) as pool:
        posted = sum(pool.map(client, range(CLIENTS)))
    assert queries.drifted_accounts() == [] and queries.trial_balance().balanced
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_transfer WHERE shard = %s", [SHARD])
        assert cursor.fetchone()[0] == posted
        # Every balance after a line, less the line, is the balance after another line, or the nought it began with.
        cursor.execute(
            """
            SELECT count(*) FROM ledger_entry e WHERE e.shard = %s AND e.balance_after_fen <> e.amount_fen AND NOT EXISTS (
                SELECT FROM ledger_entry b WHERE b.shard = e.shard AND b.account_id = e.account_id
                    AND b.balance_after_fen = e.balance_after_fen - e.amount_fen)
            """,
            [SHARD],
        )
        assert cursor.fetchone()[0] == 0
        cursor.execute(
            """
            SELECT count(*), count(DISTINCT (account_id, balance_after_fen)) FROM ledger_entry e
            JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id AND a.owner = %s WHERE e.shard = %s
            """,
            [LENDER, SHARD],
        )
        lines, balances = cursor.fetchone()
        assert lines == balances == posted  # the clearing account only ever falls: no balance twice
