from typing import ClassVar

from django.db import models

from timelyrain.runtime.ids import new_id
from timelyrain.runtime.models import Sharded


class PolicyVersion(models.Model):
    """A checked decision policy by the hash of its content (reference table). `ReleaseStep` says whether and when it decides."""

    append_only = True
    sha256 = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=80)
    source = models.TextField()
    kept_by = models.CharField(max_length=150)
    kept_at = models.DateTimeField()


class ScoringModel(models.Model):
    """A trained model by the hash of its file (reference table). `ReleaseStep` says whether and when it scores."""

    append_only = True
    sha256 = models.CharField(primary_key=True, max_length=64)
    manifest = models.JSONField()
    kept_by = models.CharField(max_length=150)
    kept_at = models.DateTimeField()

    @property
    def kind(self) -> "ReleaseKind":
        """What it scores, as its manifest says: `risk fraud train` names a role, a model of PD has none."""
        role = self.manifest.get("role")
        return ReleaseKind(role) if role in ReleaseKind.roles() else ReleaseKind.MODEL


class ReleaseKind(models.TextChoices):
    POLICY = "policy", "decision policy"
    MODEL = "model", "scoring model"
    FRAUD = "fraud", "model of fraud"
    ANOMALY = "anomaly", "model of oddness"

    @classmethod
    def roles(cls) -> "tuple[ReleaseKind, ...]":
        """Models beside that of PD; a policy names the score of each as `<role>.score_ppm`."""
        return cls.FRAUD, cls.ANOMALY


class ReleaseAct(models.TextChoices):
    SUBMITTED = "submitted", "submitted for approval"
    SECONDED = "seconded", "approved by the first of two"
    APPROVED = "approved", "approved by a second person"
    REJECTED = "rejected", "rejected or taken back"
    ACTIVATED = "activated", "activated"


class ReleaseStep(models.Model):
    """One step in the life of a policy or model; what decides at a moment is a fold of these (reference table).

    report: what the step rests on: test cases, differences in words, a back-test.
    """

    append_only = True
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=ReleaseKind.choices)
    sha256 = models.CharField(max_length=64)
    act = models.CharField(max_length=10, choices=ReleaseAct.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    effective_at = models.DateTimeField(null=True)
    note = models.TextField(default="", blank=True)
    report = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["kind", "sha256"], name="release_of_version")]


class PolicyDraft(models.Model):
    """A policy being written; any text may stand here. Submitting makes a version of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(max_length=120)
    source = models.TextField()
    begun_by = models.CharField(max_length=150)
    changed_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()
    submitted_sha256 = models.CharField(max_length=64, default="", blank=True)


class PolicyCase(models.Model):
    """A test case of all policies of one name. Sealed: it may be made from a person's past application."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy_name = models.CharField(max_length=80)
    title = models.CharField(max_length=200)
    case_sealed = models.BinaryField()
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)


class ApplicationState(models.TextChoices):
    GATHERING = "gathering", "gathering evidence"
    APPROVED = "approved", "approved"
    DECLINED = "declined", "declined"
    REFERRED = "referred", "with a person"
    MORE_EVIDENCE = "more_evidence", "more evidence is needed"


class Application(Sharded):
    borrower_id = models.UUIDField()
    product = models.CharField(max_length=60)
    amount_fen = models.BigIntegerField()
    instalments = models.SmallIntegerField()
    purpose = models.CharField(max_length=60)
    state = models.CharField(
        max_length=14, choices=ApplicationState.choices, default=ApplicationState.GATHERING
    )
    submitted_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["shard", "borrower_id"], name="application_of_borrower")]


class DecisionRecord(Sharded):
    """A decision in canonical bytes, sealed, with the evidence it was made on: enough to replay it byte for byte."""

    append_only = True
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, related_name="decisions"
    )
    outcome = models.CharField(max_length=14)
    reasons = models.JSONField()
    policy_sha256 = models.CharField(max_length=64)
    model_sha256 = models.CharField(max_length=64, null=True)
    record_sha256 = models.CharField(max_length=64)
    record_sealed = models.BinaryField()
    evidence_sealed = models.BinaryField()
    microseconds = models.IntegerField()
    gather_milliseconds = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "application"], name="one_decision_per_application")
        ]


