"""The audit log in the console: acts, sealed heads, the check of both. Every act done in the console is kept here."""

from typing import Any

from django.contrib import admin
from django.dispatch import receiver
from django.http import HttpRequest

from timelyrain.audit import merkle, queries, services
from timelyrain.audit.models import Act, Leaf, TreeHead, Unsealed
from timelyrain.runtime import admin as desk
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Link, Panel, Table, Verdict, on_dashboard, on_page

AT_SIGHT = 20_000
"""A log of up to so many leaves is recomputed each time the dashboard is looked at; a longer one on request."""


@receiver(desk.acted)
def _keep(sender: Any, user: Any, act: str, row: Any, **_: Any) -> None:
    """The audit log learns who pressed what, in the transaction of the act."""
    services.record(
        getattr(row, "shard", 0),
        f"console_{act.replace('-', '_')}",
        actor=user.get_username(),
        subject=row.pk,
        page=row._meta.label_lower,
    )


@admin.register(Act)
class ActAdmin(desk.ReadOnlyAdmin):
    title = words("行为记录", "Acts")
    columns = ("id", "act", "actor", "subject", "at")
    filters = ("act", "actor")
    find_by = ("id", "subject")


@on_page("audit.act", "audit.view_leaf", order=10)
def _inclusion(request: HttpRequest, act: Act) -> Panel:
    proof = queries.proof_of(act.id)
    if proof is None:
        text = words("尚未封存，将进入下一个树头。", "Not sealed yet; it enters the next head.")
        return Panel(words("封存", "Seal"), text=text)
    path = [bytes.fromhex(h) for h in proof["path"]]
    leaf = merkle.leaf_hash(services.leaf_bytes(act))
    good = merkle.verify_inclusion(leaf, proof["position"], proof["size"], path, bytes.fromhex(proof["root"]))
    return Panel(
        words("封存", "Seal"),
        verdict=Verdict(
            good,
            words("本行为已包含在签名树头中", "This act is in the signed head")
            if good
            else words("与封存时不一致", "Differs from what was sealed"),
        ),
        facts=[
            ("position", proof["position"]),
            ("size", Link("audit.treehead", proof["size"])),
            ("root", proof["root"]),
            ("path", proof["path"]),
        ],
        wide=True,
    )


def _check(request: HttpRequest, head: TreeHead) -> Panel:
    check = queries.check_log()
    return Panel(
        words("整个日志的核对", "Check of the whole log"),
        verdict=_verdict(check),
        table=Table(("detail",), [(problem,) for problem in check.problems]) if check.problems else None,
        facts=[("size", check.size), ("root", check.root)],
        wide=True,
    )


def _verdict(check: queries.LogCheck) -> Verdict:
    n = len(check.problems)
    if n:
        return Verdict(False, words(f"发现 {n} 处不一致", f"{n} difference(s) found"))
    return Verdict(
        True,
        words(f"已重算 {check.size} 条，全部一致", f"Recomputed {check.size} acts: all agree"),
    )


@admin.register(TreeHead)
class TreeHeadAdmin(desk.ReadOnlyAdmin):
    title = words("签名树头", "Signed heads")
    columns = ("size", "root", "at")
    acts = (
        desk.Act(
            "check-log", words("重新核对整个日志", "Check the whole log"), "audit.view_treehead", _check
        ),
    )


@admin.register(Leaf)
class LeafAdmin(desk.ReadOnlyAdmin):
    title = words("日志叶", "Leaves")
    columns = ("position", "act_id", "sha256")
    find_by = ("act_id",)
    links = {"act_id": "audit.act"}


@on_dashboard("audit.view_treehead", order=45)
def _newest_head() -> Panel:
    title = words("审计日志", "Audit log")
    head = TreeHead.objects.order_by("-size").first()
    waiting = Unsealed.objects.count()
    if head is None:
        return Panel(title, text=words("尚无封存的树头。", "Nothing is sealed yet."))
    return Panel(
        title,
        verdict=_verdict(queries.check_log()) if head.size <= AT_SIGHT else None,
        facts=[("size", head.size), ("root", head.root), ("at", head.at), ("unsealed", waiting)],
        more=Link(
            "audit.treehead",
            head.size,
            words("树头与整个日志的核对", "The head, and the check of the whole log"),
        ),
    )
