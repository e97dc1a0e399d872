"""Watching in the console: the alert on top of the overview, each watch as a page, the newest beside its model."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.translation import get_language

from timelyrain import risk
from timelyrain.origination import registry, watching
from timelyrain.origination.models import ModelWatch, ScoringModel, WatchRun
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Table, Verdict, on_dashboard, on_page

_LEVELS = {"calm": words("平稳", "calm"), "watch": words("关注", "watch"), "act": words("处理", "act")}
_ROWS = {
    "reference": words("参照", "in the reference"),
    "current": words("当前", "in the window"),
    "known": words("新近已知结果", "with an outcome since"),
}
_TONES = {"calm": "good", "watch": "wait", "act": "bad"}
_SAID = {
    "calm": words("未见超出偶然的变化", "Nothing moved by more than chance"),
    "watch": words("模型需要关注", "Keep an eye on the model"),
    "act": words("模型需要处理", "The model asks for somebody"),
}


class ReportLink(Link):
    """The watch as a page of pictures."""

    @property
    def url(self) -> str:
        return reverse("admin:origination_watch_report", args=[self.id])


@admin.register(ModelWatch)
class ModelWatchAdmin(ReadOnlyAdmin):
    title = words("模型监测", "Watching")
    columns = ("id", "model_sha256", "on", "level", "at")
    filters = ("level",)
    hidden = ("report",)
    links = {"model_sha256": "origination.scoringmodel"}
    ordering = ("-on", "-at")

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.report_view)
        return [path("<uuid:watch_id>/report/", view, name="origination_watch_report"), *super().get_urls()]

    def report_view(self, request: HttpRequest, watch_id: Any) -> HttpResponse:
        row = self.get_object(request, str(watch_id))
        if row is None or not self.has_view_permission(request, row):
            raise PermissionDenied
        language = "zh" if get_language() == "zh-hans" else "en"
        answer = HttpResponse(watching.page(row, language))
        answer["Content-Security-Policy"] = (
            "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        )
        return answer


def _panel(row: ModelWatch, title: Any) -> Panel:
    names = watching.words_of(registry.active()[0])
    report: Any = row.report
    told = [
        (
            Badge(_LEVELS[one["level"]], _TONES[one["level"]]),
            words(*risk.watching.sentence(one, names)),
        )
        for one in report["findings"][:8]
    ]
    psi = report["score"]["psi"]
    act = report["rules"]["psi_act"]
    return Panel(
        title,
        verdict=Verdict(row.level == "calm", _SAID[row.level]),
        facts=[
            (
                str(words("模型", "model")),
                Link("origination.scoringmodel", row.model_sha256, str(row.model_sha256)[:12]),
            ),
            ("on", row.on),
        ],
        bars=[Bar("PSI", max(act, psi), f"{psi:.3f} / {act:g}", part=psi, tone=_TONES[row.level])],
        table=Table(("", "reason"), told) if told else None,
        text=words(*risk.watching.next_step(row.level)) if row.level != "calm" else "",
        more=ReportLink("origination.modelwatch", row.id, words("打开监测页", "Open the pictures")),
        wide=True,
    )


@on_dashboard("origination.view_modelwatch", order=1)
def _alert() -> Panel | None:
    """The newest watch of what decides, where it asks for somebody."""
    in_force = registry.active_hashes()
    models = [in_force[kind] for kind in ("model", "challenger") if kind in in_force]
    found = [row for digest in models if (row := watching.newest(digest)) and row.level != "calm"]
    worst = max(found, key=lambda row: row.level == "act", default=None)
    return worst and _panel(worst, words("模型监测告警", "A model has drifted"))


@on_dashboard("origination.view_modelwatch", order=2)
def _given_up() -> Panel | None:
    """A watch of what decides whose process took too long or died: nothing is known then, which is not calm."""
    in_force = registry.active_hashes()
    models = [in_force[kind] for kind in ("model", "challenger") if kind in in_force]
    found = (row for digest in models if (row := watching.ended(digest)) and row.deaths)
    row = next(found, None)
    return row and _unfinished(row, words("模型监测没有完成", "A watch was not finished"))


def _unfinished(row: WatchRun, title: Any) -> Panel:
    if row.deaths:
        minutes, again = watching.plan(row.on).most_minutes, row.deaths < watching.DEATHS
        said = words(
            f"{row.on} 的监测中止了 {row.deaths} 次：超过 {minutes} 分钟，或进程被终止",
            f"The watch of {row.on} was ended {row.deaths} time(s): more than {minutes} minutes, or its process was ended",
        )
        then = words(
            f"{'稍后会再试一次' if again else '今天不再尝试，明天再试'}。手动执行 timelyrain risk watch 可看到停在哪一步；"
            "时限是 watching.toml 的 most_minutes。",
            f"It is tried again {'shortly' if again else 'tomorrow'}. `timelyrain risk watch` by hand shows where it stops; "
            "the limit is most_minutes of watching.toml.",
        )
    else:
        said, then = words("没有可比较的内容", "There was nothing to compare"), row.last_error
    model = Link("origination.scoringmodel", row.model_sha256, str(row.model_sha256)[:12])
    facts = [
        (str(words("模型", "model")), model),
        ("begun_at", row.begun_at),
        ("finished_at", row.finished_at),
    ]
    return Panel(title, verdict=Verdict(False, said), facts=facts, text=then, wide=True)


@on_page("origination.modelwatch", "origination.view_modelwatch", order=5)
def _found(request: HttpRequest, row: ModelWatch) -> Panel:
    return _panel(row, words("监测结果", "What was found"))


@on_page("origination.modelwatch", "origination.view_modelwatch", order=6)
def _whole(request: HttpRequest, row: ModelWatch) -> Panel:
    report: Any = row.report
    whole = watching.hash_of(report) == row.sha256
    said = words("内容与登记的指纹一致", "The content has the hash that was kept")
    return Panel(
        words("凭据", "Proof"),
        verdict=Verdict(whole, said if whole else words("内容与登记的指纹不符", "The content was changed")),
        facts=[(str(told), report["rows"][name]) for name, told in _ROWS.items()],
    )


@on_page("origination.scoringmodel", "origination.view_modelwatch", order=3)
def _run(request: HttpRequest, row: ScoringModel) -> Panel | None:
    last = watching.ended(row.sha256)
    return last and _unfinished(last, words("最近一次监测没有完成", "The last watch was not finished"))


@on_page("origination.scoringmodel", "origination.view_modelwatch", order=4)
def _watched(request: HttpRequest, row: ScoringModel) -> Panel | None:
    newest = watching.newest(row.sha256)
    return newest and _panel(newest, words("最近一次监测", "Watched last"))