class Offer(Sharded):
    """What the borrower may take: up to limit_fen at rate_ppm, until it expires."""

    append_only = True
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, related_name="offers"
    )
    decision = models.ForeignKey(DecisionRecord, models.DO_NOTHING, db_constraint=False)
    borrower_id = models.UUIDField()
    product = models.CharField(max_length=60)
    purpose = models.CharField(max_length=60)
    minimum_fen = models.BigIntegerField()
    limit_fen = models.BigIntegerField()
    requested_fen = models.BigIntegerField()
    requested_instalments = models.SmallIntegerField()
    instalments = models.JSONField()  # the terms to choose from
    rate_ppm = models.IntegerField()
    cap_ppm = models.IntegerField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "decision"], name="offer_per_decision")
        ]


class Review(Sharded):
    """An application in the hands of a person: because the policy referred it or because the borrower asked."""

    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, related_name="reviews"
    )
    asked_by = models.CharField(max_length=10)  # policy or borrower
    note = models.TextField(default="", blank=True)
    opened_at = models.DateTimeField()
    answered_by = models.CharField(max_length=80, default="", blank=True)
    answer = models.TextField(default="", blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["shard", "application"], condition=models.Q(answered_at=None), name="one_open_review"
            ),
        ]


class BacktestState(models.TextChoices):
    WAITING = "begun", "waits for the worker"
    RUNNING = "running", "is computed"
    DONE = "done", "done"
    FAILED = "stopped", "stopped"


class Backtest(models.Model):
    """A policy tried on past applications (reference table). file: empty for this platform's own decisions up to asked_at."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy_sha256 = models.CharField(max_length=64)
    against_sha256 = models.CharField(max_length=64)
    against_source = models.TextField()
    model_sha256 = models.CharField(max_length=64, null=True)
    file = models.CharField(max_length=200, default="", blank=True)
    state = models.CharField(max_length=7, choices=BacktestState.choices, default=BacktestState.WAITING)
    chunks_done = models.IntegerField(default=0)
    chunks = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    result = models.JSONField(null=True)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)


class TrialKind(models.TextChoices):
    CHALLENGER = "challenger", "decides for a share of the applicants"
    SHADOW = "shadow", "scores after the answer, changes nothing"


class ModelTrial(models.Model):
    """A model beside the one in force (reference table). share_ppm: of the applicants, 0 for a shadow."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model_sha256 = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=TrialKind.choices)
    share_ppm = models.IntegerField(default=0)
    by = models.CharField(max_length=150)
    begun_at = models.DateTimeField()
    ended_by = models.CharField(max_length=150, default="", blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=models.Q(kind="challenger", ended_at=None),
                name="one_challenger",
            ),
            models.UniqueConstraint(
                fields=["model_sha256"],
                condition=models.Q(kind="shadow", ended_at=None),
                name="shadow_model_once",
            ),
        ]


class ShadowScore(Sharded):
    """What a decision would have been with a shadow model: recomputed at any time from the decision's record and the model.

    score_ppm, decided_score_ppm: of a model of fraud or oddness, and what the decision read; velocities: those it was made from.
    """

    append_only = True
    decision = models.ForeignKey(
        DecisionRecord, models.DO_NOTHING, db_constraint=False, related_name="shadow_scores"
    )
    model_sha256 = models.CharField(max_length=64)
    pd_ppm = models.IntegerField(null=True)
    decided_pd_ppm = models.IntegerField(null=True)
    score_ppm = models.IntegerField(null=True)
    decided_score_ppm = models.IntegerField(null=True)
    velocities = models.JSONField(default=dict)
    outcome = models.CharField(max_length=14)
    agrees = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "decision", "model_sha256"], name="shadow_score_once")
        ]
        indexes: ClassVar = [models.Index(fields=["model_sha256", "at"], name="shadow_scores_of_model")]


class Retraining(models.Model):
    """A model trained anew on this platform's own decisions (reference table); its states are those of a back-test."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    months = models.SmallIntegerField()
    state = models.CharField(max_length=7, choices=BacktestState.choices, default=BacktestState.WAITING)
    stage = models.TextField(default="", blank=True)
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    model_sha256 = models.CharField(max_length=64, null=True)
    finished_at = models.DateTimeField(null=True)


class ModelWatch(models.Model):
    """What a watch of a model found on a day, once for each (reference table). sha256: of `report` as canonical JSON."""

    append_only = True
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model_sha256 = models.CharField(max_length=64)
    on = models.DateField()
    level = models.CharField(max_length=5)  # calm, watch, act
    report = models.JSONField()
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model_sha256", "on"], name="model_watched_once_a_day")
        ]


class WatchRun(models.Model):
    """A watch that the calendar asked for, once per model and day (reference table); what it found is a ModelWatch.

    deaths: how often its process took too long or ended without a word.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model_sha256 = models.CharField(max_length=64)
    on = models.DateField()
    state = models.CharField(max_length=7, choices=BacktestState.choices, default=BacktestState.RUNNING)
    deaths = models.SmallIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model_sha256", "on"], name="watch_run_once_a_day")
        ]


