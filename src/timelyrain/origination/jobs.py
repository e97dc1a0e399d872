from timelyrain.origination import backtests
from timelyrain.runtime.worker import every

every(3, "origination.backtests")(backtests.carry_on)
