"""How far apart: numbers with error bars in, verdicts out; knows no physics."""

from vgtheory.compare.agreement import SIGMAS, ProfileTest, log_rate_layers, profile_test, verdict, z_score
from vgtheory.compare.distribution import KSTest, ks_test

__all__ = [
    "SIGMAS",
    "KSTest",
    "ProfileTest",
    "ks_test",
    "log_rate_layers",
    "profile_test",
    "verdict",
    "z_score",
]
