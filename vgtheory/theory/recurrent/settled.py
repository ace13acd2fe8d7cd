"""Rate of forgetting of a recurrence, from the eigenvalues of its Jacobian on the attractor."""

import numpy as np

from vgtheory.expect import Numbers, expect
from vgtheory.networks.recurrent import FixedRecurrent
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.recurrent.powers import logs_of

_SETTLED = 1e-14
_MAX_STEPS = 200_000


@asked()
def log_rate(net: FixedRecurrent, state: Numbers) -> float:
    r"""Log-factor per step of the gradient once an undriven recurrence has reached its attractor.

    .. math:: \frac1p \ln \rho\Bigl(\prod_{s=1}^p \mathrm{diag}\,\phi'(h^*_s)\, W^{\mathsf T}\Bigr)

    The period p is 1 for a fixed point and 2 for a two-cycle; a symmetric W has no other attractor.
    For a linear net the rate is :math:`\ln \rho(W)`.

    Parameters
    ----------
    net
        A ``FixedRecurrent`` with ``sigma_b = 0``.
    state
        Initial ``h``, shape ``(width,)``, finite.

    Returns
    -------
    float
        Natural log of the norm (not its square) per step.

    Raises
    ------
    ValueError
        If the state has not reached a fixed point or a two-cycle after 400,000 steps: it rotates,
        is chaotic or is critical, and this law does not apply.

    Notes
    -----
    Accuracy: 1e-10 where the state converges geometrically. At criticality (tanh, rho(W) = 1) it
    converges as 1/sqrt(t) and counts as not settled. The rate is then 0, and the gradient decays by
    a power law.
    Assumes: no input, and a cotangent with a share in the leading direction.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import FixedRecurrent, theory
    >>> rate = theory.recurrent.log_rate(FixedRecurrent("linear", matrix=np.eye(2) / 2), np.ones(2))
    >>> float(np.exp(rate))
    0.5
    """
    matrix, h = np.asarray(net.matrix, dtype=float), np.asarray(state, dtype=float)
    expect(h.shape == matrix.shape[:1], "log_rate", "a state that fits the matrix", shape=h.shape)
    expect(bool(np.all(np.isfinite(h))), "log_rate", "a finite state", state=state)
    expect(bool(np.all(np.asarray(net.sigma_b) == 0)), "log_rate", "a net with sigma_b = 0", sigma_b=net.sigma_b)
    if net.activation.name == "linear":
        return float(logs_of(np.max(np.abs(np.linalg.eigvals(matrix)))))
    slopes = _settled_slopes(net, matrix, h)
    product = np.eye(h.size)
    for slope in slopes:
        product = slope[:, None] * (matrix.T @ product)
    return float(logs_of(np.max(np.abs(np.linalg.eigvals(product))))) / len(slopes)


def _settled_slopes(net: FixedRecurrent, matrix: np.ndarray, h: np.ndarray) -> list[np.ndarray]:
    """phi' along the attractor: one entry for a fixed point, two for a two-cycle."""
    phi, dphi = (lambda h, which=which: values(net.activation, h)[which] for which in (0, 1))
    for _ in range(_MAX_STEPS):
        once = matrix @ phi(h)
        twice = matrix @ phi(once)
        scale = _SETTLED * (np.abs(h).max() + 1e-300)
        dying = np.abs(once).max() <= np.abs(h).max() < 1e-30
        if np.abs(once - h).max() <= 10 * scale or dying:
            return [dphi(h)]
        if np.abs(twice - h).max() <= 10 * scale:
            return [dphi(h), dphi(once)]
        h = twice
    expect(False, "log_rate", "a state that settles on a fixed point or a two-cycle", num_steps=2 * _MAX_STEPS)
    return []
