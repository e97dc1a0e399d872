from timelyrain.audit import services
from timelyrain.runtime.worker import every

every(5, "audit.seal")(services.seal)
