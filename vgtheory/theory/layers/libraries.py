"""What each library's default initialisers amount to, layer by layer, and what they do to a gradient.

A kernel's entries have variance ``scale / fan``. Which fan is meant differs between libraries, and so
does what a scale means: Haiku's truncated normal has the given standard deviation before it is cut
at two of them, Flax's after. An orthogonal kernel of all gates at once, of shape (h, 4h), has rows of
unit length, so that each gate's part of it has ``sigma_w`` 1/2; four matrices of shape (h, h) have 1.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from vgtheory.activation import Activation, as_activation
from vgtheory.checks import optional
from vgtheory.expect import expect_count, expect_one_of
from vgtheory.frame import Table
from vgtheory.networks.cells import GRU, LSTM, Cell, Leaky
from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked, one_positive
from vgtheory.theory.cells.untied import chi_step
from vgtheory.theory.layers.initialisers import Chosen
from vgtheory.theory.meanfield.length import chi_1
from vgtheory.theory.precision import in_numpy
from vgtheory.weights import CUT_STD

_CRITICAL = 1e-9
"""Largest absolute ln chi that counts as critical."""


class Kernel(NamedTuple):
    """Distribution of a kernel's entries, and their variance: ``scale / fan``.

    ``fan`` is ``"in"``, ``"out"``, ``"avg"``, ``"larger"`` (of both), ``"hidden"`` (the units of the
    recurrence), or ``"all"`` (inputs and hidden units together).
    """

    weights: str
    scale: float
    fan: str


class Default(NamedTuple):
    """One layer of one library: its kernels, and where they are defined.

    ``bias`` is the variance of the biases' sum times the fan of the kernel; ``gates`` the number of
    matrices that are drawn as one.
    """

    library: str
    layer: str
    kind: str
    kernel: Kernel
    source: str
    bias: float = 0.0
    recurrent: Kernel | None = None
    gates: int = 1
    forget_bias: float = 0.0


_THIRD = 1 / 3
_TORCH = Kernel("uniform", _THIRD, "in")
_LECUN, _GLOROT = Kernel("truncated_normal", 1.0, "in"), Kernel("uniform", 1.0, "avg")
_CUT = Kernel("truncated_normal", CUT_STD**2, "in")
_HIDDEN = Kernel("uniform", _THIRD, "hidden")
_ALL = Kernel("truncated_normal", CUT_STD**2, "all")
_TURN = Kernel("orthogonal", 1.0, "larger")
_LINEN, _NNX = "flax 0.12.8, linen/{}.py", "flax 0.12.8, nnx/nn/{}.py"
_KERAS = "keras 3.16, layers/{}.py"
_EQUINOX, _HAIKU = "equinox 0.13.8, nn/_{}.py", "dm-haiku 0.0.17, _src/{}.py"
_PYTORCH = "documentation of torch.nn.{}, 2.x"
DEFAULTS = (
    Default("pytorch", "Linear", "dense", _TORCH, _PYTORCH.format("Linear"), _THIRD),
    Default("pytorch", "Conv2d", "conv", _TORCH, _PYTORCH.format("Conv2d"), _THIRD),
    Default("pytorch", "RNN", "rnn", _HIDDEN, _PYTORCH.format("RNN"), 2 * _THIRD, _HIDDEN),
    Default("pytorch", "LSTM", "lstm", _HIDDEN, _PYTORCH.format("LSTM"), 2 * _THIRD, _HIDDEN, 4),
    Default("pytorch", "GRU", "gru", _HIDDEN, _PYTORCH.format("GRU"), 2 * _THIRD, _HIDDEN, 3),
    Default("keras", "Dense", "dense", _GLOROT, _KERAS.format("core/dense")),
    Default("keras", "Conv2D", "conv", _GLOROT, _KERAS.format("convolutional/conv2d")),
    Default("keras", "SimpleRNN", "rnn", _GLOROT, _KERAS.format("rnn/simple_rnn"), recurrent=_TURN),
    Default("keras", "LSTM", "lstm", _GLOROT, _KERAS.format("rnn/lstm"), 0.0, _TURN, 4, 1.0),
    Default("keras", "GRU", "gru", _GLOROT, _KERAS.format("rnn/gru"), 0.0, _TURN, 3),
    Default("flax linen", "Dense", "dense", _LECUN, _LINEN.format("linear")),
    Default("flax linen", "Conv", "conv", _LECUN, _LINEN.format("linear")),
    Default("flax linen", "SimpleCell", "rnn", _LECUN, _LINEN.format("recurrent"), recurrent=_TURN),
    Default("flax linen", "OptimizedLSTMCell", "lstm", _LECUN, _LINEN.format("recurrent"), recurrent=_TURN),
    Default("flax linen", "GRUCell", "gru", _LECUN, _LINEN.format("recurrent"), recurrent=_TURN),
    Default("flax nnx", "Linear", "dense", _LECUN, _NNX.format("linear")),
    Default("flax nnx", "Conv", "conv", _LECUN, _NNX.format("linear")),
    Default("flax nnx", "SimpleCell", "rnn", _LECUN, _NNX.format("recurrent"), recurrent=_TURN),
    Default("flax nnx", "LSTMCell", "lstm", _LECUN, _NNX.format("recurrent"), recurrent=_TURN),
    Default("flax nnx", "OptimizedLSTMCell", "lstm", _LECUN, _NNX.format("recurrent"), 0.0, _TURN, 4),
    Default("flax nnx", "GRUCell", "gru", _LECUN, _NNX.format("recurrent"), 0.0, _TURN, 3),
    Default("equinox", "Linear", "dense", _TORCH, _EQUINOX.format("linear"), _THIRD),
    Default("equinox", "Conv", "conv", _TORCH, _EQUINOX.format("conv"), _THIRD),
    Default("equinox", "LSTMCell", "lstm", _HIDDEN, _EQUINOX.format("rnn"), _THIRD, _HIDDEN, 4),
    Default("equinox", "GRUCell", "gru", _HIDDEN, _EQUINOX.format("rnn"), _THIRD, _HIDDEN, 3),
    Default("haiku", "Linear", "dense", _CUT, _HAIKU.format("basic")),
    Default("haiku", "ConvND", "conv", _CUT, _HAIKU.format("conv")),
    Default("haiku", "VanillaRNN", "rnn", _CUT, _HAIKU.format("recurrent"), recurrent=_CUT),
    Default("haiku", "LSTM", "lstm", _ALL, _HAIKU.format("recurrent"), 0.0, _ALL, 4, 1.0),
    *(
        Default("any", f"{name}, fan_{fan}", "dense", Kernel("gaussian", scale, fan), "He et al. (2015), LeCun (1998)")
        for name, scale in (("He", 2.0), ("LeCun", 1.0))
        for fan in ("in", "out", "avg")
    ),
)
"""Defaults of the libraries in 2026, and the initialisers of variance ``scale / fan`` by fan."""


LIBRARIES = tuple(dict.fromkeys(row.library for row in DEFAULTS))


class LibraryDefault(NamedTuple):
    """What one layer's default initialiser amounts to.

    Attributes
    ----------
    library, layer, weights
        Names; ``weights`` is the distribution of the kernel, and in a recurrence of the recurrent one.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``; in a recurrence of the recurrent kernel of each
        gate.
    sigma_b
        Standard deviation of the biases; of two biases, of their sum.
    sigma_in
        In a recurrence, standard deviation of ``U x`` for inputs of unit mean square; None elsewhere.
    forget_bias
        Constant added in an LSTM's forget gate; None elsewhere.
    chi
        Factor of the squared gradient norm, back through the layer, or in a recurrence per step.
    chi_entry
        Factor of the mean square of the gradient's single entries, ``chi * width / inputs`` through a
        layer: He's condition for the backward pass is that this be 1.
    verdict
        The same in words.
    source
        Where the default is defined.
    """

    library: str
    layer: str
    weights: str
    sigma_w: float
    sigma_b: float
    sigma_in: float | None
    forget_bias: float | None
    chi: float
    chi_entry: float
    verdict: str
    source: str


class LibraryTable(Table):
    """A list of defaults, which prints as a table."""

    kind = LibraryDefault


def _variance(kernel: Kernel, rows: int, columns: int, inputs: int, width: int) -> float:
    """Variance of the entries of a kernel from ``rows`` to ``columns`` units."""
    fans = {"in": rows, "out": columns, "avg": (rows + columns) / 2, "larger": max(rows, columns)}
    return kernel.scale / (fans | {"hidden": width, "all": inputs + width})[kernel.fan]


def _verdict(chi: float, unit: str) -> str:
    """A factor in words."""
    with np.errstate(divide="ignore"):
        rate = float(np.log(chi)) / 2
    if abs(rate) <= _CRITICAL:
        return "critical: keeps its size"
    return f"{'falls' if rate < 0 else 'grows'} tenfold in {np.log(10) / abs(rate):.3g} {unit}"


def _layers(rows: list[Default], activation: Activation, inputs: int, width: int, taps: int) -> list[LibraryDefault]:
    """Rows of feed-forward layers, whose factors are found at once."""
    sizes = [taps if row.kind == "conv" else 1 for row in rows]
    each = zip(rows, sizes, strict=True)
    squares = [n * inputs * _variance(row.kernel, n * inputs, n * width, inputs, width) for row, n in each]
    sigma_w = np.sqrt(squares)
    sigma_b = np.sqrt([row.bias / (n * inputs) for row, n in zip(rows, sizes, strict=True)])
    chis = np.asarray(chi_1(Dense(activation, sigma_w, sigma_b)))
    made = []
    for row, w, b, chi in zip(rows, map(float, sigma_w), map(float, sigma_b), map(float, chis), strict=True):
        kind, entries = row.kernel.weights, chi * width / inputs
        made.append(LibraryDefault(row.library, row.layer, kind, w, b, None, None, chi, entries, "", ""))
    return made


def _recurrence(row: Default, kernel: Kernel, inputs: int, width: int, input_square: float) -> LibraryDefault:
    """A row of a recurrent layer; biases add to the variance that the inputs bring at each step."""
    columns = row.gates * width
    sigma_w = (width * _variance(kernel, width, columns, inputs, width)) ** 0.5
    sigma_in = (input_square * inputs * _variance(row.kernel, inputs, columns, inputs, width)) ** 0.5
    sigma_b = (row.bias / width) ** 0.5
    drive = (sigma_in**2 + sigma_b**2) ** 0.5
    cells: dict[str, Cell] = {
        "rnn": Leaky("tanh", sigma_w, 0.0, drive),
        "lstm": LSTM(sigma_w, None, drive, row.forget_bias),
        "gru": GRU(sigma_w, None, drive),
    }
    chi = chi_step(cells[row.kind])
    forget = row.forget_bias if row.kind == "lstm" else None
    return LibraryDefault(row.library, row.layer, kernel.weights, sigma_w, sigma_b, sigma_in, forget, chi, chi, "", "")


@asked(
    inputs=optional(expect_count),
    taps=expect_count,
    library=optional(partial(expect_one_of, LIBRARIES)),
    input_square=one_positive,
)
@in_numpy
def library_audit(
    activation: Chosen,
    *,
    width: int = 512,
    inputs: int | None = None,
    taps: int = 9,
    input_square: float = 1.0,
    library: str | None = None,
) -> LibraryTable:
    r"""Effect of each library's default initialisers on a gradient, layer by layer, and by fan.

    Parameters
    ----------
    activation
        What follows dense and convolutional layers. Plain recurrences have tanh.
    width
        Number of a layer's units (channels, or hidden units of a recurrence).
    inputs
        Number of its inputs (channels, or features that a recurrence reads); None for ``width``.
    taps
        Number of a convolution's taps.
    input_square
        Mean square of what a recurrence reads at every step, > 0.
    library
        ``"pytorch"``, ``"keras"``, ``"flax linen"``, ``"flax nnx"``, ``"equinox"``, ``"haiku"``, or
        ``"any"`` for He's and LeCun's initialisers by fan; None for all.

    Returns
    -------
    LibraryTable
        A list of ``LibraryDefault``, which prints as a table.

    Notes
    -----
    Accuracy: that of ``chi_1`` and of ``cells.chi_step``. Flax's, Equinox's and Haiku's kernels are
    checked by drawing them, and the factor of all gates drawn as one by a Flax cell's gradient.
    Keras's are read from its source, PyTorch's from its documentation.
    Assumes: infinite width. For dense and convolutional layers ``chi`` is :math:`\chi_1` at the fixed
    point of a network with that ``sigma_w``. For recurrences it is that of new weights at every step, as
    ``cells.chi_step``, which is exact for plain ones; other cells keep more with one set of weights
    (``cells.tied_grad_steps``). Random biases count as part of the input. Haiku's ``GRU`` is missing:
    its reset gate acts before the product.

    References
    ----------
    He et al. (2015), arXiv:1502.01852; Saxe et al. (2014), arXiv:1312.6120. For each row ``source``.

    Examples
    --------
    >>> from vgtheory import theory
    >>> rows = {row.layer: row for row in theory.layers.library_audit("relu", library="flax nnx")}
    >>> [(name, round(rows[name].sigma_w, 3)) for name in ("LSTMCell", "OptimizedLSTMCell")]
    [('LSTMCell', 1.0), ('OptimizedLSTMCell', 0.5)]
    >>> rows["Linear"].verdict
    'falls tenfold in 6.64 layers'
    """
    inputs = width if inputs is None else inputs
    rows = [row for row in DEFAULTS if library in (None, row.library)]
    plain = [row for row in rows if row.recurrent is None]
    made = dict(zip(plain, _layers(plain, as_activation(activation), inputs, width, taps), strict=True))
    made |= {row: _recurrence(row, row.recurrent, inputs, width, input_square) for row in rows if row.recurrent}
    unit = lambda row: "layers" if row.recurrent is None else "steps"
    return LibraryTable(
        made[row]._replace(verdict=_verdict(made[row].chi, unit(row)), source=row.source) for row in rows
    )


__all__ = ["LibraryDefault", "LibraryTable", "library_audit"]
