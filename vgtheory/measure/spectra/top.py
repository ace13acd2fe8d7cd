"""The largest singular values of the Jacobian of networks too wide for it as a matrix."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from matfree import decomp

from vgtheory.expect import expect
from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.networks import orthonormal_columns
from vgtheory.measure.engine.runs import chosen_devices, compiled, fetched, lanes_for, over_networks
from vgtheory.measure.spectra.linear_map import Block, Size, down, fresh, in_order, probes, scaled_product, up
from vgtheory.measure.spectra.values import log_singular_values
from vgtheory.networks.ensemble import Layered

_SPARE = 8
"""Vectors in a block beyond twice the values asked for."""
_GAP = 0.35
"""Log-distance from the values asked for to the block's end: each sweep halves what is missing, and sweeps pay."""
_MOST_SWEEPS = 20
_FEWEST_STEPS, _MOST_STEPS = 30, 512
_TOLERANCE = {"float32": 3e-6, "float64": 3e-12}
"""A third of what is stated: estimates of errors are estimates."""
_ROUNDINGS = 4
"""Of the format, per layer, by which two sweeps through the same network may differ."""


class _Sweep(NamedTuple):
    """A block up, and what it became back down."""

    above: Block
    below: Block


class _Steps(NamedTuple):
    """A bidiagonal matrix, what remains behind its last step, and the log of what it was divided by."""

    diagonal: Array
    beside: Array
    remainder: Array
    log_scale: Array


@compiled("size", "num_vectors", "devices")
def _starts(key: Array, size: Size, num_vectors: int, devices: tuple) -> Array:
    """An orthonormal block for every network, shape ``(num_nets, width, num_vectors)``."""

    def one(key: Array, index: Array) -> Array:
        return orthonormal_columns(probes(words_of(jax.random.fold_in(key, index)), size.width, num_vectors))[0]

    return over_networks(one, key, size.num_nets, 1, devices)


@compiled("size", "devices")
def _sweeps(key: Array, net: Layered, starts: Array, input_square: Array, size: Size, devices: tuple) -> _Sweep:
    """Every network's block up and down again."""

    def one(shared: Any, index: Array) -> _Sweep:
        key, net, starts, input_square = shared
        words = words_of(jax.random.fold_in(key, index))
        above, along, _ = up(words, net, input_square, fresh(starts[index]), in_order, size)
        back = fresh(above.basis, jnp.isneginf(above.logs))
        return _Sweep(above, down(words, net, along, back, in_order, size))

    lanes = lanes_for(size.width**2, size.num_nets, devices)
    return over_networks(one, (key, net, starts, input_square), size.num_nets, lanes, devices)


@compiled("steps", "size", "devices")
def _lanczos(
    key: Array, net: Layered, which: Array, starts: Array, input_square: Array, steps: int, size: Size, devices: tuple
) -> _Steps:
    """Golub-Kahan-Lanczos bidiagonalisation of the networks ``which``, fully reorthogonalised."""
    bidiagonal = decomp.bidiag(steps, materialize=False)

    def one(shared: Any, place: Array) -> _Steps:
        key, net, which, starts, input_square = shared
        words = words_of(jax.random.fold_in(key, which[place]))
        _, along, tops = up(words, net, input_square, fresh(starts[place]), in_order, size)
        shrink = jnp.diff(tops, prepend=0.0)
        product = scaled_product(words, net, along, shrink, size)
        _, (diagonal, beside), residual, _ = bidiagonal(product, starts[place].sum(axis=1))
        return _Steps(diagonal, beside, jnp.linalg.norm(residual), tops[-1])

    lanes = lanes_for(size.width**2, which.size, devices)
    return over_networks(one, (key, net, which, starts, input_square), which.size, lanes, devices)


