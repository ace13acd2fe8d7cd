"""Residual chains at finite width: fluctuations of the stream's and the gradient's log-norms.

With ``phi`` linear a block multiplies the square of any norm by a noncentral chi-square that is
independent of all other blocks, so that the law is exact. With ``phi`` straight on either side of 0
the law is to order 1/N. The weights of a block add noise of their own. The share of active units
changes slowly from block to block and adds noise that neighbouring blocks have in common.

=========  ================================================================  =========
symbol     meaning                                                           shape
=========  ================================================================  =========
``beta2``  (alpha sigma_w)^2                                                 ()
``c``      factor of the mean squares per block, 1 + beta2 even              ()
``even``   E phi'^2: half the sum of the squared slopes                      ()
``odd``    half their difference                                             ()
``rho``    correlation of a unit with itself j blocks later                  (blocks,)
``arcs``   mean product of its signs, 2 / pi arcsin(rho)                     (blocks,)
=========  ================================================================  =========
"""

import numpy as np
import scipy.special

from vgtheory.estimate import Law

_POINTS, _REACH = 4001, 12.0


def log_block_law(beta2: float, width: int) -> Law:
    r"""Law of the log of the square of :math:`e + \alpha W e`, e of unit norm.

    .. math:: \ln\left[ \frac{\beta^2}{N} \chi'^2_N(N / \beta^2) \right], \qquad
        E \ln \chi'^2_N(\delta) = \ln 2 + E\, \psi(N/2 + K), \qquad
        K \sim \mathrm{Poisson}(\delta / 2)

    Notes
    -----
    Accuracy: 1e-12 for the mean, 1e-9 relative for the standard deviation.
    Assumes: Gaussian weights.
    """
    if beta2 == 0:
        return Law(0.0, 0.0)
    rate = width / (2 * beta2)
    reach = _REACH * rate**0.5 + 2 * _REACH
    low = max(0.0, np.floor(rate - reach))
    count = np.arange(low, rate + reach, max(1.0, np.floor(2 * reach / _POINTS)))
    log_share = scipy.special.xlogy(count, rate) - rate - scipy.special.gammaln(count + 1)
    if low > 1000:
        # Stirling's formula gives this without cancellation.
        log_share = count - rate - count * np.log1p((count - rate) / rate) - np.log(count) / 2 - 1 / (12 * count)
    share = np.exp(log_share - log_share.max())
    share /= share.sum()
    terms, own = scipy.special.digamma(width / 2 + count), scipy.special.polygamma(1, width / 2 + count)
    mean = share @ terms
    var = share @ own + share @ (terms - mean) ** 2
    return Law(float(mean + np.log(2 * beta2 / width)), float(var**0.5))


def _var(alone: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Variance of a sum over 0, 1, 2, ... blocks; ``pair[j]`` is the covariance at distance j."""
    return np.concatenate([[0.0], np.cumsum(alone + 2 * np.cumsum(pair) - pair[0])])


def _setting(
    beta2: float, slopes: tuple[float, float], depth: int
) -> tuple[float, float, float, np.ndarray, np.ndarray]:
    """Even, odd, c, rho and the mean product of signs."""
    squares = np.square(slopes)
    even, odd = float(squares.mean()), float(squares[0] - squares[1]) / 2
    c = 1 + beta2 * even
    rho = np.exp(-np.arange(depth) * np.log(c) / 2)
    return even, odd, c, rho, 2 / np.pi * np.arcsin(rho)


def log_grad_law(beta2: float, slopes: tuple[float, float], depth: int, width: int) -> Law:
    r"""Law of ln ``|g_l|^2`` relative to the top, less its value at infinite width, to order 1/N.

    The mean and ``std`` have the shape ``(depth,)``. The variance is

    .. math:: \frac{1}{N c^2} \Bigl[ \sum_k (4 \beta^2 p_k + 2 \beta^4 E \phi'^4)
        + \beta^4 \sum_{k k'} \mathrm{Cov}(\phi'^2_k, \phi'^2_{k'}) \Bigr]

    Here :math:`p_k` is the mean of :math:`\phi'^2` of block k over units weighted by the squared
    gradient, which blocks above have made larger where they are steep. The mean is lower by half of
    the terms with k = k'; the noise that blocks have in common raises the mean square.
    """
    even, odd, c, rho, arcs = _setting(beta2, slopes, depth)
    risen = np.concatenate([[0.0], np.cumsum((even**2 + odd**2 * arcs[1:]) * rho[1:] ** 2)])
    steep = even * rho**2 + beta2 * risen
    alone = 4 * beta2 * steep + 2 * beta2**2 * (even**2 + odd**2)
    var = _var(alone, beta2**2 * odd**2 * arcs)[:depth]
    own = np.concatenate([[0.0], np.cumsum(alone + beta2**2 * odd**2)])[:depth]
    return Law(-own[::-1] / 2 / width / c**2, np.sqrt(var[::-1] / width) / c)


def log_q_law(beta2: float, slopes: tuple[float, float], depth: int, width: int) -> Law:
    r"""Law of ln ``|h_l|^2`` less its value at infinite width, to order 1/N, shapes ``(depth,)``.

    A unit that is large and active makes every unit noisier, itself included, and stays active.
    Block k therefore multiplies the mean square by a further

    .. math:: 1 + \frac{(\beta^2\, \mathrm{odd})^2}{N c^2} \sum_{j=1}^{k-1} M(\rho_j), \qquad
        M(\rho) = E[\mathrm{sgn}(a) a^2\, \mathrm{sgn}(b)]
        = \tfrac2\pi (\arcsin\rho + \rho \sqrt{1 - \rho^2})
    """
    even, odd, c, rho, arcs = _setting(beta2, slopes, depth)
    bend = 2 / np.pi * rho * np.sqrt(1 - rho**2)
    alone = np.full(depth, 4 * beta2 * even + 2 * beta2**2 * even**2)
    var = _var(alone, beta2**2 * odd**2 * ((1 + 2 * rho**2) * arcs + 3 * bend))[1:]
    raised = np.cumsum(np.cumsum(np.where(np.arange(depth) > 0, arcs + bend, 0.0)))
    return Law((beta2**2 * odd**2 * raised - var / 2) / width / c**2, np.sqrt(var / width) / c)