class ListEntry(models.Model):
    """Somebody or something put on a list, or taken off it, by keyed hash; the newest entry of a key decides (reference table).

    chain: hash of the entry and of the chain before it; the last one names the state of all lists.
    """

    append_only = True
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    position = models.BigIntegerField(unique=True)
    list = models.CharField(max_length=80)
    key_hash = models.BinaryField(max_length=32)
    on = models.BooleanField()
    until = models.DateTimeField(null=True)
    by = models.CharField(max_length=150)
    why = models.TextField()
    at = models.DateTimeField()
    chain = models.BinaryField(max_length=32)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key_hash", "list", "position"], name="list_entry_of_key")]


class Sighting(models.Model):
    """A thing that an applicant used, by keyed hash of both (reference table: things are shared by persons of all shards).

    Nothing is changed, and only the database's forget_sightings() deletes: what no window reaches any more.
    """

    append_only = True
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8)
    key_hash = models.BinaryField(max_length=32)
    person_hash = models.BinaryField(max_length=32)
    application_id = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["key_hash", "at", "id"], name="sighting_of_key"),
            models.Index(fields=["at"], name="sighting_at"),
        ]


class SightingBackfill(models.Model):
    """Sightings read out of past decisions' evidence (reference table), of those made from `since` to before `until`.

    after_shard, after_id: the last decision that was looked at; a fill that was cut short goes on behind it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    by = models.CharField(max_length=150)
    since = models.DateTimeField()
    until = models.DateTimeField()
    after_shard = models.SmallIntegerField(default=-1)
    after_id = models.UUIDField(null=True)
    decisions = models.IntegerField(default=0)
    sightings = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)


class RuleSnooze(Sharded):
    """A rule that says nothing about one person until a moment; the newest of a rule decides. It is evaluated all the same."""

    append_only = True
    borrower_id = models.UUIDField()
    code = models.CharField(max_length=60)
    until = models.DateTimeField()
    by = models.CharField(max_length=150)
    why = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["shard", "borrower_id"], name="snooze_of_borrower")]


class ExemptionState(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    APPROVED = "approved", "approved"
    REJECTED = "rejected", "rejected"


class Exemption(models.Model):
    """Letting somebody past a rule, asked by one person and decided by another (reference table).

    what: `put_on` puts a key on a list, `take_off` takes one off, `snooze` silences a rule.
    name: of the list, or the rule's code.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    what = models.CharField(max_length=8)
    name = models.CharField(max_length=80)
    key_hash = models.BinaryField(max_length=32, null=True)
    borrower_shard = models.SmallIntegerField(null=True)
    borrower_id = models.UUIDField(null=True)
    until = models.DateTimeField(null=True)
    why = models.TextField()
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=ExemptionState.choices, default=ExemptionState.WAITING)
    decided_by = models.CharField(max_length=150, default="", blank=True)
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(default="", blank=True)


class ShadowPolicy(models.Model):
    """A policy that decides everything once more, after the answer has gone out, and changes nothing (reference table)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy_sha256 = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class ShadowDecision(Sharded):
    """What a shadow policy would have decided: a whole record, sealed."""

    append_only = True
    decision = models.ForeignKey(
        DecisionRecord, models.DO_NOTHING, db_constraint=False, related_name="shadows"
    )
    policy_sha256 = models.CharField(max_length=64)
    outcome = models.CharField(max_length=14)
    agrees = models.BooleanField()
    record_sha256 = models.CharField(max_length=64)
    record_sealed = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "decision", "policy_sha256"], name="shadow_once")
        ]


class Explanation(Sharded):
    """Why a decision was not an approval, and what would change it, as it was first told: JSON, sealed."""

    append_only = True
    decision = models.ForeignKey(
        DecisionRecord, models.DO_NOTHING, db_constraint=False, related_name="explanations"
    )
    attribution = models.CharField(max_length=8, blank=True)
    told_sealed = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["shard", "decision"], name="explained_once")]
