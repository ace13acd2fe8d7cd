"""Initialisers at the critical scale, for any library that takes a function of key, shape and dtype."""

import dataclasses
import math
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from vgtheory.activation import Activation, Pointwise
from vgtheory.expect import expect, expect_count, expect_key, expect_number
from vgtheory.scales.line import point
from vgtheory.weights import as_weights

KINDS = ("gaussian", "orthogonal")
_WHERE = "critical_kernel"
_NO_KEY = (
    "Haiku and Keras give none: call it inside hk.transform, or as lambda shape, dtype: kernel(key, shape, dtype)."
)


def _key_of_library() -> Any:
    """A key from Haiku or Keras, which call an initialiser without one; None if neither runs."""
    if "haiku" in sys.modules:
        try:
            return sys.modules["haiku"].next_rng_key()
        except ValueError:
            pass  # not inside a transformed function
    if "keras" in sys.modules:
        return jnp.asarray(sys.modules["keras"].random.randint((2,), 0, 2**31 - 1), jnp.uint32)
    return None


def _asked(key: Any, shape: Any, dtype: Any) -> tuple[Any, tuple[int, ...], Any]:
    """Key, shape and dtype, whether or not the call begins with a key."""
    if isinstance(key, Sequence) or shape is None:
        dtype, shape, key = shape if dtype is None else dtype, key, _key_of_library()
        expect(key is not None, _WHERE, "a key first", _NO_KEY, key=key)
    expect_key(_WHERE, key=key)
    expect(isinstance(shape, Sequence), _WHERE, "a shape, integers in a tuple", shape=shape)
    for size in shape:
        expect_count(_WHERE, shape=size)
    dtype = jnp.float32 if dtype is None else dtype
    expect(jnp.issubdtype(dtype, jnp.floating), _WHERE, "a real dtype", dtype=dtype)
    return key, tuple(int(size) for size in shape), dtype


