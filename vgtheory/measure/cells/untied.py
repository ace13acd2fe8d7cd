"""Gradients through recurrent cells, by automatic differentiation in the log domain."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.estimate import Estimate
from vgtheory.expect import expect_scalars
from vgtheory.frame import frame_of_nets
from vgtheory.measure.arguments import asked, one_of
from vgtheory.measure.cells.steppers import SAMPLERS, hidden_of, start_of, stepper
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.draws import COTANGENT, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, lanes_for, run
from vgtheory.networks.cells import LSTM, WORDS, Cell, Skip

if TYPE_CHECKING:
    import pandas

_ROWS = 4
_CACHED = 2**18
"""Weights, of all networks in a batch, that a CPU's core keeps in its cache between steps."""


class CellLogs(NamedTuple):
    """Gradients and states of recurrent cells, one by one; float64.

    Attributes
    ----------
    log_grad
        Natural log of the norm of the gradient with respect to the whole state, t steps before the
        last, over that norm at the last step; shape ``(num_nets, steps + 1)``.
    q_state
        Mean square of h over units and over the last ``steps`` steps, shape ``(num_nets,)``.
    """

    log_grad: np.ndarray
    q_state: np.ndarray

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each step back of each network, as a ``pandas.DataFrame``."""
        return frame_of_nets(self, {"step": np.arange(self.log_grad.shape[1])})


def _tree_norm(tree: Any) -> tuple[Array, Any]:
    """Log-norm of all leaves together, and the leaves over that norm."""
    leaves = jax.tree.leaves(tree)
    peak = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(leaf)) for leaf in leaves])
    safe = jnp.where(peak > 0, peak, 1.0)
    size = jnp.sqrt(functools.reduce(jnp.add, [jnp.sum((leaf / safe) ** 2) for leaf in leaves]))
    grown = jnp.where(peak > 0, jnp.log(size) + jnp.log(safe), jnp.where(jnp.isnan(peak), jnp.nan, -jnp.inf))
    return grown, jax.tree.map(lambda leaf: leaf / safe / jnp.where(size > 0, size, 1.0), tree)


def _start(cell: Cell, words: Array, width: int, dtype: DTypeLike) -> Any:
    """Standard normal cotangent for the whole state at the last step."""
    numbers = normal(words, COTANGENT, 0, (2 if isinstance(cell, LSTM) else getattr(cell, "lag", 1), width), dtype)
    return (numbers[0], numbers[1]) if isinstance(cell, LSTM) else numbers if isinstance(cell, Skip) else numbers[0]


@jax.custom_vjp
def _tapped(state: Any, slot: Array) -> Any:
    """``tap`` for a state of several parts, which are renormalised together."""
    del slot
    return state


_tapped.defvjp(lambda state, slot: (state, slot), lambda slot, cotangent: _tree_norm(cotangent)[::-1])


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    width: int
    steps: int
    burn_in: int
    sampler: str
    driven: bool
    dtype: str


def _one(words: Array, cell: Cell, size: _Size) -> tuple[Array, Array]:
    """Log-factors of one network's gradient, newest step first, and mean square h by step."""
    width, steps, burn_in, sampler, driven, dtype = size
    step = stepper(cell, words, width, dtype, sampler, driven)
    state = start_of(cell, words, width, dtype)
    state, _ = lax.scan(lambda state, t: (step(state, t), None), state, jnp.arange(burn_in))
    _, top = _tree_norm(_start(cell, words, width, dtype))

    def link(state: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
        after = step(_tapped(state, inputs[1]), inputs[0])
        return after, jnp.mean(lax.stop_gradient(hidden_of(cell, after)) ** 2)

    # Each step's own weights are drawn again in the backward pass; if kept, they would fill the memory.
    moved = link if sampler == "cells" else jax.checkpoint(link, prevent_cse=False)

    def energy(slots: Array) -> tuple[Array, Array]:
        end, squares = lax.scan(moved, state, (jnp.arange(burn_in, burn_in + steps), slots))
        parts = zip(jax.tree.leaves(top), jax.tree.leaves(end), strict=True)
        return functools.reduce(jnp.add, [jnp.vdot(one, other) for one, other in parts]), squares

    logs, squares = jax.grad(energy, has_aux=True)(jnp.zeros(steps, dtype))
    return logs[::-1], squares


@asked(noise=True, sampler=one_of(SAMPLERS))
def cell_logs(
    key: Array,
    cell: Cell,
    *,
    width: int,
    steps: int,
    num_nets: int,
    burn_in: int = 200,
    sampler: str = "cells",
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> CellLogs:
    """Gradients sent back through many random cells, each driven by its own noise.

    Each cell starts from a state of standard deviation 0.1, runs ``burn_in`` steps, then ``steps``
    more. A standard normal gradient at the last step is sent back and renormalised at every step.

    Parameters
    ----------
    key
        A JAX key.
    cell
        A ``Leaky``, ``Skip``, ``GRU``, ``MGU``, ``LSTM`` or ``MinimalRNN``.
    width
        Number of units, and of inputs.
    steps, burn_in
        Number of steps that the gradient is followed, and number of steps before them.
    num_nets
        Number of networks, each with its own weights, inputs and gradient.
    sampler
        ``"cells"``: real cells with one set of weights (gated cells are Flax's). ``"untied"``: new
        weights at every step. ``"matrix_free"``: exactly the law of ``"untied"``, at a cost that
        grows as the width.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.
    devices
        JAX devices to spread the networks over; ``None`` for all.

    Returns
    -------
    CellLogs
        Gradients and states of every network.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per step, also between numbers of devices. The memory is
    ``steps`` states of each network that runs at a time.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Leaky, measure
    >>> cell, size = Leaky("linear", sigma_w=0.0, leak=0.5), {"width": 8, "steps": 2, "num_nets": 3}
    >>> logs = measure.cells.cell_logs(jax.random.key(0), cell, **size)
    >>> logs.log_grad.mean(axis=0).round(4).tolist()
    [0.0, -0.6931, -1.3863]
    """
    expect_scalars("cell_logs", **{name: value for name, value in vars(cell).items() if name not in WORDS})
    chosen = chosen_devices(devices)
    # The size of a layer is its rows if the matrix stays, and its entries if each step draws it anew.
    lanes = lanes_for(width * (width if sampler == "untied" else _ROWS), num_nets, chosen)
    if sampler == "cells" and chosen[0].platform == "cpu":
        lanes = min(lanes, max(1, _CACHED // width**2))
    driven = bool(np.any(np.asarray(cell.sigma_in) != 0))
    size = _Size(width, steps, burn_in, sampler, driven, dtype)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes, "devices": chosen}
    logs, squares = run(_one, key, in_format(cell, dtype), size, **how)
    profile = np.cumsum(np.asarray(logs, dtype=np.float64), axis=1)
    return CellLogs(np.pad(profile, ((0, 0), (1, 0))), np.mean(np.asarray(squares, dtype=np.float64), axis=1))


@asked(noise=True)
def log_grad_steps(
    key: Array, cell: Cell, *, width: int, steps: int, num_nets: int, dtype: str = "float32", **how: Any
) -> Estimate:
    r"""Log-norm of the gradient with respect to a cell's whole state, relative to the last step.

    .. math:: \ln \frac{|\partial E / \partial s_{T-t}|}{|\partial E / \partial s_T|}

    The state of an LSTM comprises the cell and the hidden state.

    Parameters
    ----------
    key, cell, width, steps, num_nets, dtype
        As for ``cells.cell_logs``.
    how
        ``burn_in``, ``sampler``, ``devices`` of ``cells.cell_logs``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log at t = 0 ... steps, shape ``(steps + 1,)``; ``err`` is
        one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Leaky, measure
    >>> cell, size = Leaky("linear", sigma_w=0.0, leak=0.5), {"width": 8, "steps": 2, "num_nets": 3}
    >>> decay = measure.cells.log_grad_steps(jax.random.key(0), cell, **size)
    >>> decay.value.round(4).tolist()  # ln 0.5 per step
    [0.0, -0.6931, -1.3863]
    """
    logs = cell_logs(key, cell, width=width, steps=steps, num_nets=num_nets, dtype=dtype, **how).log_grad
    return averaged(logs, np.arange(steps + 1), dtype)


@asked(noise=True)
def q_state(
    key: Array, cell: Cell, *, width: int, steps: int, num_nets: int, dtype: str = "float32", **how: Any
) -> Estimate:
    """Mean square of the hidden state, over units, steps and networks.

    .. math:: H = E[h_t^2]

    Parameters
    ----------
    key, cell, width, steps, num_nets, dtype, how
        As for ``log_grad_steps``.

    Returns
    -------
    Estimate
        Mean over networks; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: ``burn_in`` steps suffice to forget the start.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Leaky, measure
    >>> cell, size = Leaky("linear", sigma_w=0.0, leak=0.5), {"width": 8, "steps": 2, "num_nets": 3}
    >>> round(float(measure.cells.q_state(jax.random.key(0), cell, **size).value), 4)  # no input
    0.0
    """
    squares = cell_logs(key, cell, width=width, steps=steps, num_nets=num_nets, dtype=dtype, **how).q_state
    return averaged(squares, 1, dtype)
