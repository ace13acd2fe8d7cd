"""How far a measurement is from a prediction: numbers with error bars in, verdicts out.

Does one number agree? ``verdict(estimate, prediction)`` says so in words, and ``z_score`` in
standard errors. Does a whole profile? ``profile_test``. What is the rate of a profile, honestly?
``log_rate_layers``. Are many predictions calibrated? ``calibration``. Does a sample follow a law?
``ks_test``.
"""

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
