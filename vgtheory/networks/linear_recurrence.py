"""Nouns for diagonal linear recurrences: ``LinearRecurrence``, and laws of eigenvalues: ``Ring`` and ``StateSpace``."""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from vgtheory.expect import expect, expect_count, expect_number, expect_one_of
from vgtheory.noun import Noun, register_noun

KINDS = ("s4d-inv", "s4d-legs", "s4d-lin", "s4d-real", "s5")
METHODS = ("bilinear", "zoh")
_NO_POWER = 1e-9
SCALES = ("gamma", "none", "step")


def _expect_ordered(where: str, low: Any, high: Any, words: str, **got: Any) -> None:
    """Raise unless two numbers that can be read are in order."""
    if not any(isinstance(each, jax.core.Tracer) for each in (low, high)):
        expect(bool(np.all(np.asarray(low) <= np.asarray(high))), where, words, **got)


@dataclass(frozen=True, repr=False)
class Ring(Noun):
    r"""Eigenvalues uniform on a ring of the complex plane, as the linear recurrent unit (LRU) draws them.

    .. math:: |\lambda|^2 \sim U[r_{\min}^2, r_{\max}^2], \qquad \arg \lambda \sim U[0, \theta_{\max}]

    Attributes
    ----------
    r_min, r_max
        Radii of the ring, 0 <= r_min <= r_max <= 1, and r_max > 0.
    max_phase
        Largest angle, radians, in [0, 2 pi].

    References
    ----------
    Orvieto et al. (2023), arXiv:2303.06349, section 3.2.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> net = LinearRecurrence(Ring(0.9, 0.999))
    >>> round(float(theory.linear.memory_lags(net)), 1)
    35.5
    """

    r_min: Any = 0.0
    r_max: Any = 1.0
    max_phase: Any = 2 * np.pi

    def __post_init__(self) -> None:
        """Check static facts."""
        expect_number("Ring", "[0, 1]", ndim=0, r_min=self.r_min)
        expect_number("Ring", "(0, 1]", ndim=0, r_max=self.r_max)
        expect_number("Ring", f"[0, {2 * np.pi}]", ndim=0, max_phase=self.max_phase)
        _expect_ordered("Ring", self.r_min, self.r_max, "r_min <= r_max", r_min=self.r_min)


@dataclass(frozen=True, repr=False)
class StateSpace(Noun):
    r"""Eigenvalues of a diagonal state-space model: poles a_n in continuous time, and a random time step.

    .. math:: \lambda = e^{a_n \Delta} \;\text{(zoh)} \quad\text{or}\quad
        \lambda = \frac{1 + a_n \Delta / 2}{1 - a_n \Delta / 2} \;\text{(bilinear)}, \qquad
        \ln \Delta \sim U[\ln \Delta_{\min}, \ln \Delta_{\max}]

    ==============  ==================================================================
    kind            a_n, n = 0 ... size - 1; N = 2 size counts complex-conjugate pairs
    ==============  ==================================================================
    ``"s4d-lin"``   -1/2 + i pi n
    ``"s4d-inv"``   -1/2 + i (N / pi) (N / (2 n + 1) - 1)
    ``"s4d-real"``  -(n + 1)
    ``"s4d-legs"``  upper half of the eigenvalues of the normal part of HiPPO-LegS
    ``"s5"``        the same, but every unit has a time step of its own
    ==============  ==================================================================

    Attributes
    ----------
    kind
        One of the table. The units of one S4D channel share a time step.
    size
        Number of units of a channel, >= 1: half the state size N.
    dt_min, dt_max
        Ends of the range of time steps, 0 < dt_min <= dt_max.
    method
        Discretisation: zero-order hold (``"zoh"``) or ``"bilinear"``.

    References
    ----------
    Gu, Gupta, Goel and Re (2022), arXiv:2206.11893, equations 9 and 10; Smith, Warrington and
    Linderman (2023), arXiv:2208.04933, section 3.3.

    Examples
    --------
    >>> from vgtheory import StateSpace
    >>> StateSpace("s4d-inv", size=16, method="bilinear")
    StateSpace(kind='s4d-inv', size=16, method='bilinear')
    """

    kind: str
    size: int = 32
    dt_min: Any = 0.001
    dt_max: Any = 0.1
    method: str = "zoh"

    def __post_init__(self) -> None:
        """Check static facts."""
        expect_one_of(KINDS, "StateSpace", kind=self.kind)
        expect_one_of(METHODS, "StateSpace", method=self.method)
        expect_count("StateSpace", 1, 4096, size=self.size)
        for name in ("dt_min", "dt_max"):
            expect_number("StateSpace", "[1e-12, 1e6]", ndim=0, **{name: getattr(self, name)})
        _expect_ordered("StateSpace", self.dt_min, self.dt_max, "dt_min <= dt_max", dt_min=self.dt_min)

    @property
    def poles(self) -> np.ndarray:
        """Poles a_n in continuous time, complex, shape ``(size,)``."""
        return _poles(self.kind, self.size)


