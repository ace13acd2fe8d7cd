"""Distance of a measurement from a prediction in standard errors: one number or a profile."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from vgtheory.compare.arguments import asked, expect_broadcast, single
from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect, expect_data
from vgtheory.frame import frame_of

if TYPE_CHECKING:
    import pandas

SIGMAS = 5.0
"""Number of standard errors beyond which a single comparison is a disagreement."""
_NETS_PER_POINT = 8


@asked()
def z_score(measured: Estimate, predicted: Numbers, predicted_err: Numbers = 0.0) -> np.ndarray | np.float64:
    r"""Distance of a measurement from its prediction in standard errors.

    .. math:: z = \frac{\hat x - x}{\sqrt{\hat s^2 + s^2}}

    Parameters
    ----------
    measured
        Measured value and standard error, any shape.
    predicted
        Predicted mean; broadcasts.
    predicted_err
        Standard error of the prediction itself, >= 0; broadcasts.

    Returns
    -------
    array
        z. Without any known error it is 0 where the values are equal and inf where they differ. It
        is NaN where either value is NaN.

    Notes
    -----
    Accuracy: rounding.
    Assumes: errors that are independent of each other.

    Examples
    --------
    >>> from vgtheory import Estimate, compare
    >>> float(compare.z_score(Estimate(1.2, 0.1), 1.0))  # doctest: +ELLIPSIS
    1.999...
    """
    expect_broadcast("z_score", measured=measured.value, predicted=predicted, predicted_err=predicted_err)
    difference = np.asarray(measured.value, dtype=float) - np.asarray(predicted, dtype=float)
    err = np.hypot(np.asarray(measured.err, dtype=float), np.asarray(predicted_err, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((difference == 0) & (err == 0), 0.0, difference / err)[()]


class ProfileTest(NamedTuple):
    """Joint comparison of a profile with its prediction.

    Attributes
    ----------
    statistic
        Hotelling's T^2 of the coarse increments.
    num_points
        Number of increments compared.
    p_value
        Probability of a statistic at least as large if the prediction is right.
    """

    statistic: float
    num_points: int
    p_value: float

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table of one row, as a ``pandas.DataFrame``."""
        return frame_of(self)


