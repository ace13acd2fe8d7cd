"""Correlations of an input whose spectrum is given."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vgtheory.expect import expect, expect_count, expect_function, expect_runs
from vgtheory.theory.arguments import asked
from vgtheory.theory.precision import in_numpy

_FINE = 8
"""Frequencies for each correlation."""
_LEAST, _MOST = 4096, 2**20
_MENDED = 1e-3
"""Largest share of white noise that is added."""


def _expect_lags(where: str, **got: Any) -> None:
    expect_count(where, 1, _MOST, **got)


@asked(spectrum=expect_function, num_lags=_expect_lags)
@in_numpy
def input_correlations(spectrum: Callable[[np.ndarray], np.ndarray], *, num_lags: int) -> np.ndarray:
    r"""Correlations of an input of a given spectrum, for ``LinearRecurrence(..., correlation=...)``.

    .. math:: r_j = \frac{\int_0^\pi S(\omega) \cos(j \omega)\, d\omega}{\int_0^\pi S(\omega)\, d\omega}

    Parameters
    ----------
    spectrum
        Power S at angular frequencies from 0 to pi, in radians per step: it takes an array and returns
        one of its shape, finite and >= 0. Its scale does not matter.
    num_lags
        Number of correlations j = 1, 2, ..., beyond which there are none.

    Returns
    -------
    numpy.ndarray
        Shape ``(num_lags,)``.

    Raises
    ------
    ValueError
        If the correlations are still too large at ``num_lags``.

    Notes
    -----
    Accuracy: that of a trapezium rule with eight frequencies per correlation, 4,096 at least: 1e-12
    where the correlations have died out by then. A cut that makes the power negative somewhere is
    mended by a little white noise, of a share of at most 1e-3.
    Assumes: a spectrum without lines.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, theory
    >>> band = lambda w: 1 / (1 + ((w - 0.5) / 0.1) ** 2)
    >>> correlation = theory.linear.input_correlations(band, num_lags=200)
    >>> at = np.exp(1j * np.array([0.5, 1.5]))
    >>> theory.linear.log_q_state(LinearRecurrence(0.95 * at, "gamma", correlation)).round(2).tolist()
    [1.97, -1.71]
    """
    size = max(_LEAST, _FINE * num_lags)
    frequencies = np.linspace(0, np.pi, size + 1)
    with expect_runs("input_correlations", "a spectrum of arrays", "spectrum"):
        power = np.broadcast_to(np.asarray(spectrum(frequencies), float), frequencies.shape)
    ok = bool(np.all(np.isfinite(power)) and np.all(power >= 0) and np.any(power > 0))
    expect(ok, "input_correlations", "a spectrum that is finite, and nowhere negative", spectrum=spectrum)
    correlations = np.fft.irfft(power, 2 * size)
    kept = correlations[: num_lags + 1] / correlations[0]
    lack = max(0.0, -float(np.min(2 * np.fft.rfft(kept, 2 * size).real - 1)))
    expect(lack < _MENDED, "input_correlations", "more correlations: they are still large", num_lags=num_lags)
    return kept[1:] / (1 + lack)


__all__ = ["input_correlations"]
