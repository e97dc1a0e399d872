"""Saga steps and scheduled work of origination: back-tests, applications that wait for a source, shadow policies, watching."""

from timelyrain.origination import backtests, retraining, services, shadows, trials, watching
from timelyrain.runtime import sagas
from timelyrain.runtime.sagas import Data, Done, Outcome, Retry, Run
from timelyrain.runtime.worker import every

every(3, "origination.backtests")(backtests.carry_on)
every(30, "origination.retraining")(retraining.carry_on)
every(600, "origination.watching")(watching.carry_on)


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
