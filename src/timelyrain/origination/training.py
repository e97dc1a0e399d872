"""A PD model for this platform's own policy features, from people whose fate is known."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
from django.conf import settings

from timelyrain import decisioning, risk
from timelyrain.origination import registry
from timelyrain.sources.services import fetch_population


def train_on_population(
    policy: decisioning.Policy,
    n: int,
    seed: int,
    as_of: datetime,
    say: Callable[[str], None] = lambda text: None,
) -> risk.TrainedModel:
    """Fetch n people from the sandbox, compute the policy's features from their raw documents, train, keep the file.

    The same population under the same policy is trained once: the hash of its model is remembered beside the file.
    """
    known = registry.models_folder() / f"population-{n}-{seed}-{as_of:%Y%m%d}-{policy.sha256[:16]}.sha256"
    if known.exists():
        say("the model for this population and policy is at hand")
        return registry.load_model(known.read_text())
    evidences: list[decisioning.Evidence] = []
    labels: list[int] = []
    for person in fetch_population(settings.SANDBOX_URL, n, seed, as_of):
        evidences.append(decisioning.evidence_from_json(person.evidence))
        labels.append(person.default_12m)
        if len(labels) % 1000 == 0:
            say(f"{len(labels)} of {n} people")
    matrix, names = decisioning.features_matrix(policy, evidences)
    say(f"training on {matrix.shape[0]} people x {matrix.shape[1]} features")
    model = risk.train(
        matrix, np.array(labels), names, monotone=policy.monotone, definition_sha256=policy.sha256, seed=seed
    )
    risk.save(model, registry.models_folder())
    known.write_text(model.sha256)
    return model
