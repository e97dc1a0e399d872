"""The life of a policy or a model: kept, tried, submitted, approved by a second person, activated at a moment, taken back.

Nobody approves what they submitted. What decides at any moment is a fold of the steps, so that it can be said of any day past.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.backtesting import differences
from timelyrain.origination import errors, registry, trials
from timelyrain.origination.models import (
    DecisionRecord,
    PolicyCase,
    PolicyDraft,
    PolicyVersion,
    ReleaseAct,
    ReleaseKind,
    ReleaseStep,
    ScoringModel,
)
from timelyrain.runtime import clock, locks
from timelyrain.runtime.crypto import decrypt, encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Conflict, Invalid, NotFound

SIMULATION = "simulated installation"
SCHEDULE = "schedule"
"""Who submits what nobody asked for: it takes two people to approve that."""


# -- drafts and what they would mean


@dataclass(frozen=True)
class Review:
    """What can be said of a definition before anybody decides on it."""

    policy: decisioning.Policy | None
    problems: Sequence[decisioning.DefinitionProblem]
    warnings: Sequence[decisioning.DefinitionProblem]
    differences: Sequence[tuple[str, str]]
    """(zh, en) sentences against the policy in force."""
    tried: decisioning.Tried | None

    def report(self) -> dict[str, Any]:
        """The part that is kept with a step."""
        tried = self.tried
        return {
            "differences": [list(words) for words in self.differences],
            "warnings": [str(warning) for warning in self.warnings],
            "cases": len(tried.results) if tried else 0,
            "untried_rules": list(tried.untried) if tried else [],
        }


def review(source: str) -> Review:
    """Check a definition, compare it with the one in force, and decide its test cases."""
    try:
        policy = decisioning.Policy.parse(source)
    except decisioning.DefinitionInvalid as invalid:
        return Review(None, invalid.problems, (), (), None)
    in_force = registry.active_hashes()
    told: list[tuple[str, str]] = []
    if "policy" in in_force:
        told = differences(PolicyVersion.objects.get(sha256=in_force["policy"]).source, source)
        present = registry.policy(in_force["policy"])
        if told and (present.name, present.version) == (policy.name, policy.version):
            told.insert(0, (
                f"版本号仍为 {policy.version}，与现行版本相同：请改为新的版本号",
                f"the version is still {policy.version}, like the one in force: give it another",
            ))  # fmt: skip
    model = registry.model(in_force["model"]) if "model" in in_force else None
    return Review(policy, (), policy.warnings, told, decisioning.try_cases(policy, cases(policy.name), model))


def begin_draft(title: str, source: str, by: str) -> UUID:
    draft = PolicyDraft.objects.create(
        title=title[:120], source=source, begun_by=by, changed_by=by, changed_at=clock.now()
    )
    return draft.id


def change_draft(draft_id: UUID, source: str, by: str) -> None:
    draft = _draft(draft_id)
    draft.source, draft.changed_by, draft.changed_at = source.replace("\r\n", "\n"), by, clock.now()
    draft.submitted_sha256 = ""
    draft.save()


def submit_draft(draft_id: UUID, by: str, note: str) -> str:
    """Make a version of a draft and ask for its approval; returns its hash."""
    draft = _draft(draft_id)
    draft.submitted_sha256 = submit_policy(draft.source, by, note)
    draft.save()
    return draft.submitted_sha256


def _draft(draft_id: UUID) -> PolicyDraft:
    draft = PolicyDraft.objects.filter(id=draft_id).first()
    if draft is None:
        raise NotFound(f"There is no draft {draft_id}.", remedy="Choose one from the list.")
    return draft


# -- test cases


def add_case(policy_name: str, raw: object, by: str) -> UUID:
    """Keep a test case for all policies of a name. Raises CaseInvalid."""
    case = decisioning.Case.from_json(raw)
    case_id = new_id()
    sealed = encrypt(json.dumps(raw).encode(), f"origination_policycase.case:{case_id}")
    PolicyCase.objects.create(
        id=case_id,
        policy_name=policy_name,
        title=case.name,
        case_sealed=sealed,
        made_by=by,
        made_at=clock.now(),
    )
    audit.record(0, "policy_case_added", actor=by, subject=case_id, policy=policy_name)
    return case_id


def case_from_decision(decision: DecisionRecord, title: str, by: str) -> UUID:
    """A past decision as a test case: the same evidence shall have the same outcome for the same reasons."""
    record = json.loads(registry.open_sealed(decision, "record"))
    outputs = record["outputs"]
    raw = {
        "name": title,
        "evidence": json.loads(registry.open_sealed(decision, "evidence")),
        "request": record["request"],
        "context": record["context"],
        "draw": record["draw"],
        "given": record.get("given", {}),
        "snoozed": record.get("snoozed", []),
        "expect": {
            "outcome": outputs["outcome"],
            "reasons": [r["code"] for r in outputs["reasons"]],
            "only": True,
        },
    }
    return add_case(registry.policy(decision.policy_sha256).name, raw, by)


def case_of(row: PolicyCase) -> dict[str, Any]:
    """The case in clear."""
    return json.loads(decrypt(row.case_sealed, f"origination_policycase.case:{row.id}"))


def retire_case(case_id: UUID, by: str) -> None:
    if not PolicyCase.objects.filter(id=case_id, retired_at=None).update(retired_at=clock.now()):
        raise NotFound(f"There is no test case {case_id} in use.", remedy="Choose one from the list.")
    audit.record(0, "policy_case_retired", actor=by, subject=case_id)


def cases(policy_name: str) -> list[decisioning.Case]:
    rows = PolicyCase.objects.filter(policy_name=policy_name, retired_at=None).order_by("id")
    return [decisioning.Case.from_json(case_of(row)) for row in rows]


# -- the steps


def submit_policy(source: str, by: str, note: str = "") -> str:
    """Ask for the approval of a definition that has no errors and passes its test cases; returns its hash."""
    found = review(source)
    if found.policy is None:
        raise errors.PolicyUnfit(
            f"The definition has {len(found.problems)} errors: " + "; ".join(map(str, found.problems)),
            remedy="Mend them; each says its line, column and remedy.",
        )
    if found.tried and not found.tried.passed:
        failed = [
            f"{r.name}: {'; '.join(en for _, en in r.problems)}" for r in found.tried.results if r.problems
        ]
        raise errors.PolicyUnfit(
            f"{len(failed)} test cases fail: {' | '.join(failed)}",
            remedy="Mend the definition, or retire a case that is no longer meant.",
        )
    policy = registry.keep_policy(source, by)
    _step(ReleaseKind.POLICY, policy.sha256, ReleaseAct.SUBMITTED, by, note, report=found.report())
    return policy.sha256


def submit_model(
    model: risk.TrainedModel, by: str, note: str = "", report: Mapping[str, Any] | None = None
) -> str:
    """Keep a model and ask for its approval as what its manifest's role says; returns its hash.

    report: what else whoever approves shall see.

    The manifest's hash stands in the step, so that what is told of the model can be checked like the model itself.
    """
    kept = registry.keep_model(model, by)
    metrics = model.metrics if "metrics" in model.manifest else {}
    told = {"metrics": dict(metrics), "manifest_sha256": registry.manifest_sha256(model.manifest)}
    _step(kept.kind, kept.sha256, ReleaseAct.SUBMITTED, by, note, report={**told, **(report or {})})
    return kept.sha256


def submit_model_file(path: Path, by: str, note: str = "") -> str:
    """Submit `<sha256>.model` as `timelyrain risk train --out` wrote it, with its manifest beside it; returns its hash.

    Raises risk.ModelRefused when the content is not what the name says, Conflict when it waits or was approved already.
    """
    return submit_model(risk.load(path, path.stem), by, note)


def attach(kind: str, digest: str, report: dict[str, Any], by: str) -> None:
    """Lay a back-test beside a version that waits for approval: its submission is said again with the report."""
    with transaction.atomic():
        locks.hold(f"release:{kind}")
        last = _expect(kind, digest, ReleaseAct.SUBMITTED)
        if last.report.get("backtest") == report:
            raise Conflict("This back-test lies beside the version already.", remedy="Look at its page.")
        _write(
            kind, digest, ReleaseAct.SUBMITTED, last.by, last.note, None, {**last.report, "backtest": report}
        )
        audit.record(0, f"{kind}_backtest_attached", actor=by, subject=digest)


def approve(kind: str, digest: str, by: str, note: str = "") -> ReleaseAct:
    """A second person approves what another has submitted; what the schedule has submitted, two people. Returns the step."""
    with transaction.atomic():
        locks.hold(f"release:{kind}")
        last = _expect(kind, digest, ReleaseAct.SUBMITTED, ReleaseAct.SECONDED)
        if by in {last.by, _kept_by(kind, digest)}:
            done = "submitted" if last.act == ReleaseAct.SUBMITTED else "approved"
            raise errors.SecondPersonNeeded(
                f"{by} has {done} this {kind}.", remedy="Somebody else has to approve it."
            )
        act = ReleaseAct.SECONDED if last.by == SCHEDULE else ReleaseAct.APPROVED
        _write(kind, digest, act, by, note)
    return act


def reject(kind: str, digest: str, by: str, note: str) -> None:
    """Refuse a version, or take an approved or activated one back: what was in force before it decides again."""
    if not note.strip():
        raise Invalid("A rejection needs a reason.", field="note", remedy="Say why.")
    with transaction.atomic():
        _hold(kind)
        _expect(kind, digest, *(act for act in ReleaseAct if act != ReleaseAct.REJECTED))
        needed = kind not in ReleaseKind.roles()  # of these the policy says
        if needed and registry.active_hashes().get(kind) == digest and _before(kind, digest) is None:
            raise Conflict(
                f"This {kind} is the only one that was ever in force.", remedy="Activate another one first."
            )
        _write(kind, digest, ReleaseAct.REJECTED, by, note)
        trials.end_all(digest, clock.now(), by)
        _judge_from(clock.now())


def activate(kind: str, digest: str, by: str, at: datetime | None = None, note: str = "") -> datetime:
    """Let an approved version decide from a moment on, now if none is given. Returns the moment."""
    with transaction.atomic():
        _hold(kind)
        _expect(kind, digest, ReleaseAct.APPROVED, ReleaseAct.ACTIVATED)
        now = clock.now()
        if at is not None and at < now:
            raise Invalid(
                f"{at.isoformat()} is past: what decided then cannot be changed.",
                field="at",
                remedy="Give a moment to come, or none for now.",
            )
        _write(kind, digest, ReleaseAct.ACTIVATED, by, note, at or now)
        trials.end_all(digest, at or now, by)
        _judge_from(at or now)
    return at or now


def _hold(kind: str) -> None:
    """One at a time changes what is in force: whether a policy and its models fit is judged over all kinds."""
    locks.hold("releases")
    locks.hold(f"release:{kind}")


def _judge_from(moment: datetime) -> None:
    """Refuse what would not fit at a moment, or at any activation that is to come after it."""
    to_come = ReleaseStep.objects.filter(act=ReleaseAct.ACTIVATED, effective_at__gt=moment)
    for at in (moment, *to_come.order_by("effective_at").values_list("effective_at", flat=True).distinct()):
        registry.judge_pair(registry.active_hashes(at))


def roll_back(kind: str, by: str, note: str) -> str:
    """Activate the version that was in force before the present one; returns its hash."""
    if not note.strip():
        raise Invalid("A roll-back needs a reason.", field="note", remedy="Say why.")
    before = before_present(kind)
    if before is None:
        raise Conflict(f"No {kind} was in force before the present one.", remedy="Activate an approved one.")
    activate(kind, before, by, note=note)
    return before


def before_present(kind: str) -> str | None:
    """The hash of what a roll-back would activate."""
    present = registry.active_hashes().get(kind)
    return _before(kind, present) if present else None


def install(source: str | None = None, model: risk.TrainedModel | None = None) -> None:
    """Policy and model of a simulated installation, without people. Skips what is in force already."""
    if not settings.SIMULATED:
        raise Conflict(
            "Only a simulated installation takes a policy without a second person.",
            remedy="Submit it, and let somebody else approve it.",
        )
    wanted = []
    if source is not None:
        wanted.append((ReleaseKind.POLICY, registry.keep_policy(source, SIMULATION).sha256))
    if model is not None:
        kept = registry.keep_model(model, SIMULATION)
        wanted.append((kept.kind, kept.sha256))
    for kind, digest in wanted:
        if registry.active_hashes().get(kind) != digest:
            with transaction.atomic():
                locks.hold(f"release:{kind}")
                for act in (ReleaseAct.SUBMITTED, ReleaseAct.APPROVED):
                    _write(kind, digest, act, SIMULATION)
                _write(kind, digest, ReleaseAct.ACTIVATED, SIMULATION, effective_at=clock.now())


def models() -> list[dict[str, Any]]:
    """Every kept model, newest first: where it stands, what it does now, its metrics on rows not trained on."""
    kept = ScoringModel.objects.order_by("-kept_at")
    newest = {s.sha256: s.act for s in ReleaseStep.objects.exclude(kind=ReleaseKind.POLICY).order_by("id")}
    in_force = registry.active_hashes()
    now = dict.fromkeys(trials.shadows(), "shadow") | {
        in_force[kind]: kind_now
        for kind, kind_now in (("challenger", "challenger"), *((one, "in force") for one in _MODELS))
        if kind in in_force
    }
    return [
        {
            "sha256": row.sha256,
            "kind": row.kind.value,
            "state": newest.get(row.sha256, "kept"),
            "now": now.get(row.sha256, ""),
            "metrics": row.manifest.get("metrics", {}).get("test", {}),
            "kept_by": row.kept_by,
            "kept_at": row.kept_at,
        }
        for row in kept
    ]


_MODELS = tuple(kind.value for kind in ReleaseKind if kind != ReleaseKind.POLICY)


def steps(kind: str, digest: str) -> list[ReleaseStep]:
    """All steps of a version, oldest first."""
    return list(ReleaseStep.objects.filter(kind=kind, sha256=digest).order_by("id"))


def _step(
    kind: ReleaseKind, digest: str, act: ReleaseAct, by: str, note: str, report: dict[str, Any] | None = None
) -> None:
    with transaction.atomic():
        locks.hold(f"release:{kind}")
        last = (steps(kind, digest) or [None])[-1]
        if last is not None and last.act != ReleaseAct.REJECTED:
            raise Conflict(f"This {kind} is {last.get_act_display()} already.", remedy="Look at its page.")
        _write(kind, digest, act, by, note, report=report)


def _write(
    kind: str,
    digest: str,
    act: ReleaseAct,
    by: str,
    note: str = "",
    effective_at: datetime | None = None,
    report: dict[str, Any] | None = None,
) -> None:
    ReleaseStep.objects.create(
        kind=kind,
        sha256=digest,
        act=act,
        by=by,
        at=clock.now(),
        effective_at=effective_at,
        note=note.strip(),
        report=report or {},
    )
    moment = {"effective_at": effective_at.isoformat()} if effective_at else {}
    audit.record(0, f"{kind}_{act}", actor=by, subject=digest, note=note.strip(), **moment)


def _expect(kind: str, digest: str, *acts: ReleaseAct) -> ReleaseStep:
    found = steps(kind, digest)
    if not found:
        raise NotFound(f"There is no {kind} {digest} in release.", remedy="Submit it first.")
    if found[-1].act not in acts:
        raise Conflict(
            f"This {kind} is {found[-1].get_act_display()}.",
            remedy=f"It has to be {' or '.join(act.label for act in acts)} for that.",
        )
    return found[-1]


def _kept_by(kind: str, digest: str) -> str:
    table = PolicyVersion if kind == ReleaseKind.POLICY else ScoringModel
    return table.objects.get(sha256=digest).kept_by


def _before(kind: str, digest: str) -> str | None:
    """What was in force before this version, and was not taken back."""
    now = clock.now()
    taken_back = {
        d
        for d in ReleaseStep.objects.filter(kind=kind).values_list("sha256", flat=True).distinct()
        if steps(kind, d)[-1].act == ReleaseAct.REJECTED
    }
    past = ReleaseStep.objects.filter(kind=kind, act=ReleaseAct.ACTIVATED, effective_at__lte=now)
    order = past.order_by("-effective_at", "-id").values_list("sha256", flat=True)
    return next((d for d in order if d != digest and d not in taken_back), None)
