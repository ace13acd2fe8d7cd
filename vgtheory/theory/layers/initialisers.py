"""Audit of common initialisers: their effect on gradients, and what to use instead.

All of them draw weights of variance ``sigma_w**2 / fan_in``. A normal, truncated normal or uniform
distribution makes no difference at infinite width. For square layers (fan_in = fan_out):

============================  ====================================  ==========  ==============
initialiser                   drawn from                            sigma_w**2  sigma_b**2
============================  ====================================  ==========  ==============
``pytorch`` nn.Linear         U(-1, 1) / sqrt(fan_in), also biases  1/3         1 / (3 fan_in)
``equinox`` nn.Linear         U(-1, 1) / sqrt(fan_in), also biases  1/3         1 / (3 fan_in)
``flax`` Dense, nnx.Linear    truncated normal (``lecun_normal``)   1           0
``keras`` Dense               uniform (``glorot_uniform``)          1           0
``glorot``                    2 fan_in / (fan_in + fan_out)         1           0
``lecun``, ``orthogonal``     gain 1                                1           0
``he``                        gain sqrt(2)                          2           0
``calculate_gain``            PyTorch's gain for its activations    gain**2     0
============================  ====================================  ==========  ==============
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from vgtheory.activation import ACTIVATIONS, Activation, Pointwise, as_activation
from vgtheory.expect import expect_count
from vgtheory.frame import Table
from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals.moments_1d import curves, reader
from vgtheory.theory.layers.formats import depth_limit, log_edges
from vgtheory.theory.meanfield.criticality import critical
from vgtheory.theory.meanfield.length import chi_1, q_star, q_stars
from vgtheory.theory.precision import in_float64

Chosen = str | Activation | Pointwise
"""An activation as a user names it."""
_THIRD, _TWO = 3**-0.5, 2**0.5
INITIALISERS = {
    "pytorch": (_THIRD, _THIRD),
    "equinox": (_THIRD, _THIRD),
    "flax": (1.0, 0.0),
    "keras": (1.0, 0.0),
    "glorot": (1.0, 0.0),
    "lecun": (1.0, 0.0),
    "orthogonal": (1.0, 0.0),
    "he": (_TWO, 0.0),
}
"""``sigma_w`` and ``sigma_b * sqrt(fan_in)`` of each initialiser for square layers."""
CALCULATE_GAIN = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": _TWO,
    "leaky_relu": (2 / (1 + 0.01**2)) ** 0.5,
    "selu": 3 / 4,
}
"""Values of ``torch.nn.init.calculate_gain`` by activation; it refuses all others."""
_CRITICAL = 1e-9
"""Largest absolute ln chi_1 that counts as critical, as in ``phase``."""
_LAYERS, _DRIFT = 10_000, 1_000
_LARGEST_SIGMA_B, _NUM_TRIED, _NUM_PASSES = 4.0, 65, 4


class InitialiserAudit(NamedTuple):
    """Effect of one initialiser on the gradient of one activation.

    Attributes
    ----------
    activation, initialiser
        Names.
    sigma_w, sigma_b
        Scales of the initialiser.
    q_star
        Mean square of ``h`` at depth, for inputs of unit mean square; it may be 0 or inf.
    num_basins
        Number of stable fixed points, 0 and inf included. If there are several, the size of the
        input decides between them.
    factor
        Growth factor of the gradient's norm per layer, ``sqrt(chi_1)``.
    xi_grad
        Depth scale of the squared gradient, as ``theory.xi_grad``.
    drift
        Change of the log-norm of the gradient over the first 1,000 layers where ``factor`` is 1;
        NaN elsewhere. It is 0 where every layer's factor is 1. Otherwise q tends to 0 or infinity,
        and the factors tend to 1 so slowly that their product has no limit.
    float16, bfloat16, float32
        First depth at which ``factor**depth``, cast to the format, is zero or infinite; None if
        never. Where ``factor`` is 1, the product of the single layers' factors replaces the power,
        and only the first 10,000 layers are searched.
    critical_sigma_w
        Weight scale of a stable critical network with the same ``sigma_b``; NaN if there is none.
    unbiased_sigma_w
        Weight scale of a stable critical network with ``sigma_b = 0``; NaN if there is none.
    least_sigma_b
        Smallest ``sigma_b`` with a stable critical network; NaN if there is none up to 4.
    """

    activation: str
    initialiser: str
    sigma_w: float
    sigma_b: float
    q_star: float
    num_basins: int
    factor: float
    xi_grad: float
    drift: float
    float16: int | None
    bfloat16: int | None
    float32: int | None
    critical_sigma_w: float
    unbiased_sigma_w: float
    least_sigma_b: float


class AuditTable(Table):
    """A list of audits, which prints as a table."""

    kind = InitialiserAudit


def _scales(activation: Activation, width: int) -> dict[str, tuple[float, float]]:
    """``sigma_w`` and ``sigma_b`` by initialiser; one size for all activations shares a program."""
    scales = {name: (sigma_w, bias / width**0.5) for name, (sigma_w, bias) in INITIALISERS.items()}
    return {**scales, "calculate_gain": (CALCULATE_GAIN.get(activation.name, 1.0), 0.0)}


def _stable_sigma_w(activation: Activation, sigma_b: np.ndarray) -> np.ndarray:
    """First stable critical ``sigma_w`` for each ``sigma_b``, NaN where there is none."""
    found = critical(activation, sigma_b=sigma_b, size=6)
    first = np.argmax(found.is_stable, axis=1)[:, None]
    sigma_w = np.take_along_axis(found.sigma_w, first, axis=1)[:, 0]
    return np.where(found.is_stable.any(axis=1), sigma_w, np.nan)


def _critical_scales(activation: Activation, sigma_b: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Stable critical ``sigma_w`` for each ``sigma_b`` and for 0; least ``sigma_b`` with one."""
    low, high = 0.0, _LARGEST_SIGMA_B
    own, least = np.full(sigma_b.size + 1, np.nan), np.nan
    for index in range(_NUM_PASSES):
        tried = np.linspace(low, high, _NUM_TRIED)
        sigma_w = _stable_sigma_w(activation, np.concatenate([sigma_b, [0.0], tried]))
        own = sigma_w[: own.size] if index == 0 else own
        known = ~np.isnan(sigma_w[own.size :])
        if not known.any():
            break
        first = int(np.argmax(known))
        least = float(tried[first])
        if first == 0:
            break
        low, high = float(tried[first - 1]), least
    return own[:-1], float(own[-1]), least


