"""Saga steps and scheduled work of origination: back-tests, training, watching, old sightings; waiting applications, shadows."""

from timelyrain.origination import backtests, retraining, services, shadows, sightings, trials, watching
from timelyrain.runtime import sagas
from timelyrain.runtime.sagas import Data, Done, Outcome, Retry, Run
from timelyrain.runtime.worker import every

every(3, "origination.backtests")(backtests.carry_on)
every(30, "origination.retraining")(retraining.carry_on)
every(60, "origination.watching")(watching.carry_on)
every(3_600, "origination.sightings")(sightings.forget_old)


def _decide(run: Run) -> Outcome:
    waiting = services.decide_waiting(run.shard, run.data["application"], run.data["keys"])
    return Retry(f"waiting for {', '.join(waiting)}") if waiting else Done({})


def _nothing(run: Run, answer: Data | None) -> Data | None:
    return None


sagas.define(services.WAITING, ["origination.decide"])
sagas.register("origination.decide", _nothing, call=_decide, query=_decide)
sagas.define(shadows.KIND, ["origination.shadow", "origination.shadow_models"])
sagas.register("origination.shadow", shadows.decide)
sagas.register("origination.shadow_models", trials.score)
