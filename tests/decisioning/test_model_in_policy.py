"""The two rooms together: features of the default policy train a model, and the model decides and replays."""

from pathlib import Path

import numpy as np

from tests.decisioning.applicants import LAW, REQUEST, default_policy, evidence
from timelyrain import risk
from timelyrain.decisioning import decide, decision_record, features_matrix, replay


def test_a_model_trained_on_the_policys_features_decides_and_replays(tmp_path: Path):
    policy = default_policy()
    rng = np.random.default_rng(11)
    trouble = rng.random(500) ** 2
    people = [evidence(seed, float(t)) for seed, t in enumerate(trouble)]
    labels = (rng.random(500) < 0.02 + 0.6 * trouble).astype(np.int64)
    matrix, names = features_matrix(policy, people)
    trained = risk.train(
        matrix, labels, names, monotone=policy.monotone, definition_sha256=policy.sha256, seed=2
    )
    assert trained.metrics["auc"] > 0.7
    path = risk.save(trained, tmp_path)
    model = risk.load(path, trained.sha256)
    steady, troubled = (decide(policy, evidence(9_000, t), REQUEST, model, 0, LAW) for t in (0.0, 1.0))
    assert steady.pd_ppm is not None and troubled.pd_ppm is not None
    assert steady.pd_ppm < troubled.pd_ppm
    assert steady.outcome == "approve" and troubled.outcome == "decline"
    assert troubled.factors and all(factor.contribution_ppm > 0 for factor in troubled.factors)
    record = decision_record(steady, policy, evidence(9_000), REQUEST, model, 0, LAW)
    assert replay(record, policy, evidence(9_000), risk.load(path, trained.sha256)).equal
