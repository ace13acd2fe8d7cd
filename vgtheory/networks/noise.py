"""Noise in a network, as a part of its noun: ``Noisy`` layers, and ``Dropped`` cells."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import numpy as np

from vgtheory.expect import expect, expect_number, expect_one_of
from vgtheory.noun import Noun

MASKS = ("bernoulli", "gaussian")
NOISE = ("dropout", "mask", "dropconnect", "sigma_noise")
"""Fields of every ``Noisy`` noun."""
DROPPED = ("dropout", "recurrent_dropout")
"""Fields of every ``Dropped`` noun."""
_RECURRENT = ("sigma_w", "sigma_gate", "sigma_skip")


@dataclass(frozen=True, repr=False)
class Noisy(Noun):
    r"""Noise of a layer in training, drawn anew for every input, layer and pass.

    .. math:: h_{l+1} = (K \odot W_{l+1})\,(m \odot x_l) + b_{l+1} + \sigma_\xi\, \xi

    All factors have the mean 1 (inverted dropout), and are the same in the forward and in the
    backward pass. Two inputs have independent noise, as two examples of a batch do. The noise is
    that of every layer, the first one included, whose ``x`` is the input.

    Attributes
    ----------
    dropout
        Probability p with which a unit of ``x`` is dropped, in [0, 1).
    mask
        Law of the factors m: ``"bernoulli"``, 0 with probability p and 1 / (1 - p) otherwise;
        ``"gaussian"``, N(1, p / (1 - p)), which has the same variance.
    dropconnect
        Probability with which a single weight is dropped, in [0, 1); all others are scaled up.
    sigma_noise
        Standard deviation of normal noise that is added to every ``h``; unit of ``h``, >= 0.

    References
    ----------
    Srivastava et al. (2014), JMLR 15:1929; Wan et al. (2013), for single weights.
    """

    dropout: float = field(default=0.0, kw_only=True)
    mask: str = field(default="bernoulli", kw_only=True)
    dropconnect: float = field(default=0.0, kw_only=True)
    sigma_noise: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, repr=False)
class Dropped(Noun):
    r"""Dropout in a recurrent cell in training: one mask for a whole sequence.

    Every W multiplies :math:`m \odot h` (of ``Leaky`` and ``Skip``, :math:`m \odot \phi(h)`), and
    every U multiplies :math:`k \odot x` (of ``MinimalRNN``, V multiplies :math:`k \odot z`). The
    factors are 0 with a probability, have the mean 1, and are the same at every step of a sequence
    and for all gates. What a gate lets pass is not dropped.

    Attributes
    ----------
    dropout
        Probability with which an entry of the input x is dropped, in [0, 1).
    recurrent_dropout
        Probability with which a unit is dropped for the recurrent matrices, in [0, 1).

    References
    ----------
    Gal and Ghahramani (2016), arXiv:1512.05287.
    """

    remedy: ClassVar[str] = "Laws of cells are in theory.cells: memory_steps, chi_step, log_grad_steps."
    dropout: float = field(default=0.0, kw_only=True)
    recurrent_dropout: float = field(default=0.0, kw_only=True)


def undropped(cell: Any) -> Any:
    """The cell without dropout that has its law at infinite width."""
    if not is_noisy(cell):
        return cell
    inputs = "sigma_v" if hasattr(cell, "sigma_v") else "sigma_in"
    seen = {inputs: cell.dropout, **dict.fromkeys(_RECURRENT, cell.recurrent_dropout)}
    scales = {name: getattr(cell, name) / (1 - p) ** 0.5 for name, p in seen.items() if hasattr(cell, name)}
    return dataclasses.replace(cell, **scales, dropout=0.0, recurrent_dropout=0.0)


def resolve_noise(net: Noisy | Dropped, where: str) -> None:
    """Check a noun's noise, which consists of plain numbers."""
    for name in DROPPED if isinstance(net, Dropped) else ("dropout", "dropconnect", "sigma_noise"):
        value = getattr(net, name)
        if type(value) is float and value == 0:
            continue
        expect(not isinstance(value, jax.core.Tracer), where, f"a {name} that is not traced", **{name: value})
        interval = "[0, 1e150]" if name == "sigma_noise" else "[0, 1)"
        expect_number(where, interval, ndim=0, **{name: value})
        object.__setattr__(net, name, float(value))
    if isinstance(net, Noisy):
        expect_one_of(MASKS, where, mask=net.mask)


def is_noisy(net: Any) -> bool:
    """Whether a network has noise of any kind."""
    if isinstance(net, Dropped):
        return net.dropout > 0 or net.recurrent_dropout > 0
    if not isinstance(net, Noisy):
        return False
    return net.dropout > 0 or net.dropconnect > 0 or net.sigma_noise > 0 or drop_path_of(net) > 0


def drop_path_of(net: Any) -> float:
    """Probability with which a branch of any network is dropped."""
    return getattr(net, "drop_path", 0.0)


def dropconnect_of(net: Any) -> float:
    """Probability with which a single weight of any network is dropped."""
    return net.dropconnect if isinstance(net, Noisy) else 0.0


def added_square(net: Any) -> float:
    """Variance of the noise added to every ``h`` of any network."""
    return net.sigma_noise**2 if isinstance(net, Noisy) else 0.0


def factor_square(net: Any) -> float:
    """Mean square of the factors of a product, 1 without dropout and DropConnect."""
    return 1 / ((1 - net.dropout) * (1 - net.dropconnect)) if is_noisy(net) else 1.0


def lone_scales(net: Any) -> tuple[Any, Any]:
    """``sigma_w`` and ``sigma_b`` of the network without noise that treats one input alike at infinite width."""
    if not is_noisy(net):
        return net.sigma_w, net.sigma_b
    given = net.sigma_w, net.sigma_b
    sigma_w, sigma_b = (np.asarray(each) if isinstance(each, list | tuple) else each for each in given)
    added = sigma_b if net.sigma_noise == 0 else (sigma_b**2 + net.sigma_noise**2) ** 0.5
    return sigma_w * factor_square(net) ** 0.5, added


def noiseless(net: Any) -> Any:
    """The network without noise that treats one input alike at infinite width."""
    if not is_noisy(net):
        return net
    sigma_w, sigma_b = lone_scales(net)
    return dataclasses.replace(net, sigma_w=sigma_w, sigma_b=sigma_b, dropout=0.0, dropconnect=0.0, sigma_noise=0.0)


def expect_no_noise(where: str, net: Any) -> None:
    """Raise if a network has noise."""
    layers, cells = "log_grad_layers, log_q_layers, q_star, chi_1, c_star and critical", "chi_step and its siblings"
    remedy = f"{cells if isinstance(net, Dropped) else layers} take noise."
    expect(not is_noisy(net), where, "a network without noise", remedy, net=net)


def expect_no_added_noise(where: str, net: Any) -> None:
    """Raise if noise is added to the ``h`` of a network whose units are padded."""
    remedy = "Only layers that are alike are measured with it."
    expect(added_square(net) == 0, where, "sigma_noise=0 of listed layers", remedy, net=net)


__all__ = [
    "DROPPED",
    "MASKS",
    "NOISE",
    "Dropped",
    "Noisy",
    "added_square",
    "drop_path_of",
    "dropconnect_of",
    "expect_no_added_noise",
    "expect_no_noise",
    "factor_square",
    "is_noisy",
    "lone_scales",
    "noiseless",
    "resolve_noise",
    "undropped",
]
