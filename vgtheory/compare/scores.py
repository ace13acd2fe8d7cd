"""Calibration: whether measurements scatter about predictions as their standard errors say."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from vgtheory.compare.agreement import SIGMAS
from vgtheory.compare.arguments import asked
from vgtheory.expect import Numbers


class Calibration(NamedTuple):
    """Distribution of residuals in predicted standard errors: standard normal for a right theory.

    Attributes
    ----------
    num
        Number of residuals.
    mean, mean_err
        Mean of the residuals (standard normal: 0), and ``num ** -0.5``, its standard error for
        standard normal residuals.
    std, std_err
        Standard deviation (standard normal: 1), and ``(2 num) ** -0.5``, its standard error for
        standard normal residuals.
    within_1, within_2
        Shares within one and two predicted standard errors (standard normal: 0.683, 0.954).
    beyond
        Share beyond ``SIGMAS`` predicted standard errors, which ``verdict`` calls disagreements
        (standard normal: 6e-7).
    statistic, p_value
        Kolmogorov-Smirnov distance from the standard normal law, and its p-value.
    """

    num: int
    mean: float
    mean_err: float
    std: float
    std_err: float
    within_1: float
    within_2: float
    beyond: float
    statistic: float
    p_value: float


@asked()
def calibration(z: Numbers) -> Calibration:
    r"""Distribution of residuals, against the standard normal law.

    .. math:: z = \frac{\hat x - x}{s}

    Parameters
    ----------
    z
        Residuals of independent sampled measurements in predicted standard errors, any shape; at
        least two.

    Returns
    -------
    Calibration
        NaN in every share and moment if one residual is NaN: a broken measurement is never left
        out.

    Notes
    -----
    Accuracy: exact p-values for independent residuals.
    Assumes: independent residuals. Identities and bounds, whose residuals are small by
    construction, do not belong here.

    References
    ----------
    Kolmogorov (1933), Giornale dell'Istituto Italiano degli Attuari 4, 83.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import compare
    >>> z = np.random.default_rng(0).normal(size=1000)
    >>> compare.calibration(z).p_value > 0.01, compare.calibration(1.1 * z + 0.2).p_value < 0.01
    (True, True)
    """
    values = np.ravel(np.asarray(z, dtype=float))
    num = values.size
    errs = {"mean_err": num**-0.5, "std_err": (2 * num) ** -0.5}
    if np.any(np.isnan(values)):
        gone = dict.fromkeys(("mean", "std", "within_1", "within_2", "beyond", "statistic", "p_value"), float("nan"))
        return Calibration(num, **errs, **gone)
    size, test = np.abs(values), stats.kstest(values, "norm")
    return Calibration(
        num,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)),
        within_1=float(np.mean(size < 1)),
        within_2=float(np.mean(size < 2)),
        beyond=float(np.mean(size > SIGMAS)),
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        **errs,
    )
