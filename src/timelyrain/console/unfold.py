"""How the console looks and what its menu holds. Labels follow the reader's language."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from timelyrain.runtime.glossary import words

_MENU: list[tuple[Any, list[tuple[Any, str, str]]]] = [
    (
        words("放款前", "Before the loan"),
        [
            (words("申请", "Applications"), "origination.application", "inbox"),
            (words("决策记录", "Decisions"), "origination.decisionrecord", "gavel"),
            (words("人工复核", "Reviews"), "origination.review", "person_search"),
            (words("信息来源查询", "Source reads"), "sources.sourceread", "travel_explore"),
            (words("报价", "Offers"), "origination.offer", "sell"),
        ],
    ),
    (
        words("放款", "Agreement and pay-out"),
        [
            (words("费用披露", "Disclosures"), "agreements.disclosure", "request_quote"),
            (words("借款协议", "Agreements"), "agreements.agreement", "contract"),
            (words("付款指令", "Payment orders"), "payments.paymentorder", "payments"),
        ],
    ),
    (
        words("贷后", "After pay-out"),
        [
            (words("借据", "Loans"), "servicing.loan", "account_balance_wallet"),
            (words("还款", "Repayments"), "servicing.repayment", "event_available"),
            (words("办理与批准", "Acts and approvals"), "servicing.loanact", "fact_check"),
            (words("借款人申请", "Borrowers' requests"), "servicing.wish", "volunteer_activism"),
        ],
    ),
    (
        words("账务", "Books"),
        [
            (words("账簿", "Books"), "servicing.books", "menu_book"),
            (words("联合贷合作方", "Funding partners"), "servicing.partners", "handshake"),
            (words("账户", "Accounts"), "ledger.account", "account_balance"),
            (words("凭证", "Transfers"), "ledger.transfer", "receipt_long"),
            (words("科目表", "Chart of accounts"), "ledger.chart", "list_alt"),
        ],
    ),
    (
        words("客户与授权", "People and consent"),
        [
            (words("借款人", "Borrowers"), "customers.borrower", "group"),
            (words("同意", "Consents"), "customers.consent", "verified_user"),
            (words("个人信息读取", "Reads of personal data"), "customers.personaldataread", "visibility"),
            (words("通知", "Messages"), "customers.message", "sms"),
        ],
    ),
    (
        words("规则与模型", "Policy and model"),
        [
            (words("规则版本", "Policy versions"), "origination.policyversion", "rule"),
            (words("评分模型", "Scoring models"), "origination.scoringmodel", "model_training"),
            (words("规则草稿", "Drafts"), "origination.policydraft", "edit_note"),
            (words("测试案例", "Test cases"), "origination.policycase", "checklist"),
            (words("策略回测", "Back-tests"), "origination.backtest", "compare_arrows"),
            (words("影子策略", "Shadow policies"), "origination.shadowpolicy", "contrast"),
            (words("挑战与影子模型", "Challengers and shadow models"), "origination.modeltrial", "alt_route"),
            (words("重新训练", "Retraining"), "origination.retraining", "cycle"),
            (words("模型监测", "Watching"), "origination.modelwatch", "monitoring"),
            (words("名单", "Lists"), "origination.listentry", "list"),
            (words("规则例外", "Exemptions"), "origination.exemption", "approval_delegation"),
        ],
    ),
    (
        words("运行与审计", "Running and audit"),
        [
            (words("流程", "Workflows"), "runtime.saga", "account_tree"),
            (words("定时任务", "Scheduled jobs"), "runtime.schedule", "schedule"),
            (words("行为记录", "Acts"), "audit.act", "history"),
            (words("签名树头", "Signed heads"), "audit.treehead", "lock"),
        ],
    ),
    (
        words("人员与角色", "Staff and roles"),
        [
            (words("用户", "Users"), "auth.user", "badge"),
            (words("角色", "Roles"), "auth.group", "shield_person"),
            (words("操作日志", "Console log"), "admin.logentry", "manage_history"),
        ],
    ),
]

# Pages that are no list of records: where they are, and who may open them.
_PAGES = {
    "servicing.books": ("admin:servicing_books", "ledger.view_account"),
    "servicing.partners": ("admin:servicing_partners", "servicing.view_fundingpartner"),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu of what this person may see."""
    home = [{"title": words("总览", "Overview"), "icon": "dashboard", "link": reverse("admin:index")}]
    groups = [
        {
            "title": title,
            "separator": False,
            "items": [
                {
                    "title": name,
                    "icon": icon,
                    "link": reverse(_PAGES.get(page, (f"admin:{page.replace('.', '_')}_changelist", ""))[0]),
                }
                for name, page, icon in items
                if request.user.has_perm(_PAGES.get(page, ("", page.replace(".", ".view_")))[1])
            ],
        }
        for title, items in _MENU
    ]
    return [{"items": home}, *(group for group in groups if group["items"])]


def environment(request: HttpRequest) -> list[Any] | None:
    """The sign that this is a simulated world: no real money here."""
    return [words("模拟环境", "Simulated world"), "warning"] if settings.SIMULATED else None


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": words("及时雨 控制台", "TimelyRain console"),
    "SITE_HEADER": words("及时雨", "TimelyRain"),
    "SITE_SUBHEADER": settings.LENDER["name"],
    "SITE_SYMBOL": "water_drop",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/drop.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "ENVIRONMENT": "timelyrain.console.unfold.environment",
    "DASHBOARD_CALLBACK": "timelyrain.console.dashboard.context",
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/console.js")],
    "SIDEBAR": {"navigation": "timelyrain.console.unfold.navigation"},
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "#eef6fb",
            "100": "#d5e9f5",
            "200": "#aed4ec",
            "300": "#7bb8dd",
            "400": "#4698c9",
            "500": "#237bb0",
            "600": "#176293",
            "700": "#154f77",
            "800": "#154363",
            "900": "#163953",
            "950": "#0e2437",
        }
    },
}
