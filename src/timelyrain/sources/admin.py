"""Reads of sources in the console: what was asked, under which consent, and what came of it. Raw answers stay sealed."""

from typing import Any

from django.contrib import admin
from django.db.models import Avg, Count, Q
from django.http import HttpRequest

from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Bar, Panel, Step, Table, on_dashboard, on_page
from timelyrain.sources.models import ReadStatus, SourceRead


@admin.register(SourceRead)
class SourceReadAdmin(ReadOnlyAdmin):
    title = words("信息来源查询", "Source reads")
    columns = ("id", "source", "recipient", "status", "detail", "milliseconds", "at")
    hidden = ("document_sealed",)
    filters = ("source", "status")
    find_by = ("id", "application_id", "borrower_id")
    links = {
        "application_id": "origination.application",
        "borrower_id": "customers.borrower",
        "consent_id": "customers.consent",
    }


@on_page("origination.application", "sources.view_sourceread", order=20)
def _reads(request: HttpRequest, application: Any) -> Panel | None:
    reads = list(
        SourceRead.objects.filter(shard=application.shard, application_id=application.id).order_by("id")
    )
    if not reads:
        return None
    good = sum(read.status == ReadStatus.OK for read in reads)
    return Panel(
        words("信息来源查询", "Source reads"),
        steps=[
            Step(words("取数", "Sources"), "good" if good == len(reads) else "wait", f"{good}/{len(reads)}")
        ],
        bars=[
            Bar(
                value(r.source),
                r.milliseconds,
                f"{r.milliseconds:,} ms",
                tone="good" if r.status == ReadStatus.OK else "bad",
            )
            for r in reads
        ],
        table=Table.of(
            ("id", "source", "status", "detail", "consent_id", "document_sha256", "milliseconds"),
            reads,
            id="sources.sourceread",
            consent_id="customers.consent",
        ),
        wide=True,
    )


@on_dashboard("sources.view_sourceread", order=65)
def _health() -> Panel:
    """Each source over its newest thousand reads: how long it took, and how often it answered."""
    newest = SourceRead.objects.order_by("-id").values("id")[:1000]
    rows = SourceRead.objects.filter(id__in=newest).values_list("source")
    rows = rows.annotate(
        mean=Avg("milliseconds"), n=Count("id"), ok=Count("id", filter=Q(status="ok"))
    ).order_by("source")
    return Panel(
        words("信息来源：平均用时与成功率", "Sources: mean time and answers"),
        bars=[
            Bar(
                value(source),
                mean,
                f"{mean:,.0f} ms · {ok * 100 // n}%",
                tone="good" if ok == n else "wait" if ok * 10 >= n * 9 else "bad",
            )
            for source, mean, n, ok in rows
        ],
    )
