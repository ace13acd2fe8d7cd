"""How far apart: numbers with error bars in, verdicts out; knows no physics."""

from vgtheory.compare.agreement import SIGMAS, ProfileTest, log_rate_layers, profile_test, verdict, z_score

__all__ = ["SIGMAS", "ProfileTest", "log_rate_layers", "profile_test", "verdict", "z_score"]
