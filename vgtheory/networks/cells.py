"""Nouns for gated cells driven by noise, ``LSTM``, ``GRU``, ``MGU`` and ``MinimalRNN``; the union of all cells.

All weights are random, with entries N(0, sigma^2 / fan_in); the recurrent ones may be orthogonal or
of another kind, as Flax's and Keras's defaults are (``weights``). The inputs ``x_t`` are independent
from step to step, with one standard normal entry per unit. Every pre-activation receives an input
of standard deviation ``sigma_in``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from vgtheory.expect import expect_number
from vgtheory.networks.noise import DROPPED, Dropped
from vgtheory.networks.recurrent import Leaky, Skip
from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import register_noun

_SCALES = ("sigma_w", "sigma_gate", "sigma_in")
_GATE_FOLLOWS = {"sigma_gate": "sigma_w"}


def _resolve_gated(cell: Any, bias: str) -> None:
    """Set the gates' scale to ``sigma_w`` unless it is given, and check static facts."""
    if cell.sigma_gate is None:
        object.__setattr__(cell, "sigma_gate", cell.sigma_w)
    resolve(cell, *_SCALES)
    resolve_weights(cell)
    expect_number(type(cell).__name__, **{bias: getattr(cell, bias)})


@dataclass(frozen=True, repr=False)
class GRU(Dropped):
    r"""Gated recurrent unit.

    .. math::

        r = \sigma(U_r x + W_r h), \quad z = \sigma(U_z x + W_z h + b), \quad
        n = \tanh(U_n x + r \odot W_n h), \quad h' = (1 - z) \odot n + z \odot h

    Attributes
    ----------
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W_n``; dimensionless, >= 0.
    sigma_gate
        Standard deviation of ``sqrt(fan_in)`` times the gates' W; default ``sigma_w``.
    sigma_in
        Standard deviation of every ``U x``; >= 0.
    update_bias
        Bias b of the update gate; a large value keeps the state.
    weights
        Kind of every recurrent matrix, as for ``Dense``; ``"orthogonal"`` draws each on its own, as
        Flax does.
    dropout, recurrent_dropout
        As for ``Leaky``. Keras draws a recurrent mask for each gate, which has the same law at
        infinite width.

    References
    ----------
    Cho et al. (2014), arXiv:1406.1078, in the form of ``flax.linen.GRUCell``.

    Examples
    --------
    >>> from vgtheory import GRU, theory
    >>> round(float(theory.cells.chi_step(GRU(sigma_w=0.0, update_bias=2.0))), 6)  # sigmoid(2)^2
    0.775803
    """

    follows: ClassVar[dict[str, str]] = _GATE_FOLLOWS
    sigma_w: Any = 1.0
    sigma_gate: Any = None
    sigma_in: Any = 0.0
    update_bias: Any = 0.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Check static facts."""
        _resolve_gated(self, "update_bias")


@dataclass(frozen=True, repr=False)
class MGU(Dropped):
    r"""Minimal gated unit.

    .. math::

        f = \sigma(U_f x + W_f h + b), \quad n = \tanh(U_n x + f \odot W_n h), \quad
        h' = (1 - f) \odot n + f \odot h

    Attributes
    ----------
    sigma_w, sigma_gate, sigma_in
        As for ``GRU``.
    forget_bias
        Bias b of the gate; a large value keeps the state.
    weights, dropout, recurrent_dropout
        As for ``GRU``.

    References
    ----------
    Zhou et al. (2016), arXiv:1603.09420, in the form of ``flax.linen.MGUCell``.

    Examples
    --------
    >>> from vgtheory import MGU
    >>> MGU(sigma_w=1.5, forget_bias=2.0)
    MGU(sigma_w=1.5, forget_bias=2.0)
    """

    follows: ClassVar[dict[str, str]] = _GATE_FOLLOWS
    sigma_w: Any = 1.0
    sigma_gate: Any = None
    sigma_in: Any = 0.0
    forget_bias: Any = 1.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Check static facts."""
        _resolve_gated(self, "forget_bias")