def _lost(factor: float, dtype: str) -> int | None:
    """First depth at which a power of the factor is zero or infinite in the format."""
    if np.isinf(factor):
        return 1
    limit = depth_limit(float(factor), dtype)
    return limit.zero if factor < 1 else limit.overflow


@in_float64
def _marched(activation: Activation, sigma_w: float, sigma_b: float) -> np.ndarray:
    """Log of the product of the first layers' own factors, by depth from 1 on."""
    log_f, log_g = (reader(each) for each in curves(activation)[:2])
    log_q, logs = math.log(sigma_w**2 + sigma_b**2), np.empty(_LAYERS)
    for layer in range(_LAYERS):
        logs[layer] = log_g(log_q)
        growth = sigma_w**2 * np.exp(log_f(log_q) - log_q) + sigma_b**2 * np.exp(-log_q) - 1
        log_q += float(np.log1p(growth))
    return np.cumsum(math.log(sigma_w) + logs / 2)


def _left(logs: np.ndarray, dtype: str) -> int | None:
    """First depth at which the product of the layers' factors is zero or infinite in the format."""
    zero, _, overflow = log_edges(dtype)
    left = (logs <= zero) | (logs >= overflow)
    return int(np.argmax(left)) + 1 if left.any() else None


def _audited(activation: Activation, width: int) -> list[InitialiserAudit]:
    """Audits of every initialiser for one activation."""
    scales = _scales(activation, width)
    sigma_w, sigma_b = np.array(list(scales.values())).T
    net = Dense(activation, sigma_w, sigma_b)
    q, basins, factor = q_star(net), q_stars(net).is_stable.sum(axis=-1), np.sqrt(chi_1(net))
    own, unbiased, least = _critical_scales(activation, sigma_b)
    with np.errstate(divide="ignore"):
        log_chi = 2 * np.log(factor)
    is_marginal = abs(log_chi) <= _CRITICAL
    marched = functools.cache(functools.partial(_marched, activation))
    rows = []
    for i, name in enumerate(scales):
        if name == "calculate_gain" and activation.name not in CALCULATE_GAIN:
            continue
        scale, bias = float(sigma_w[i]), float(sigma_b[i])
        logs = marched(scale, bias) if is_marginal[i] else None
        xi_grad = np.inf if logs is not None else -1 / log_chi[i]
        lost = [
            _lost(float(factor[i]), dtype) if logs is None else _left(logs, dtype)
            for dtype in ("float16", "bfloat16", "float32")
        ]
        drift = np.nan if logs is None else float(logs[_DRIFT - 1])
        found = (scale, bias, float(q[i]), int(basins[i]), float(factor[i]), float(xi_grad), drift)
        rows.append(
            InitialiserAudit(activation.name, name, *found, lost[0], lost[1], lost[2], float(own[i]), unbiased, least)
        )
    return rows


