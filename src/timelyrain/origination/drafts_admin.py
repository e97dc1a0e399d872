"""Drafts of policies and their test cases in the console: what is wrong, what would change, what the cases say."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from timelyrain import decisioning
from timelyrain.decisioning import STATES
from timelyrain.origination import releases
from timelyrain.origination.models import PolicyCase, PolicyDraft
from timelyrain.origination.releases_admin import SUBMIT, code, who, written
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Table, Verdict, on_page
from timelyrain.runtime.problems import Invalid


def _edit(request: HttpRequest, draft: PolicyDraft) -> Any:
    releases.change_draft(draft.id, written(request), who(request))
    return words("草稿已保存，检查结果见下。", "Saved; what the checks say stands below.")


def _submit(request: HttpRequest, draft: PolicyDraft) -> Any:
    digest = releases.submit_draft(draft.id, who(request), written(request))
    return Panel(
        words("已提交，等待另一人批准", "Submitted: somebody else has to approve it"),
        more=Link("origination.policyversion", digest, words("打开版本", "Open the version")),
    )


def _add_case(request: HttpRequest, draft: PolicyDraft) -> Any:
    found = releases.review(draft.source).policy
    if found is None:
        raise Invalid(
            str(words("有错误的草稿还不能有测试案例。", "A draft with errors has no cases yet.")),
            remedy=str(words("请先改正错误。", "Mend its errors first.")),
        )
    try:
        releases.add_case(found.name, json.loads(written(request)), who(request))
    except decisioning.CaseInvalid as error:
        raise _no_case(error.told("zh"), error.told("en")) from None
    except (ValueError, RecursionError) as error:
        raise _no_case(str(error), str(error)) from None
    return words("测试案例已保存，结果见下。", "The test case is kept; how it fares stands below.")


def _no_case(zh: str, en: str) -> Invalid:
    return Invalid(
        str(words(f"这不是测试案例：{zh}。", f"This is no test case: {en}.")),
        field="text",
        remedy=str(words("docs/releases.md 有样例。", "docs/releases.md shows one.")),
    )


@admin.register(PolicyDraft)
class PolicyDraftAdmin(ReadOnlyAdmin):
    title = words("规则草稿", "Policy drafts")
    columns = ("id", "title", "changed_by", "changed_at", "submitted_sha256")
    hidden = ("source",)
    ordering = ("-changed_at",)
    acts = (
        Act(
            "edit",
            words("编辑", "Edit"),
            SUBMIT,
            _edit,
            ask=words(
                "保存即检查；有错误也可以保存。", "Saving checks it; a draft with errors may be saved too."
            ),
            writes=words("规则原文（TOML）", "Definition (TOML)"),
            begins=lambda draft: draft.source,
        ),
        Act(
            "case",
            words("添加测试案例", "Add a test case"),
            SUBMIT,
            _add_case,
            ask=words(
                "一位申请人与期望的结论，JSON 格式；此后同名策略的每个版本都须通过。也可在决策页面以过去的决策建立案例。",
                "An applicant and the outcome you expect, as JSON; every version of this policy has to pass it from now on. "
                "A past decision becomes a case on its own page.",
            ),
            writes=words("测试案例（JSON）", "Test case (JSON)"),
        ),
        Act(
            "submit",
            words("提交批准", "Submit for approval"),
            SUBMIT,
            _submit,
            ask=words(
                "有错误或测试案例未通过的草稿不能提交。",
                "A draft with errors or failing test cases cannot be submitted.",
            ),
            writes=words("修改说明", "What it is for"),
            offered=lambda draft: not draft.submitted_sha256,
        ),
    )


def _reviewed(request: HttpRequest, draft: PolicyDraft) -> releases.Review:
    """Once for all panels of a page."""
    found = getattr(request, "review_of_draft", None)
    if found is None:
        found = request.review_of_draft = releases.review(draft.source)
    return found


def _told(found: releases.Review) -> list[tuple[decisioning.DefinitionProblem, str]]:
    return [(problem, "bad") for problem in found.problems] + [
        (warning, "wait") for warning in found.warnings
    ]


@on_page("origination.policydraft", "origination.view_policydraft", order=5)
def _checks(request: HttpRequest, draft: PolicyDraft) -> Panel:
    found = _reviewed(request, draft)
    n, warned = len(found.problems), len(found.warnings)
    said = words(f"，{warned} 个提醒", f", {warned} warning(s)") if warned else ""
    kinds = {"bad": words("错误", "error"), "wait": words("提醒", "warning")}
    return Panel(
        words("静态检查", "Static checks"),
        facts=[(name, getattr(draft, name)) for name in ("title", "begun_by", "changed_by", "changed_at")],
        verdict=Verdict(
            not n,
            words(f"{n} 个错误{said}，不能启用", f"{n} error(s){said}: it cannot be activated")
            if n
            else words(f"没有错误{said}", f"No errors{said}"),
        ),
        table=Table(
            ("state", "line", "problem", "remedy", "where", "column"),
            [
                (
                    Badge(kinds[tone], tone),
                    _to_line(p.line),
                    words(p.what_zh, p.what),
                    words(p.remedy_zh, p.remedy),
                    p.where,
                    p.column,
                )
                for p, tone in _told(found)
            ],
        )
        if n or warned
        else None,
        more=Link("origination.policyversion", digest, words("打开提交的版本", "Open the version submitted"))
        if (digest := draft.submitted_sha256)
        else None,
        wide=True,
    )


def _to_line(line: int) -> SafeString:
    return format_html('<a class="c-link" href="#L{0}">{0}</a>', line)


@on_page("origination.policydraft", "origination.view_policydraft", order=6)
def _changes(request: HttpRequest, draft: PolicyDraft) -> Panel | None:
    found = _reviewed(request, draft).differences
    return (
        Panel(
            words("与现行版本的差异", "Differences from the version in force"),
            table=Table(("difference",), [(words(*pair),) for pair in found]),
            wide=True,
        )
        if found
        else None
    )


@on_page("origination.policydraft", "origination.view_policydraft", order=7)
def _tried(request: HttpRequest, draft: PolicyDraft) -> Panel | None:
    tried = _reviewed(request, draft).tried
    return _cases_panel(tried) if tried else None


def _cases_panel(tried: decisioning.Tried) -> Panel:
    failed = sum(1 for result in tried.results if result.problems)
    total, covered = len(tried.coverage), len(tried.coverage) - len(tried.untried)
    return Panel(
        words("测试案例与规则覆盖", "Test cases and rules they put to the test"),
        verdict=Verdict(
            tried.passed and bool(tried.results),
            words(f"{len(tried.results)} 个案例全部通过", f"{len(tried.results)} cases, all pass")
            if tried.passed and tried.results
            else words("还没有测试案例", "There are no test cases yet")
            if not tried.results
            else words(
                f"{len(tried.results)} 个案例中 {failed} 个未通过",
                f"{failed} of {len(tried.results)} cases fail",
            ),
        ),
        bars=[
            Bar(
                words("两面都试过", "tried both ways"),
                total,
                f"{covered}/{total}",
                part=covered,
            )
        ],
        table=Table(
            ("name", "outcome", "problem"),
            [
                (
                    r.name,
                    Badge(value(r.outcome.value if r.outcome else ""), "bad" if r.problems else "good"),
                    words("；".join(zh for zh, _ in r.problems), "; ".join(en for _, en in r.problems)),
                )
                for r in tried.results
            ],
        ),
        wide=True,
    )


@on_page("origination.policydraft", "origination.view_policydraft", order=8)
def _covered(request: HttpRequest, draft: PolicyDraft) -> Panel | None:
    """Rule by rule: what the cases have shown of it."""
    tried = _reviewed(request, draft).tried
    if not tried or not tried.results:
        return None

    def seen(states: frozenset[str], state: str) -> Badge:
        return Badge("✓", "good") if state in states else Badge("—", "plain")

    return Panel(
        words("逐条规则的覆盖", "Coverage of each rule"),
        table=Table(
            (
                words("规则", "rule"),
                words("不成立", "false"),
                words("成立", "true"),
                words("无法判断", "not evaluated"),
            ),
            [(rule, *(seen(states, state) for state in STATES)) for rule, states in tried.coverage.items()],
        ),
        wide=True,
    )


@on_page("origination.policydraft", "origination.view_policydraft", order=10)
def _draft_source(request: HttpRequest, draft: PolicyDraft) -> Panel:
    wrong = {problem.line: tone for problem, tone in reversed(_told(_reviewed(request, draft)))}
    return Panel(words("原文", "Text"), text=code(draft.source, wrong), wide=True)


# -- test cases


def _retire(request: HttpRequest, case: PolicyCase) -> Any:
    releases.retire_case(case.id, who(request))
    return words("案例已停用。", "The case is retired.")


@admin.register(PolicyCase)
class PolicyCaseAdmin(ReadOnlyAdmin):
    title = words("规则测试案例", "Policy test cases")
    columns = ("id", "title", "policy_name", "made_by", "made_at", "retired_at")
    filters = ("policy_name",)
    acts = (
        Act(
            "retire",
            words("停用", "Retire"),
            SUBMIT,
            _retire,
            ask=words("停用后不再随提交运行。", "It is no longer decided with submissions."),
            offered=lambda case: case.retired_at is None,
        ),
    )


@on_page("origination.policycase", "origination.view_policycase", order=5)
def _expected(request: HttpRequest, case: PolicyCase) -> Panel:
    raw = releases.case_of(case)
    return Panel(
        words("期望", "Expected"),
        facts=[*raw["expect"].items(), *raw["request"].items(), ("draw", raw.get("draw"))],
        text=json.dumps(raw["evidence"].get("facts", {}), ensure_ascii=False, indent=1),
    )
