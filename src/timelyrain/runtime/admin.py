"""How records appear in the console: read only, as panels, with named acts by POST. And the console's pages of this room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Avg, Count, Max
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.admin import ModelAdmin

from timelyrain.runtime import clock, panels, sagas
from timelyrain.runtime.glossary import label, value, words
from timelyrain.runtime.models import ClockShift, Saga, SagaStatus, SagaTrace, Schedule, Sharded
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.runtime.problems import Problem

LONG = 300
"""Characters of a text that is given room to be read and mended."""
acted = Signal()
"""Somebody did an act in the console (user, act, row), sent inside its transaction: the audit log keeps it."""


@dataclass(frozen=True)
class Field:
    """Something to fill in with an act: `type` as of an HTML input, or `choices` (value, words) to choose from."""

    name: str
    label: Any
    type: str = "text"
    choices: Sequence[tuple[str, Any]] = ()
    required: bool = True


@dataclass(frozen=True)
class Act:
    """Something a person may do with a record. `ask` is the question before it is done; None where it changes nothing.

    `run(request, row)` returns a sentence, or a Panel to show above the record. A Problem is shown as it is.
    """

    name: str
    title: Any
    permission: str
    run: Callable[[HttpRequest, Any], Any]
    ask: Any = None
    writes: Any = None  # label of a text field that goes with it, POSTed as "text"
    begins: Callable[[Any], str] | None = None  # what stands in that field at first
    fields: Callable[[Any], Sequence[Field]] | None = None  # more to fill in, POSTed by their names
    offered: Callable[[Any], bool] = lambda row: True

    def allowed(self, request: HttpRequest, row: Any) -> bool:
        return request.user.has_perm(self.permission) and self.offered(row)


class ListFilter(AllValuesFieldListFilter):
    """The values that occur, in the reader's words."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str):
        super().__init__(field, request, params, model, model_admin, field_path)
        self.title = label(field_path)

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            text = choice["display"]
            yield {**choice, "display": value(text) if type(text) is str else text}


class Named:
    """Model options under a title in the reader's language."""

    def __init__(self, options: Any, title: Any) -> None:
        self._options = options
        self.verbose_name = self.verbose_name_plural = title
        self.app_config = SimpleNamespace(verbose_name=value(options.app_label))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)


def named(page: Any, response: Any) -> Any:
    """A list page under its title, in all places where its model's name would stand."""
    if context := getattr(response, "context_data", None):
        options = Named(page.opts, page.title)
        context |= {"title": page.title, "opts": options}
        if "cl" in context:
            context["cl"].opts = options
    return response


class Column:
    """A list column that shows a field as panels do."""

    def __init__(self, name: str, first: bool) -> None:
        self.name, self.first = name, first
        self.__name__ = name
        self.short_description = label(name)
        self.admin_order_field = name

    def __call__(self, row: Any) -> Any:
        found = getattr(row, self.name)
        if self.first:  # the list itself makes the link
            return panels.short(found.hex() if isinstance(found, bytes | memoryview) else found)
        return panels.cell(self.name, found)