@asked()
def initialiser_audit(
    activations: Chosen | list[Chosen] | tuple[Chosen, ...] | None = None,
    *,
    width: int = 512,
) -> AuditTable:
    r"""Effect of common initialisers on the gradient of a deep network of square layers.

    .. math:: |g_l| \propto \chi_1^{(L - l)/2}, \qquad
        \chi_1 = \sigma_w^2\, E[\phi'(\sqrt{q^*} z)^2]

    Parameters
    ----------
    activations
        A name, an ``Activation`` or an elementwise JAX function, or a list of them; None for every
        tabled activation of bounded slope.
    width
        Number of units, fan_in and fan_out alike; it sets the scale of PyTorch's and Equinox's
        biases.

    Returns
    -------
    AuditTable
        A list of ``InitialiserAudit``, one for each activation and initialiser; ``calculate_gain``
        only where PyTorch has a gain.

    Notes
    -----
    Accuracy: that of ``chi_1`` and ``critical``; ``least_sigma_b`` to 1e-6. Depths are those of a
    power of the factor. The first layers and single entries of the gradient shift them by a few.
    Assumes: infinite width, square layers. A factor of 1 describes the limit of many layers, and
    ``drift`` the approach to it:

    - tanh at ``sigma_w`` 1 has ``q_star`` 0, and the norm falls as :math:`L^{-1/2}`.
    - ELU at He's scale: q grows by 1 per layer, the squared factor is :math:`1 + (2 \pi q)^{-1/2}`,
      and the norm grows as :math:`e^{\sqrt{L / 2\pi}}`.
    - softplus at He's scale: q grows as :math:`L^{2/3}`, the squared factor is
      :math:`1 - 2 (2 \pi q)^{-1/2}`, and the norm falls as :math:`e^{-c L^{2/3}}` with c = 0.42.

    References
    ----------
    Glorot and Bengio (2010); He et al. (2015), arXiv:1502.01852. The defaults are those documented
    by PyTorch, Equinox, Flax and Keras; Flax's are checked by drawing them.

    Examples
    --------
    >>> from vgtheory import theory
    >>> rows = {row.initialiser: row for row in theory.initialiser_audit("relu")}
    >>> [(name, round(rows[name].factor, 4), rows[name].float16) for name in ("pytorch", "he")]
    [('pytorch', 0.4082, 20), ('he', 1.0, None)]
    """
    expect_count("initialiser_audit", width=width)
    if activations is None:
        activations = [each for each in ACTIVATIONS.values() if each.sup_dphi != float("inf")]
    if not isinstance(activations, list | tuple):
        activations = [activations]
    return AuditTable(row for each in activations for row in _audited(as_activation(each), width))
