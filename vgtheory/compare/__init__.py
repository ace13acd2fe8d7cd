"""How far apart: numbers with error bars in, verdicts out; knows no physics."""

from vgtheory.compare.agreement import OUTCOMES, SIGMAS, ProfileTest, log_rate_layers, profile_test, verdict, z_score
from vgtheory.compare.calibration import Calibration, calibration
from vgtheory.compare.distribution import KSTest, ks_test

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