class ReadOnlyAdmin(ModelAdmin):
    """A record nobody edits by hand. Subclasses say what it is called, its columns, and what it is found by."""

    title: Any = ""
    columns: tuple[str, ...] = ("id",)
    hidden: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    find_by: tuple[str, ...] = ()
    links: dict[str, str] = {}
    acts: tuple[Act, ...] = ()
    actions = None
    list_per_page = 50
    show_full_result_count = False

    @property
    def page(self) -> str:
        return self.opts.label_lower

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(self.page.replace(".", ".view_"))

    def get_list_display(self, request: HttpRequest) -> Any:
        return [Column(name, n == 0) for n, name in enumerate(self.columns)]

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [(name, ListFilter) for name in self.filters]

    def get_ordering(self, request: HttpRequest) -> Any:
        return self.ordering or ("-pk",)

    def get_search_fields(self, request: HttpRequest) -> Any:
        return self.find_by

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Ids are found exactly, other fields by how they begin."""
        if not search_term.strip():
            return queryset, False
        wanted = models.Q(pk__in=[])
        for name in self.find_by:
            field = self.opts.get_field(name)
            if not isinstance(getattr(field, "target_field", field), models.UUIDField):
                wanted |= models.Q(**{f"{name}__istartswith": search_term.strip()})
            elif (id := _uuid(search_term)) is not None:
                wanted |= models.Q(**{name: id})
        return queryset.filter(wanted), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """By id alone, as Django knows rows. Naming every shard lets the database use its (shard, id) key; a row of a
        shard that is no more in use is found without it."""
        try:
            found = self.get_queryset(request).filter(pk=self.opts.pk.to_python(object_id)).order_by("pk")
        except (ValidationError, ValueError):
            return None
        if isinstance(self.opts.pk, models.UUIDField) and issubclass(self.model, Sharded):
            return found.filter(shard__in=range(settings.SHARDS)).first() or found.first()
        return found.first()

    def get_urls(self) -> Any:
        name = "{}_{}_act".format(*self.page.split("."))
        act = path("<path:object_id>/act/<slug:name>/", self.admin_site.admin_view(self.act_view), name=name)
        return [act, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return named(self, super().changelist_view(request, extra_context))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self._row(request, object_id)
        if isinstance(row, HttpResponse):
            return row
        if request.method != "GET":
            raise PermissionDenied
        return self._record(request, row)

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """GET asks, POST does; what is refused is asked again as it was filled in."""
        row = self._row(request, object_id)
        if isinstance(row, HttpResponse):
            return row
        act = next((act for act in self.acts if act.name == name), None)
        if act is None or not request.user.has_perm(act.permission):
            raise PermissionDenied
        if request.method != "POST":
            return self._ask(request, row, act)
        try:
            with transaction.atomic():
                told = act.run(request, row)
                acted.send(type(self), user=request.user, act=act.name, row=row)
                log = LogEntry.objects.log_actions
                log(
                    request.user.pk,
                    [row],
                    CHANGE,
                    change_message=f"{act.name}: {request.POST.get('text', '')}"[:500],
                    single_object=True,
                )
        except Problem as problem:
            row.refresh_from_db()  # a form sent twice was done the first time
            if (act.fields or act.writes) and act.offered(row):
                return self._ask(request, row, act, problem)
            messages.error(request, str(problem))
        else:
            if isinstance(told, Panel):
                return self._record(request, row, told)
            messages.success(request, told)
        return HttpResponseRedirect(Link(self.page, row.pk).url)

    def facts(self, request: HttpRequest, row: Any) -> list[tuple[str, Any]]:
        """Every field but the sealed and the hidden ones; ids of other records become links."""
        facts = []
        for field in self.opts.concrete_fields:
            name, found = field.attname, getattr(row, field.attname)
            if name.endswith("_sealed") or name in self.hidden:
                continue
            facts.append(
                (name, Link(self.links[name], found) if name in self.links and found is not None else found)
            )
        return facts

    def _ask(
        self, request: HttpRequest, row: Any, act: Act, problem: Problem | None = None
    ) -> TemplateResponse:
        """The question before an act, with what goes with it; after a problem, as it was filled in."""
        begins = request.POST.get("text", act.begins(row) if act.begins else "")
        fields = [
            (field, request.POST.get(field.name, "")) for field in (act.fields(row) if act.fields else ())
        ]
        lines = 30 if "\n" in begins or len(begins) > LONG else 3
        context = {
            "act": act, "title": act.title, "begins": begins, "lines": lines, "fields": fields, "problem": problem,
        }  # fmt: skip
        page = self._render(request, row, "console/ask.html", context)
        page.status_code = problem.status if problem else 200
        return page

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return (
            row if row is not None else self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        )

    def _record(self, request: HttpRequest, row: Any, told: Panel | None = None) -> TemplateResponse:
        own = Panel(words("登记内容", "Record"), facts=self.facts(request, row), wide=True)
        found = panels.page_panels(self.page, request, row)
        shown = [panels.visible(request, panel) for panel in [*([told] if told else []), *found, own]]
        steps = [step for panel in shown for step in panel.steps]
        context = {
            "panels": shown,
            "steps": steps if len(steps) > 1 else [],
            "acts": [act for act in self.acts if act.allowed(request, row)],
        }
        return self._render(request, row, "console/record.html", context)

    def _render(self, request: HttpRequest, row: Any, template: str, context: dict) -> TemplateResponse:
        shared = {
            **self.admin_site.each_context(request),
            "title": f"{self.title} {panels.short(row.pk)}",
            "list_title": self.title,
            "list_url": reverse("admin:{}_{}_changelist".format(*self.page.split("."))),
            "row": row,
            "page": self.page,
            "act_url": "admin:{}_{}_act".format(*self.page.split(".")),
        }
        return TemplateResponse(request, template, shared | context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _ask_again(request: HttpRequest, saga: Saga) -> Any:
    sagas.retry_dead(saga.id)
    return words("流程将先向外部查询结果，再继续。", "The workflow asks the outside world first and goes on.")


@admin.register(Saga)
class SagaAdmin(ReadOnlyAdmin):
    title = words("流程", "Workflows")
    columns = ("id", "kind", "step", "status", "attempts", "last_error", "created_at", "finished_at")
    filters = ("status", "kind", "step")
    find_by = ("id", "key")
    hidden = ("data",)
    ordering = ("-created_at",)
    acts = (
        Act(
            "ask-again",
            words("再次查询并继续", "Ask again and go on"),
            "runtime.change_saga",
            _ask_again,
            ask=words(
                "流程会先向外部查询上一次调用的结果，不会盲目重做。确定继续？",
                "The workflow first asks what became of its last call; nothing is done twice. Go on?",
            ),
            offered=lambda saga: saga.status == SagaStatus.DEAD,
        ),
    )


@on_page("runtime.saga", "runtime.view_sagatrace", order=10)
def _attempts(request: HttpRequest, saga: Saga) -> Panel:
    traces = list(SagaTrace.objects.filter(shard=saga.shard, saga=saga).order_by("id"))
    seen = {trace.step: trace.outcome for trace in traces}
    steps = [Step(value(step), "good" if seen[step] == "done" else "bad", value(seen[step])) for step in seen]
    if saga.step not in seen and saga.finished_at is None:
        steps.append(Step(value(saga.step), "wait"))
    return Panel(
        words("步骤与尝试", "Steps and attempts"),
        verdict=Verdict(False, saga.last_error) if saga.status == SagaStatus.DEAD else None,
        steps=steps,
        table=Table(
            ("step", "attempt", "outcome", "detail", "milliseconds", "at"),
            [
                (t.step, t.attempt, Badge(value(t.outcome), _tone(t)), t.detail, t.milliseconds, t.at)
                for t in traces
            ],
        ),
        wide=True,
    )


_DATA = {
    "agreement_id": "agreements.agreement",
    "borrower_id": "customers.borrower",
    "loan_id": "servicing.loan",
    "order_id": "payments.paymentorder",
    "repayment_id": "servicing.repayment",
}


@on_page("runtime.saga", "runtime.view_saga", order=20)
def _data(request: HttpRequest, saga: Saga) -> Panel:
    facts = [(k, Link(_DATA[k], v) if k in _DATA else v) for k, v in saga.data.items() if k != "terms_json"]
    return Panel(words("流程携带的数据", "What the workflow carries"), facts=facts, wide=True)


def _tone(trace: SagaTrace) -> str:
    return "good" if trace.outcome == "done" else "bad" if trace.outcome == "refused" else "wait"


@admin.register(SagaTrace)
class SagaTraceAdmin(ReadOnlyAdmin):
    title = words("步骤记录", "Step attempts")
    columns = ("id", "step", "attempt", "outcome", "detail", "milliseconds", "at")
    filters = ("step", "outcome")
    links = {"saga_id": "runtime.saga"}


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    title = words("定时任务", "Scheduled jobs")
    columns = ("name", "due_at", "last_error")
    ordering = ("name",)


@admin.register(ClockShift)
class ClockShiftAdmin(ReadOnlyAdmin):
    title = words("模拟时钟", "Simulated clock")
    columns = ("id", "shift")


@on_dashboard("runtime.view_saga", order=10)
def _dead_letters() -> Panel:
    dead = Saga.objects.filter(status=SagaStatus.DEAD).order_by("-created_at")
    counts = dict(Saga.objects.values_list("status").annotate(n=Count("id")))
    return Panel(
        words("流程", "Workflows"),
        verdict=Verdict(
            not counts.get(SagaStatus.DEAD),
            words("没有等待人工的流程", "No workflow waits for a person")
            if not counts.get(SagaStatus.DEAD)
            else words(
                f"{counts[SagaStatus.DEAD]} 个流程等待人工",
                f"{counts[SagaStatus.DEAD]} workflow(s) wait for a person",
            ),
        ),
        table=Table.of(("id", "step", "last_error"), dead[:5], id="runtime.saga")
        if counts.get(SagaStatus.DEAD)
        else None,
        bars=[
            Bar(value(status), counts[status], f"{counts[status]:,}", tone=panels.glossary.tone(status))
            for status in (
                SagaStatus.DEAD,
                SagaStatus.UNKNOWN,
                SagaStatus.READY,
                SagaStatus.REFUSED,
                SagaStatus.DONE,
            )
            if counts.get(status)
        ],
    )


@on_dashboard("runtime.view_sagatrace", order=55)
def _step_times() -> Panel:
    """Over the newest thousand attempts; the average is drawn, the worst is written."""
    newest = SagaTrace.objects.order_by("-id").values("id")[:1000]
    rows = SagaTrace.objects.filter(id__in=newest).values_list("step")
    rows = rows.annotate(mean=Avg("milliseconds"), worst=Max("milliseconds")).order_by("step")
    return Panel(
        words("流程步骤用时", "Time per workflow step"),
        bars=[
            Bar(
                value(step),
                mean,
                words(f"{mean:,.0f} ms · 最长 {worst:,.0f}", f"{mean:,.0f} ms · worst {worst:,.0f}"),
            )
            for step, mean, worst in rows
        ],
    )


@on_dashboard("runtime.view_schedule", order=80)
def _jobs() -> Panel:
    rows = list(Schedule.objects.order_by("name"))
    failed = [row for row in rows if row.last_error]
    shift = ClockShift.objects.first() if settings.SIMULATED else None
    return Panel(
        words("定时任务与时钟", "Scheduled jobs and clock"),
        verdict=Verdict(
            not failed,
            words("最近一次均成功", "All succeeded last time")
            if not failed
            else words("有任务失败", "A job failed"),
        ),
        facts=[("now", clock.now()), ("shift", shift.shift if shift else None)],
        table=Table.of(("name", "due_at", "last_error"), rows),
        wide=True,
    )