@asked()
def profile_test(samples: Numbers, predicted: Numbers, rounding: float = 0.0) -> ProfileTest:
    r"""Joint test of a whole measured profile against its prediction.

    Errors along a profile are those of a random walk: neighbours share nearly all of their error.
    The profile is therefore cut into at most one piece for every eight networks, and each piece's
    increment is compared with its prediction. The increments' own measured covariance enters
    (Hotelling's :math:`T^2`), whatever their correlation.

    .. math:: T^2 = n\, d^{\mathsf T} S^{-1} d, \qquad \frac{n - k}{k (n - 1)} T^2 \sim F(k, n - k)

    Parameters
    ----------
    samples
        One measured profile per network, shape ``(num_nets, depth)``.
    predicted
        Predicted mean profile, shape ``(depth,)``.
    rounding
        Standard error, from rounding, of one increment. Its square is added to the diagonal of the
        covariance of the mean.

    Returns
    -------
    ProfileTest
        Statistic, number of increments and p-value; NaN if an entry is not finite or there are
        fewer than three networks.

    Notes
    -----
    Accuracy: exact for normal increments; good when each sums several layers.
    Assumes: independent networks.

    References
    ----------
    Hotelling (1931), Annals of Mathematical Statistics 2, 360.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import compare
    >>> walks = np.cumsum(np.random.default_rng(0).normal(size=(400, 50)), axis=1)
    >>> bool(compare.profile_test(walks, np.zeros(50)).p_value > 0.001)
    True
    >>> bool(compare.profile_test(walks, 0.1 * np.arange(50)).p_value < 1e-6)
    True
    """
    profiles, mean = np.asarray(samples, dtype=float), np.asarray(predicted, dtype=float)
    num_nets, depth = profiles.shape
    expect_data("profile_test", ndim=1, predicted=predicted)
    expect(mean.size == depth, "profile_test", f"{depth} numbers, one per layer", predicted=predicted)
    num_points = min(depth - 1, max(1, num_nets // _NETS_PER_POINT))
    if num_nets < 3 or depth < 2 or not np.all(np.isfinite(profiles)):
        return ProfileTest(float("nan"), num_points, float("nan"))
    knots = np.unique(np.linspace(0, depth - 1, num_points + 1).round().astype(int))
    residual = np.diff((profiles - mean)[:, knots], axis=1)
    count = residual.shape[1]
    covariance = np.atleast_2d(np.cov(residual, rowvar=False)) + num_nets * rounding**2 * np.eye(count)
    shift = residual.mean(axis=0)
    statistic = float(num_nets * shift @ np.linalg.pinv(covariance, hermitian=True) @ shift)
    scaled = statistic * (num_nets - count) / (count * (num_nets - 1))
    return ProfileTest(statistic, count, float(stats.f.sf(scaled, count, num_nets - count)))


@asked()
def log_rate_layers(samples: Numbers) -> Estimate:
    r"""Rate per layer of a log-profile, averaged over networks.

    .. math:: \hat r = \Bigl\langle \frac{p_L - p_1}{L - 1} \Bigr\rangle

    For a random walk the end-to-end increment is the efficient estimate of its drift (generalised
    least squares). An ordinary regression line through the profile would claim far too small an
    error.

    Parameters
    ----------
    samples
        One measured log-profile per network, shape ``(num_nets, depth)``, depth >= 2.

    Returns
    -------
    Estimate
        Change of the natural log per layer, from the first to the last entry; ``err`` is the
        standard error over networks, inf for a single network.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: independent networks.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import compare
    >>> compare.log_rate_layers(np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 4.0]]))
    1.50 ± 0.50
    """
    profiles = np.asarray(samples, dtype=float)
    expect(profiles.shape[1] >= 2, "log_rate_layers", "profiles of at least two layers", samples=samples)
    rates = (profiles[:, -1] - profiles[:, 0]) / (profiles.shape[1] - 1)
    with np.errstate(invalid="ignore"):
        err = rates.std(ddof=1) / rates.size**0.5 if rates.size > 1 else np.float64(np.inf)
        return Estimate(rates.mean(), err)


OUTCOMES = ("agrees", "disagrees", "outside", "broken")
"""The four ways a comparison can end; the first word of a ``verdict``."""


@asked()
def verdict(measured: Estimate, predicted: float, predicted_err: float = 0.0) -> str:
    """Verdict on a measured number and its prediction, in one phrase that begins with an outcome.

    Parameters
    ----------
    measured
        Measured value and standard error, scalar.
    predicted
        The prediction, scalar.
    predicted_err
        Standard error of the prediction; inf where the law declines, by a criterion that does not
        look at the measurement.

    Returns
    -------
    str
        One of four phrases, which begin with the ``OUTCOMES``:

        - ``"agrees (z = +0.7)"`` within five standard errors;
        - ``"disagrees (z = -9.1, measured / predicted = 0.9)"`` beyond;
        - ``"outside (...)"`` if the law declines, or the measurement's error is unknown. The gap is
          given in the measurement's own standard errors where there are some;
        - ``"broken (...)"`` if the measurement is NaN, or a prediction that was not declined is.

    Examples
    --------
    >>> from vgtheory import Estimate, compare
    >>> compare.verdict(Estimate(1.05, 0.1), 1.0)
    'agrees (z = +0.5)'
    >>> compare.verdict(Estimate(1.05, 0.01), 1.0, float("inf"))
    'outside (the law declines; the gap is +5.0 measured standard errors)'
    >>> compare.verdict(Estimate(float("nan"), 0.1), 1.0)
    'broken (measured nan +- 0.1)'
    """
    single("verdict", measured=measured, predicted=predicted, predicted_err=predicted_err)
    value, err, law_err = float(measured.value), float(measured.err), float(predicted_err)
    if np.isnan(value) or np.isnan(err):
        return f"broken (measured {value:.4g} +- {err:.4g})"
    if np.isinf(law_err):
        gap = float(z_score(measured, predicted))
        return "outside (the law declines" + (f"; the gap is {gap:+.1f} measured standard errors)" if err else ")")
    if np.isnan(predicted) or np.isnan(law_err):
        return f"broken (predicted {float(predicted):.4g} +- {law_err:.4g})"
    if np.isinf(err):
        return "outside (the measurement's error is unknown)"
    z = float(z_score(measured, predicted, predicted_err))
    if np.isinf(z):
        return "disagrees (no error is known)"
    if abs(z) <= SIGMAS:
        return f"agrees (z = {z:+.1f})"
    ratio = value / float(predicted) if predicted else float("inf")
    return f"disagrees (z = {z:+.1f}, measured / predicted = {ratio:.4g})"
