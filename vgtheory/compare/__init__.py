"""How far apart: numbers with error bars in, verdicts out; knows no physics."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.compare.agreement import (
        OUTCOMES,
        SIGMAS,
        ProfileTest,
        log_rate_layers,
        profile_test,
        verdict,
        z_score,
    )
    from vgtheory.compare.distribution import KSTest, ks_test
    from vgtheory.compare.scores import Calibration, calibration

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "OUTCOMES",
    "SIGMAS",
    "Calibration",
    "KSTest",
    "ProfileTest",
    "calibration",
    "ks_test",
    "log_rate_layers",
    "profile_test",
    "verdict",
    "z_score",
]