@dataclass(frozen=True, repr=False)
class LSTM(Dropped):
    r"""Long short-term memory, without peepholes.

    .. math::

        c' = f \odot c + i \odot g, \quad h' = o \odot \tanh(c'), \quad
        f = \sigma(U_f x + W_f h + b), \; i = \sigma(U_i x + W_i h), \;
        o = \sigma(U_o x + W_o h), \; g = \tanh(U_g x + W_g h)

    Attributes
    ----------
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W_g``; dimensionless, >= 0.
    sigma_gate, sigma_in
        As for ``GRU``.
    forget_bias
        Bias b of the forget gate; a large value keeps the state.
    weights, dropout, recurrent_dropout
        As for ``GRU``.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Neural Computation 9, 1735; Gers et al. (2000), Neural
    Computation 12, 2451; in the form of ``flax.linen.LSTMCell``.

    Examples
    --------
    >>> from vgtheory import LSTM
    >>> LSTM(sigma_w=1.5, forget_bias=2.0)
    LSTM(sigma_w=1.5, forget_bias=2.0)
    """

    follows: ClassVar[dict[str, str]] = _GATE_FOLLOWS
    sigma_w: Any = 1.0
    sigma_gate: Any = None
    sigma_in: Any = 0.0
    forget_bias: Any = 1.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Check static facts."""
        _resolve_gated(self, "forget_bias")


@dataclass(frozen=True, repr=False)
class MinimalRNN(Dropped):
    r"""MinimalRNN: a gate between the state and the embedded input.

    .. math:: u = \sigma(W h + V z + b), \qquad h' = u \odot h + (1 - u) \odot z

    The embedded inputs z have independent normal entries, which do not change with the state.

    Attributes
    ----------
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``; dimensionless, >= 0.
    sigma_v
        Standard deviation of ``sqrt(fan_in) * V``; default ``sigma_w``.
    sigma_in
        Standard deviation of the entries of z; >= 0.
    update_bias
        Bias b of the gate; a large value keeps the state.
    weights
        Kind of W and V, as for ``GRU``.
    dropout, recurrent_dropout
        As for ``Leaky``, of what V and W multiply; the z that the gate lets pass is not dropped.

    References
    ----------
    Chen, Pennington and Schoenholz (2018), arXiv:1806.05394.

    Examples
    --------
    >>> from vgtheory import MinimalRNN, theory
    >>> round(theory.cells.memory_steps(MinimalRNN(sigma_in=1.0, update_bias=4.0)), 1)
    36.3
    """

    follows: ClassVar[dict[str, str]] = {"sigma_v": "sigma_w"}
    sigma_w: Any = 1.0
    sigma_v: Any = None
    sigma_in: Any = 0.0
    update_bias: Any = 0.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Check static facts."""
        if self.sigma_v is None:
            object.__setattr__(self, "sigma_v", self.sigma_w)
        resolve(self, "sigma_w", "sigma_v", "sigma_in")
        resolve_weights(self)
        expect_number("MinimalRNN", update_bias=self.update_bias)


register_noun(GRU, [*_SCALES, "update_bias"], ["weights", *DROPPED])
register_noun(MGU, [*_SCALES, "forget_bias"], ["weights", *DROPPED])
register_noun(LSTM, [*_SCALES, "forget_bias"], ["weights", *DROPPED])
register_noun(MinimalRNN, ["sigma_w", "sigma_v", "sigma_in", "update_bias"], ["weights", *DROPPED])

Cell = Leaky | Skip | GRU | MGU | LSTM | MinimalRNN
CELLS = (Leaky, Skip, GRU, MGU, LSTM, MinimalRNN)
WORDS = ("activation", "lag", "weights")
"""Fields of cells that are no numbers to compute with."""
__all__ = ["CELLS", "GRU", "LSTM", "MGU", "WORDS", "Cell", "Leaky", "MinimalRNN", "Skip"]
