"""Distance of a set of measured values from a predicted distribution, point masses included."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from vgtheory.compare.arguments import asked
from vgtheory.expect import Numbers, expect


class KSTest(NamedTuple):
    """Comparison of measured values with a predicted distribution.

    Attributes
    ----------
    statistic
        Largest distance D of the two cumulative distributions.
    num_samples
        Number of measured values.
    p_value
        Probability of a D at least as large for that number of independent values, if the
        prediction is right.
    """

    statistic: float
    num_samples: int
    p_value: float


@asked()
def ks_test(samples: Numbers, cdf: Numbers, cdf_below: Numbers | None = None, resolution: float = 0.0) -> KSTest:
    r"""Kolmogorov-Smirnov test of measured values against a predicted cumulative distribution.

    .. math:: D = \sup_x |\hat F(x) - F(x)|

    Rounding scatters values that belong to a point mass of the law. The two distributions are
    therefore compared ``resolution`` above and below each value; everything between counts as one
    place.

    Parameters
    ----------
    samples
        Measured values, any shape; -inf (the log of an exact 0) is a value like others.
    cdf
        Predicted share of values up to and including ``samples + resolution``, the same shape.
    cdf_below
        Predicted share of values below ``samples - resolution``, the same shape. It may be left out
        for a law without point masses and ``resolution = 0``.
    resolution
        Rounding of ``samples``, >= 0.

    Returns
    -------
    KSTest
        D, the number of values and the p-value; NaN if a value or a prediction is.

    Notes
    -----
    Accuracy: exact p-values for independent values of a continuous law.
    Assumes: independent values. The p-value is conservative with point masses, and very much so for
    singular values (or eigenvalues) of one matrix, which repel each other: D falls as 1/N instead
    of :math:`N^{-1/2}`. It therefore bounds false alarms by sampling. It includes in full the
    corrections that a law at infinite width neglects (shifted edges, wandering point masses), which
    enough matrices will always show.

    References
    ----------
    Kolmogorov (1933), Giornale dell'Istituto Italiano degli Attuari 4, 83.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import compare
    >>> uniform = (np.arange(400) + 0.5) / 400
    >>> round(compare.ks_test(uniform, uniform).statistic, 6)
    0.00125
    >>> compare.ks_test(uniform, uniform**2).p_value < 1e-6
    True

    The law predicts a share of 0.5 at exactly 0, and 0.4 is found there:

    >>> values = np.concatenate([np.zeros(40), (np.arange(60) + 0.5) / 60])
    >>> below = np.where(values > 0, 0.5 + values / 2, 0.0)
    >>> round(compare.ks_test(values, 0.5 + values / 2, below).statistic, 2)
    0.1
    """
    values, upper = np.ravel(np.asarray(samples, dtype=float)), np.ravel(np.asarray(cdf, dtype=float))
    lower = upper if cdf_below is None else np.ravel(np.asarray(cdf_below, dtype=float))
    fits = values.size == upper.size == lower.size
    expect(fits, "ks_test", "a probability for each value", cdf=cdf, cdf_below=cdf_below, samples=samples)
    if values.size == 0 or np.any(np.isnan(values) | np.isnan(upper) | np.isnan(lower)):
        return KSTest(float("nan"), values.size, float("nan"))
    ordered = np.sort(values)
    up_to = np.searchsorted(ordered, values + resolution, side="right") / values.size
    before = np.searchsorted(ordered, values - resolution, side="left") / values.size
    statistic = float(max(np.max(up_to - upper), np.max(lower - before), 0.0))
    return KSTest(statistic, values.size, float(stats.kstwo.sf(statistic, values.size)))