def _block_logs(logs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Logs of the singular values of ``diag(exp(logs)) @ rows``, descending; rows of log -inf are zeros."""
    if np.any(np.isnan(logs)) or np.any(logs == np.inf) or not np.all(np.isfinite(rows)):
        return np.full(logs.shape, np.nan)
    out, alive = np.full(logs.shape, -np.inf), np.isfinite(logs)
    if alive.any():
        out[: alive.sum()] = log_singular_values(logs[alive], rows[alive])
    return out


def _swept_logs(block: Block) -> np.ndarray:
    return np.stack([_block_logs(*each) for each in zip(block.logs, block.rows, strict=True)])


def _swept(
    key: Array, net: Layered, num_values: int, input_square: Array, size: Size, tolerance: float
) -> tuple[np.ndarray, np.ndarray, Array]:
    """Lower bounds on the logs, shape ``(num_nets, num_values)``, which networks have settled, and the last blocks."""
    devices, num_vectors = chosen_devices(None), min(size.width, 2 * num_values + _SPARE)
    # As they come back from a sweep: where they lie otherwise, the sweep is compiled again.
    starts = jnp.asarray(fetched(_starts(key, size, num_vectors, devices)))
    for _ in range(_MOST_SWEEPS):
        sweep = fetched(_sweeps(key, net, starts, input_square, size, devices))
        first, second = _swept_logs(sweep.above), _swept_logs(sweep.below)
        starts = jnp.asarray(sweep.below.basis)
        with np.errstate(invalid="ignore"):
            wanted = second[:, :num_values]
            off = np.abs(wanted - first[:, :num_values])
            # NaN: further than RANGE below the largest, or of a network that is not finite; no more work would tell.
            same = (wanted == first[:, :num_values]) | (off <= tolerance) | np.isnan(wanted)
            ahead = ~(wanted[:, -1] - second[:, -1] < _GAP) | (num_vectors == size.width)
        settled = ahead & same.all(axis=1)
        if np.all(settled | ~ahead):
            break
    return wanted, settled, starts


def _ritz(steps: _Steps, num_values: int, tolerance: float) -> np.ndarray:
    """One network's logs, NaN for those whose estimated error is above the tolerance."""
    ends = np.flatnonzero(~np.isfinite(steps.diagonal))
    # After a breakdown the vectors so far span all that the start can reach.
    size, remainder = (ends[0] + 1, 0.0) if ends.size else (steps.diagonal.size, float(steps.remainder))
    diagonal, beside = (np.nan_to_num(each) for each in (steps.diagonal[:size], steps.beside[: size - 1]))
    left, values, _ = np.linalg.svd(np.diag(diagonal) + np.diag(beside, 1))
    residual = remainder * np.abs(left[-1])
    gap = np.minimum(np.diff(-values, append=np.inf), np.diff(-values, prepend=-np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.minimum(residual, np.where(gap > 0, residual**2 / gap, np.inf)) / values
        logs = np.where(error <= tolerance, np.log(values) + steps.log_scale, np.nan)
    return np.append(logs, np.full(num_values, np.nan))[:num_values]


def _iterated(
    key: Array,
    net: Layered,
    which: np.ndarray,
    starts: Array,
    input_square: Array,
    like: np.ndarray,
    size: Size,
    tolerance: float,
) -> np.ndarray:
    """Logs for the networks ``which``, each run of twice as many steps as the last; NaN what no run has settled."""
    num_values, out = like.shape[1], np.full_like(like, np.nan)
    steps, most = min(size.width, 2 * num_values + _FEWEST_STEPS), min(size.width, max(_MOST_STEPS, 4 * num_values))
    while True:
        left = np.flatnonzero(np.isnan(out).any(axis=1))
        blocks = jnp.asarray(np.asarray(starts)[which[left]])
        run = fetched(
            _lanczos(key, net, jnp.asarray(which[left]), blocks, input_square, steps, size, chosen_devices(None))
        )
        out[left] = [_ritz(_Steps(*each), num_values, tolerance) for each in zip(*run, strict=True)]
        if steps == most or not np.isnan(out).any():
            # What is below a bound that holds is another singular value than it is taken for.
            return np.where(out >= like - tolerance, out, np.nan)
        steps = min(most, 2 * steps)


@asked(lapack=True)
def jacobian_top_singular_values(
    key: Array,
    net: Layered,
    *,
    depth: int,
    width: int,
    num_nets: int,
    num_values: int = 1,
    input_square: float = 1.0,
    dtype: str = "float32",
) -> np.ndarray:
    r"""Natural logs of the largest singular values of the Jacobian of real networks, without the Jacobian as a matrix.

    .. math:: J = \frac{\partial x_L}{\partial x_0}, \qquad x_l = \phi(W_l x_{l-1} + b_l)

    A block of vectors is swept up and down through the layers and made orthonormal behind each of
    them, with the logs of its lengths kept apart. Its logs rise to those of J, at once where the
    singular values are far apart, as in deep networks. Where they are too close for that, Lanczos
    bidiagonalisation takes over. Networks and inputs are those of ``jacobian_singular_values``.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width, num_nets
        Numbers of layers, units and networks.
    num_values
        How many of each network's singular values, at most ``width``.
    input_square
        Mean square of the input x_0.
    dtype
        ``"float32"`` or ``"float64"``: of weights and products with them.

    Returns
    -------
    numpy.ndarray
        Shape ``(num_nets, num_values)``, float64, each row descending; -inf for those that are exactly 0 (all of a dead
        network's); NaN for those that have not settled to the stated accuracy or lie more than exp(600) below the
        row's largest, or of a network that is not finite.

    Raises
    ------
    ValueError
        If a count is no positive integer, ``num_values`` exceeds the width, the format is unknown,
        or ``input_square`` is negative or not finite.

    Notes
    -----
    Accuracy: 1e-5 (float32) or 1e-11 (float64) in each log, plus four roundings of the format per
    layer.

    - Sweeps end when up and down agree to that. The block's last value must be at least half again
      as small as the last one asked for; it then bounds what is still missing by the difference of
      up and down.
    - Lanczos ends when the residual, or its square over the distance to the next value found, is
      that small. This is the usual estimate, not a bound.
    - Of singular values that are exactly equal, only one is seen where others are smaller. Most such
      cases come out NaN, by a lower bound that the sweeps leave.

    Assumes: nothing about the network. Weights are drawn again in every layer, twice per sweep and
    per step of Lanczos. There are at most 20 sweeps, then at most 512 steps (or
    ``4 * num_values``).

    References
    ----------
    Golub and Kahan (1965), Calculating the singular values and pseudo-inverse of a matrix.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", 0.5, weights="orthogonal")
    >>> logs = measure.spectra.jacobian_top_singular_values(
    ...     jax.random.key(0), net, depth=3, width=8, num_nets=2, num_values=3
    ... )
    >>> logs.shape, float(logs.max().round(4)), float(logs.min().round(4))
    ((2, 3), -2.0794, -2.0794)
    """
    where = "jacobian_top_singular_values"
    expect(num_values <= width, where, "num_values of at most the width", num_values=num_values)
    tolerance = _TOLERANCE[dtype] + _ROUNDINGS * depth * float(jnp.finfo(dtype).eps)
    with jax.enable_x64(True):
        size, square = (
            Size(depth, width, num_nets, dtype, is_scalable(net.activation)),
            jnp.asarray(input_square, float),
        )
        logs, settled, starts = _swept(key, net, num_values, square, size, tolerance)
        which = np.flatnonzero(~settled)
        if which.size:
            logs[which] = _iterated(key, net, which, starts, square, logs[which], size, tolerance)
    return logs