def drawn(key: Array, shape: tuple[int, ...], weights: str) -> Array:
    """A kernel ``(*taps, in, out)`` whose layer keeps the mean square of its input.

    Parameters
    ----------
    key
        A JAX key.
    shape
        Its shape.
    weights
        ``"gaussian"``; or ``"orthogonal"``, in a convolution at the middle tap, with zeros
        elsewhere.
    """
    *taps, num_in, num_out = shape
    if weights == "gaussian":
        return jax.random.normal(key, shape) / math.sqrt(math.prod(taps) * num_in)
    matrix = jax.nn.initializers.orthogonal()(key, (num_in, num_out)) * max(1.0, num_out / num_in) ** 0.5
    return jnp.zeros(shape).at[tuple(size // 2 for size in taps)].set(matrix)


def centred(kernel: Array, out_axis: int = -1) -> Array:
    """A kernel with the mean of each unit's weights taken off, and its root mean square kept."""
    axes = tuple(axis for axis in range(kernel.ndim) if axis != out_axis % kernel.ndim)
    num = math.prod(kernel.shape[axis] for axis in axes)
    return (kernel - jnp.mean(kernel, axis=axes, keepdims=True)) * (num / max(num - 1, 1)) ** 0.5


@dataclasses.dataclass(frozen=True)
class CriticalBias:
    """Initialiser of biases: normal with standard deviation ``sigma_b``."""

    sigma_b: float

    def __call__(self, key: Any, shape: Any = None, dtype: DTypeLike | None = None) -> Array:
        """Biases of a shape; called like ``CriticalKernel``."""
        key, shape, dtype = _asked(key, shape, dtype)
        return (self.sigma_b * jax.random.normal(key, shape)).astype(dtype)


@dataclasses.dataclass(frozen=True)
class CriticalKernel:
    """Initialiser of kernels at a critical scale; made by ``critical_kernel``.

    Attributes
    ----------
    sigma_w
        Weights have the standard deviation ``sigma_w / sqrt(fan_in)``.
    sigma_b
        Standard deviation of the biases that belong to it.
    q_star
        Mean square of ``h`` that the signal keeps; 0 if it shrinks without end, like ``1 / depth``.
    weights, centred, in_axis, out_axis
        As given.
    """

    sigma_w: float
    sigma_b: float
    q_star: float
    weights: str = "gaussian"
    centred: bool = False
    in_axis: int = -2
    out_axis: int = -1

    @property
    def bias(self) -> CriticalBias:
        """Initialiser of the biases: zeros where ``sigma_b`` is 0."""
        return CriticalBias(self.sigma_b)

    def __call__(self, key: Any, shape: Any = None, dtype: DTypeLike | None = None) -> Array:
        """A kernel of a shape; ``kernel(shape, dtype)`` takes its key from Haiku or Keras."""
        key, shape, dtype = _asked(key, shape, dtype)
        expect(len(shape) >= 2, _WHERE, "a kernel of at least two axes", shape=list(shape))
        ends = self.in_axis % len(shape), self.out_axis % len(shape)
        taps = [axis for axis in range(len(shape)) if axis not in ends]
        order = (*taps, *ends)
        kernel = drawn(key, tuple(shape[axis] for axis in order), self.weights)
        kernel = centred(kernel) if self.centred else kernel
        return (self.sigma_w * jnp.moveaxis(kernel, range(len(shape)), order)).astype(dtype)


def critical_kernel(
    activation: str | Activation | Pointwise,
    *,
    sigma_b: float | None = None,
    weights: str = "gaussian",
    centred: bool = False,
    in_axis: int = -2,
    out_axis: int = -1,
    dropout: float = 0.0,
) -> CriticalKernel:
    r"""Initialiser of kernels with which an activation keeps both signal and gradient in depth.

    .. math:: W_{ij} \sim N(0, \sigma_w^2 / \text{fan\_in}), \qquad b_i \sim N(0, \sigma_b^2),
        \qquad \chi_1 = 1

    It is a function ``(key, shape, dtype)``, for ``kernel_init`` of Flax; its ``bias`` is one for
    ``bias_init``. Haiku and Keras call it as ``(shape, dtype)``: it then takes the key that they
    have.

    Parameters
    ----------
    activation
        A name, an ``Activation`` or an elementwise JAX function.
    sigma_b
        Standard deviation of the biases. None chooses the smallest to which a stable signal of mean
        square 0.1 or more belongs; give 0.0 for layers without biases.
    weights
        ``"gaussian"`` or ``"orthogonal"`` (in convolutions at the middle tap, zeros elsewhere).
    centred
        Whether the weights of each unit sum to zero. The layer then does not see the mean of the
        activation, and every activation of the table that grows no faster than its argument has a
        critical scale.
    in_axis, out_axis
        Axes of inputs and outputs; all others are taps of a convolution. For the layout of Equinox
        and PyTorch, ``(out, in, *taps)``: 1 and 0.
    dropout
        Probability with which a unit of each layer's input is dropped in training, the others being
        scaled up; ``sigma_w`` is that without dropout times the root of 1 - p. Not for ``centred``.

    Returns
    -------
    CriticalKernel
        The initialiser, with its ``sigma_w``, ``sigma_b``, ``q_star`` and ``bias``.

    Raises
    ------
    ValueError
        If there is no stable critical scale, as for softplus; the message says what makes one. When
        called: if a shape has fewer than two axes.

    Notes
    -----
    Accuracy: 1e-11 relative for ``sigma_w`` with a given ``sigma_b`` (``theory.critical``).
    Assumes: infinite width. At finite width a single network strays (``theory.log_grad_layers``);
    ``initialise`` takes out what it strays on a batch. The signal starts from the input's own mean
    square and moves to ``q_star`` in the first layers.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Xiao et al. (2018), arXiv:1806.05393, for orthogonal
    convolutions. Kernels that sum to zero: Huang et al. (2017), arXiv:1710.02338.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import critical_kernel
    >>> kernel = critical_kernel("gelu")
    >>> round(kernel.sigma_w, 3), kernel.sigma_b
    (1.402, 0.469)
    >>> kernel(jax.random.key(0), (3, 3, 16, 32)).shape
    (3, 3, 16, 32)
    >>> kernel.bias(jax.random.key(1), (32,)).shape
    (32,)
    """
    for name, axis in (("in_axis", in_axis), ("out_axis", out_axis)):
        expect_number(_WHERE, "[-8, 8]", ndim=0, integer=True, **{name: axis})
    expect(in_axis != out_axis, _WHERE, "two different axes", in_axis=in_axis, out_axis=out_axis)
    weights = as_weights(KINDS, _WHERE, weights)
    expect_number(_WHERE, "[0, 1)", ndim=0, dropout=dropout)
    found = point(_WHERE, activation, sigma_b, centred)
    expect(dropout == 0 or not found.centred, _WHERE, "no dropout of centred kernels", dropout=dropout)
    return CriticalKernel(
        found.sigma_w * float(1 - dropout) ** 0.5,
        found.sigma_b,
        found.q_star,
        weights,
        found.centred,
        int(in_axis),
        int(out_axis),
    )


__all__ = ["CriticalBias", "CriticalKernel", "centred", "critical_kernel", "drawn"]
