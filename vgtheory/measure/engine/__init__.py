"""How networks are drawn and run: sweeps over devices, taps on gradients, plain passes."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.engine.memory import Plan
    from vgtheory.measure.engine.networks import Network, draw_network
    from vgtheory.measure.engine.plain import PlainLogs, flushes_subnormals, plain_grads
    from vgtheory.measure.engine.taps import log_norm, tap

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["Network", "PlainLogs", "Plan", "draw_network", "flushes_subnormals", "log_norm", "plain_grads", "tap"]
