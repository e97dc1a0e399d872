"""What a simulated installation needs before it can lend: policy, model, roles and logins, capital. Skips what is there."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from django.conf import settings

from timelyrain.console import roles
from timelyrain.ledger import services as ledger
from timelyrain.origination import registry, releases, training
from timelyrain.runtime import clock

PEOPLE, SEED = 3000, 1
# The people of the training set applied long enough ago for their twelve months to be over.
APPLIED_BY = datetime(2025, 6, 30, tzinfo=UTC)
CAPITAL_FEN = 1_000_000_00


def seed(say: Callable[[str], None]) -> None:
    if not settings.SIMULATED:
        raise SystemExit(
            "Only a simulated installation is seeded; a real one activates its own policy and model."
        )
    releases.install(source=registry.default_policy_source())
    policy, _ = registry.active()
    releases.install(model=training.train_on_population(policy, PEOPLE, SEED, APPLIED_BY, say))
    for shard in range(settings.SHARDS):
        ledger.pay_in_capital(shard, CAPITAL_FEN, "seed", clock.today())
    roles.ensure_roles()
    logins = settings.HOME / "demo-logins.json"
    if not logins.exists():
        made = [
            {"username": u.username, "password": u.password, "role": u.role}
            for u in roles.ensure_demo_users()
        ]
        logins.write_text(json.dumps(made, indent=1))
        logins.chmod(0o600)
