"""Scores of fraud and oddness in the shadow: begun on the page of their model, and how they fall there."""

from typing import Any

from django.http import HttpRequest

from timelyrain.origination import models_admin, registry, trials
from timelyrain.origination.models import ModelTrial, ReleaseKind, ScoringModel, TrialKind
from timelyrain.origination.releases_admin import SUBMIT
from timelyrain.runtime.admin import Act
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Bar, Panel, on_page


def _begin(request: HttpRequest, row: ScoringModel) -> Any:
    trials.shadow(row.sha256, request.user.get_username())
    return words("已开始影子评分。", "It scores in the shadow from now on.")


def _may_begin(row: ScoringModel) -> bool:
    runs = ModelTrial.objects.filter(model_sha256=row.sha256, kind=TrialKind.SHADOW, ended_at=None).exists()
    return (
        row.kind in ReleaseKind.roles() and not runs and registry.active_hashes().get(row.kind) != row.sha256
    )


models_admin.ScoringModelAdmin.acts += (
    Act(
        "shadow-score",
        words("影子评分", "Score in the shadow"),
        SUBMIT,
        _begin,
        ask=words(
            "此后每件申请在答复之后再按此模型算一次分，只作比较，不影响任何人；同时开始积累所见的设备、地址等（只存加密指纹）。",
            "Every application is scored once more by this model after its answer has gone out: compared, never applied. What "
            "applicants use (devices, addresses) is counted from then on, by keyed hash.",
        ),
        offered=_may_begin,
    ),
)


@on_page("origination.scoringmodel", "origination.view_scoringmodel", order=9)
def _bands(request: HttpRequest, row: ScoringModel) -> Panel | None:
    """How many applications it would have flagged, and how many of these were approved."""
    found = trials.bands(row.sha256)
    if not found:
        return None
    bars = [
        Bar(
            f"≥ {band.low_ppm / 10_000:g}%",
            band.decisions,
            words(
                f"{band.decisions:,} 件，通过 {band.approved:,} 件",
                f"{band.decisions:,}, approved {band.approved:,}",
            ),
            part=band.approved,
            tone="wait" if band.low_ppm >= 700_000 else "plain",
        )
        for band in found
    ]
    return Panel(
        words("影子分数的分布（实色：通过）", "How its scores fall in the shadow (solid: approved)"),
        bars=bars,
        wide=True,
    )
