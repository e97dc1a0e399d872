"""Back-tests in the console: asked for on the page of a draft or version, watched, read, laid beside what waits for approval."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import escape

from timelyrain.drawing import yuan
from timelyrain.origination import backtests, releases
from timelyrain.origination.drafts_admin import PolicyDraftAdmin
from timelyrain.origination.models import Backtest, BacktestState, PolicyDraft, PolicyVersion, ReleaseKind
from timelyrain.origination.releases_admin import SUBMIT, PolicyVersionAdmin
from timelyrain.runtime import glossary
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Bar, Link, Panel, Table, Verdict, on_page

for _word, _zh, _en in (
    ("begun", "等待计算", "waits for the worker"),
    ("running", "计算中", "is computed"),
    ("stopped", "已中止", "stopped"),
    ("policy_sha256", "生效策略 A", "policy in force, A"),
    ("against_sha256", "对比策略 B", "policy compared, B"),
    ("file", "申请文件（空为本平台历史决策）", "file (none: past decisions)"),
):
    glossary.teach(_word, _zh, _en)


class ReportLink(Link):
    """The report, or its progress while it is computed."""

    @property
    def url(self) -> str:
        return reverse("admin:origination_backtest_report", args=[self.id])


def _ask(request: HttpRequest, row: PolicyDraft | PolicyVersion) -> Any:
    file = request.POST.get("text", "").strip()
    asked = backtests.ask(row.source, file, request.user.get_username())
    return Panel(
        words("回测已开始", "The back-test has begun"),
        more=ReportLink("origination.backtest", asked, words("查看进度与报告", "Watch it, then read it")),
    )


ASK = Act(
    "backtest",
    words("回测", "Back-test"),
    SUBMIT,
    _ask,
    ask=words(
        "用生效策略与本策略重新决策过去的申请并比较。请写 applications 文件夹中的文件名；"
        "留空则用本平台的全部历史决策（其结果未知）。",
        "Past applications are decided again under the policy in force and under this one. Name a file of the folder "
        "`applications`; leave it empty for all decisions of this platform (whose outcomes are not known).",
    ),
    writes=words("文件名（可空）", "File (may be empty)"),
)
PolicyDraftAdmin.acts = (*PolicyDraftAdmin.acts, ASK)
PolicyVersionAdmin.acts = (*PolicyVersionAdmin.acts, ASK)


def _attach(request: HttpRequest, row: Backtest) -> Any:
    who = request.user.get_username()
    releases.attach(ReleaseKind.POLICY, row.against_sha256, backtests.headline(row), who)
    return words("已附于待批准的版本。", "It lies beside the version that waits for approval.")


@admin.register(Backtest)
class BacktestAdmin(ReadOnlyAdmin):
    title = words("策略回测", "Back-tests")
    columns = ("id", "state", "file", "against_sha256", "asked_by", "asked_at", "finished_at")
    hidden = ("against_source", "result")
    filters = ("state",)
    ordering = ("-asked_at",)
    links = {"policy_sha256": "origination.policyversion", "model_sha256": "origination.scoringmodel"}
    acts = (
        Act(
            "attach",
            words("附于待批准的版本", "Lay beside the version that waits for approval"),
            SUBMIT,
            _attach,
            ask=words("批准人将看到本次回测的结果。", "Who approves will have this result before them."),
            offered=lambda row: row.state == BacktestState.DONE,
        ),
    )

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.report_view)
        return [
            path("<uuid:backtest_id>/report/", view, name="origination_backtest_report"),
            *super().get_urls(),
        ]

    def report_view(self, request: HttpRequest, backtest_id: Any) -> HttpResponse:
        """The report; until it is there, a page that looks again every two seconds."""
        row = self.get_object(request, str(backtest_id))
        if row is None or not self.has_view_permission(request, row):
            raise PermissionDenied
        if row.state == BacktestState.DONE:
            return HttpResponse(backtests.page(row))
        again = "" if row.state == BacktestState.FAILED else '<meta http-equiv="refresh" content="2">'
        told = (
            row.last_error
            if row.state == BacktestState.FAILED
            else f"{row.chunks_done} / {row.chunks or '…'}"
        )
        return HttpResponse(_WAITING.format(again, max(1, row.chunks), row.chunks_done, escape(told)))


_WAITING = """<!doctype html><html><head><meta charset="utf-8">{}<title>…</title></head>
<body style="font: 16px system-ui; max-width: 40em; margin: 4em auto">
<h1>策略回测 Back-test</h1><progress max="{}" value="{}" style="width: 100%"></progress><p>{}</p></body></html>"""


@on_page("origination.backtest", "origination.view_backtest", order=10)
def _result(request: HttpRequest, row: Backtest) -> Panel:
    title = words("结果", "Result")
    more = ReportLink("origination.backtest", row.id, words("打开报告", "Open the report"))
    if row.state == BacktestState.FAILED:
        return Panel(title, verdict=Verdict(False, row.last_error))
    if row.state != BacktestState.DONE:
        done = Bar(
            words("已完成的部分", "parts done"),
            max(1, row.chunks),
            f"{row.chunks_done} / {row.chunks}",
            part=row.chunks_done,
        )
        return Panel(title, bars=[done], more=more)
    result: Any = row.result
    a, b, change = result["a"], result["b"], result["difference"]

    def share(value: float) -> str:
        return f"{value:.2%}"

    rows: list[tuple[Any, ...]] = []
    for measure, zh, en, tell in (
        ("approval", "通过率", "approved", share),
        ("bad_rate", "坏账率", "bad of known", share),
        ("expected_fen", "预期利润", "expected profit", yuan),
        ("realised_fen", "实现利润", "realised profit", yuan),
    ):
        known = result["known"] or measure != "realised_fen"
        found = [x[measure] for x in (a, b, change)]
        told = ["—" if not known or x[0] is None else tell(x[0]) for x in found]
        _, low, high = change[measure]
        ends = "—" if not known or low is None else f"{tell(low)} … {tell(high)}"
        rows.append((words(zh, en), *told, ends))
    bars = [
        Bar(words(f"{zh} {side}", f"{en} {side}"), 1, f"{part:.2%}", part=part, tone=tone)
        for measure, zh, en, tone in (
            ("approval", "通过率", "approved", "good"),
            ("bad_rate", "坏账率", "bad", "bad"),
        )
        for side, found in (("A", a), ("B", b))
        if (part := found[measure][0]) is not None
    ]
    return Panel(
        title, bars=bars, table=Table(("meaning", "A", "B", "B − A", "95 %"), rows), more=more, wide=True
    )
