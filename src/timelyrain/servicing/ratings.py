"""What a model says of loans: probabilities of default, dated, by which allowances are held (`provisions`)."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from django.db import connection, transaction

from timelyrain.runtime import clock
from timelyrain.runtime.columns import insert
from timelyrain.runtime.problems import Conflict, Invalid
from timelyrain.servicing.models import LoanRating

PPM = 1_000_000


def rate(shard: int, pd_ppm: Mapping[UUID, int], on: date, source: str) -> None:
    """Give loans a PD of twelve months from a day on: the first is the one at origination. Once per loan and day.

    source: what said so, such as "decision" or a model's hash. Raises Invalid, Conflict.
    """
    for loan_id, ppm in pd_ppm.items():
        if not 0 < ppm <= PPM:
            raise Invalid(
                f"{ppm} ppm is no PD (loan {loan_id}).", field="pd_ppm", remedy=f"Give 1 to {PPM} ppm."
            )
    with transaction.atomic():
        insert(
            "servicing_loanrating",
            {"shard": shard, "on": on, "source": source, "at": clock.now()},
            {"loan_id": ("uuid", list(pd_ppm)), "pd_ppm": ("int", list(pd_ppm.values()))},
        )
        kept = dict(
            LoanRating.objects.filter(shard=shard, on=on, loan_id__in=list(pd_ppm)).values_list(
                "loan_id", "pd_ppm"
            )
        )
        for loan_id, ppm in pd_ppm.items():
            if kept[loan_id] != ppm:
                raise Conflict(
                    f"Loan {loan_id} was given {kept[loan_id]} ppm on {on} already, now {ppm}.",
                    remedy="Rate it on another day; nothing was kept.",
                )
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE servicing_accruing a SET pd_origin_ppm = x.first, pd_ppm = x.last FROM (
                    SELECT DISTINCT ON (loan_id) loan_id, pd_ppm AS last,
                        first_value(pd_ppm) OVER (PARTITION BY loan_id ORDER BY "on") AS first
                    FROM servicing_loanrating WHERE shard = %(shard)s AND loan_id = ANY(%(ids)s)
                    ORDER BY loan_id, "on" DESC) x
                WHERE a.shard = %(shard)s AND a.loan_id = x.loan_id
                """,
                {"shard": shard, "ids": list(pd_ppm)},
            )
