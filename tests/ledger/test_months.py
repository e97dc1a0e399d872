"""Months of the sub-ledger are made once, whoever comes first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from django.db import connection, connections

from timelyrain.ledger import services


@pytest.mark.usefixtures("platform")
def test_several_processes_may_need_a_new_month_at_once():
    together = Barrier(6)

    def need(year: int) -> None:
        try:
            together.wait(timeout=30)
            services.open_month(date(year, 5, 7))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        for year in range(2101, 2106):
            list(pool.map(need, [year] * 6))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'ledger_months' AND tablename LIKE 'loanday_210_\\_%%'",
            [],
        )
        assert cursor.fetchone() == (10,)
