"""Who may do what: roles as Django groups with exactly the permissions listed here, and logins for a simulated world."""

import secrets
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q

from timelyrain.runtime.problems import NotAllowed

ROOMS = (
    "runtime",
    "audit",
    "ledger",
    "customers",
    "sources",
    "payments",
    "origination",
    "agreements",
    "servicing",
)
# What people never need to see: keys to a door (codes, sessions), plumbing, and the index of who owns which document.
HIDDEN = {
    "customers.onetimecode",
    "customers.session",
    "customers.identityclaim",
    "runtime.idempotentrequest",
}

_LENDING = (
    "origination.view_application",
    "origination.view_decisionrecord",
    "origination.view_offer",
    "origination.view_review",
    "origination.view_rulesnooze",
    "sources.view_sourceread",
    "agreements.view_disclosure",
    "agreements.view_confirmation",
    "agreements.view_agreement",
    "agreements.view_contractdocument",
    "servicing.view_loan",
    "servicing.view_loanevent",
    "servicing.view_repayment",
    "servicing.view_dayrun",
    "servicing.view_loanact",
    "servicing.view_wish",
    "servicing.view_fundingpartner",
    "servicing.view_fundingarrangement",
    "servicing.view_fundingact",
)
_BOOKS = (
    "ledger.view_chart",
    "ledger.view_account",
    "ledger.view_transfer",
    "ledger.view_entry",
    "ledger.view_disclosedcharge",
)
_CONSENT = ("customers.view_borrower", "customers.view_consent")
_RUNNING = (
    "runtime.view_saga",
    "runtime.view_sagatrace",
    "runtime.view_schedule",
    "runtime.view_clockshift",
)
_AUDIT = ("audit.view_act", "audit.view_leaf", "audit.view_treehead")
_POLICY = (
    "origination.view_policyversion",
    "origination.view_scoringmodel",
    "origination.view_policydraft",
    "origination.view_policycase",
    "origination.view_releasestep",
    "origination.view_backtest",
    "origination.view_listentry",
    "origination.view_exemption",
    "origination.view_shadowpolicy",
    "origination.view_shadowdecision",
    "origination.view_modeltrial",
    "origination.view_shadowscore",
    "origination.view_retraining",
    "origination.view_modelwatch",
)

AUDITOR = "auditor"
ROLES: dict[str, tuple[str, ...]] = {
    # Acts on loans and with funding partners: operations asks, and somebody else of operations or risk approves.
    "risk": (
        *_LENDING,
        *_POLICY,
        "customers.view_consent",
        "servicing.change_loanact",
        "servicing.change_fundingact",
        "origination.add_releasestep",
        "origination.add_listentry",
        "origination.add_exemption",
        "origination.change_exemption",  # of what somebody else has asked for
    ),
    "operations": (
        *_LENDING,
        *_BOOKS,
        *_CONSENT,
        *_RUNNING,
        *_AUDIT,
        "customers.view_message",
        "payments.view_paymentorder",
        "origination.change_review",
        "servicing.add_loanact",
        "servicing.change_loanact",
        "servicing.change_wish",
        "servicing.add_fundingact",
        "servicing.change_fundingact",
        "runtime.change_saga",
        "runtime.change_clockshift",  # the API refuses it anywhere but in a simulated world
    ),
    "compliance": (
        *_LENDING,
        *_CONSENT,
        *_AUDIT,
        *_POLICY,
        "origination.change_releasestep",  # the second person
        "origination.change_exemption",
        "customers.view_personaldataread",
        "customers.view_message",
        "ledger.view_disclosedcharge",
    ),
    AUDITOR: ("auth.view_user", "auth.view_group", "admin.view_logentry"),  # and every view, see below
    "administrator": (
        "auth.add_user",
        "auth.change_user",
        "auth.view_user",
        "auth.view_group",
        "admin.view_logentry",
        *_RUNNING,
    ),
}


def _permissions(role: str) -> list[Permission]:
    """The rows behind a role's names. Raises LookupError when a name has no row: migrate comes first."""
    names = set(ROLES[role])
    if role == AUDITOR:
        models = (model for room in ROOMS for model in apps.get_app_config(room).get_models())
        names |= {
            f"{m._meta.app_label}.view_{m._meta.model_name}"
            for m in models
            if m._meta.label_lower not in HIDDEN
        }
    wanted = Q()
    for label, codename in (name.split(".") for name in names):
        wanted |= Q(content_type__app_label=label, codename=codename)
    found = list(Permission.objects.filter(wanted).select_related("content_type"))
    missing = names - {f"{p.content_type.app_label}.{p.codename}" for p in found}
    if missing:
        raise LookupError(f"role {role}: no permission {', '.join(sorted(missing))}; migrate first")
    return found


def ensure_roles() -> None:
    """Make the groups agree with ROLES: what is missing is given, what is too much is taken."""
    with transaction.atomic():
        for role in ROLES:
            Group.objects.get_or_create(name=role)[0].permissions.set(_permissions(role))


@dataclass(frozen=True)
class DemoLogin:
    username: str
    password: str
    role: str


def ensure_demo_users() -> list[DemoLogin]:
    """One user per role, named after it, each with a new random password. Only in a simulated world."""
    if not settings.SIMULATED:
        raise NotAllowed(
            "This platform runs on real money: it has no demo users.",
            remedy="Create staff accounts in the console, or set TIMELYRAIN_SIMULATED=1 for a simulated world.",
        )
    ensure_roles()
    logins = []
    for role in ROLES:
        password = secrets.token_urlsafe(12)
        user, _ = User.objects.get_or_create(username=role)
        user.is_staff, user.is_active, user.is_superuser = True, True, False
        user.set_password(password)
        user.save()
        user.groups.set([Group.objects.get(name=role)])
        logins.append(DemoLogin(role, password, role))
    return logins