@functools.lru_cache(maxsize=32)
def _poles(kind: str, size: int) -> np.ndarray:
    n = np.arange(size)
    if kind == "s4d-real":
        return -(n + 1.0).astype(complex)
    if kind == "s4d-lin":
        return -0.5 + 1j * np.pi * n
    if kind == "s4d-inv":
        return -0.5 + 1j * (2 * size / np.pi) * (2 * size / (2 * n + 1) - 1)
    roots = np.sqrt(2 * np.arange(2 * size) + 1.0)
    skew = np.tril(np.outer(roots, roots), -1) / 2
    return -0.5 + 1j * np.linalg.eigvalsh(1j * (skew - skew.T))[size:]


@dataclass(frozen=True, repr=False)
class LinearRecurrence(Noun):
    r"""A diagonal linear recurrence, driven by a stationary input: the core of LRU, S4D and S5 layers.

    .. math:: h_t = \lambda\, h_{t-1} + b(\lambda)\, x_t

    for every unit, with an eigenvalue of its own. Inputs have mean 0 and variance 1.

    Attributes
    ----------
    eigenvalues
        Law of the eigenvalues, a ``Ring`` or a ``StateSpace``; or the eigenvalues themselves, real
        or complex, shape ``(width,)``.
    scale
        Factor b of the input: 1 (``"none"``), LRU's sqrt(1 - abs(lambda)^2) (``"gamma"``), or the
        discretised 1 of a ``StateSpace`` (``"step"``): (lambda - 1) / a for zero-order hold,
        dt / (1 - a dt / 2) for bilinear.
    correlation
        Correlation of inputs: one number c in (-1, 1), for c^j at distance j (0 is white, others
        AR(1)); or a list of correlations at distances 1 ... K, with none beyond.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, theory
    >>> net = LinearRecurrence([0.9, 0.5])
    >>> theory.linear.log_grad_units(net, 10).mean.round(4)
    np.float64(-3.9925)
    """

    remedy: ClassVar[str] = "Its laws are in theory.linear."
    eigenvalues: Any
    scale: str = "none"
    correlation: Any = 0.0

    def __post_init__(self) -> None:
        """Check static facts."""
        where, law = "LinearRecurrence", self.eigenvalues
        if not isinstance(law, Ring | StateSpace):
            object.__setattr__(self, "eigenvalues", checked_eigenvalues(where, law))
        expect_one_of(SCALES, where, scale=self.scale)
        stepped = isinstance(law, StateSpace) or self.scale != "step"
        expect(stepped, where, "a StateSpace for scale='step'", eigenvalues=law)
        expect_number(where, "(-1, 1)", correlation=self.correlation)
        _expect_power(where, self.correlation)


def _expect_power(where: str, correlation: Any) -> None:
    """Raise unless there is a stationary input with these correlations: one of no negative power."""
    expect(np.ndim(correlation) < 2, where, "one axis at most", correlation=correlation)
    if np.ndim(correlation) == 1 and not isinstance(correlation, jax.core.Tracer):
        power = (
            1
            + 2
            * np.fft.rfft(np.concatenate([[0.0], np.asarray(correlation)]), max(4096, 8 * np.size(correlation))).real
        )
        expect(bool(np.all(power > -_NO_POWER)), where, "correlations of a stationary input", correlation=correlation)


def checked_eigenvalues(where: str, eigenvalues: Any) -> Any:
    """Return eigenvalues as an array, or raise unless they are finite numbers, real or complex, along one axis."""
    words = "a Ring, a StateSpace, or a list of numbers as eigenvalues"
    try:
        array = eigenvalues if isinstance(eigenvalues, jax.Array) else np.asarray(eigenvalues)
        ok = np.issubdtype(array.dtype, np.number) and array.ndim == 1 and array.size > 0
    except (TypeError, ValueError):
        array, ok = None, False
    expect(ok, where, words, eigenvalues=eigenvalues)
    if not isinstance(array, jax.core.Tracer):
        expect(bool(np.all(np.isfinite(np.asarray(array)))), where, "finite eigenvalues", eigenvalues=eigenvalues)
    return array


register_noun(Ring, ["r_min", "r_max", "max_phase"], [])
register_noun(StateSpace, ["dt_min", "dt_max"], ["kind", "size", "method"])
register_noun(LinearRecurrence, ["eigenvalues", "correlation"], ["scale"])

__all__ = ["KINDS", "METHODS", "SCALES", "LinearRecurrence", "Ring", "StateSpace", "checked_eigenvalues"]
