"""Nouns for chains of residual blocks (``Residual``) and of normalised layers (``Normed``).

Norms are as at initialisation: without scales and shifts, and with a negligible epsilon.
"""

from dataclasses import dataclass, field
from typing import Any

from vgtheory.expect import expect, expect_count, expect_number, expect_one_of, expect_scale, is_static
from vgtheory.networks.listed import expect_one_length
from vgtheory.networks.noise import NOISE, Noisy
from vgtheory.networks.resolving import resolve
from vgtheory.noun import register_noun

NORMS = ("batch", "layer", "rms")
ALPHAS = ("1/L", "1/sqrt(L)")


def _expect_batch(net: Any) -> None:
    """Raise unless a network has a batch exactly where its norm is over one."""
    where = type(net).__name__
    if net.norm != "batch":
        expect(net.batch is None, where, 'no batch but with norm="batch"', batch=net.batch)
        return
    expect(net.batch is not None, where, "the number of inputs that batch norm averages over", batch=net.batch)
    expect_count(where, batch=net.batch)
    remedy = "Of 3 the mean squared gradient is infinite, of 2 it is 0."
    expect(net.batch >= 4, where, "a batch of at least 4", remedy, batch=net.batch)
    expect(net.place == "pre", where, 'place="pre" for batch norm', place=net.place)


@dataclass(frozen=True, repr=False)
class Residual(Noisy):
    r"""A chain of residual blocks, each with its own Gaussian weights; ``h`` follows a block.

    .. math:: h_l = h_{l-1} + \alpha f_l(h_{l-1}), \qquad
        f(h) = W^{(k)} \phi(\cdots W^{(1)} \phi(h) + b^{(1)} \cdots) + b^{(k)}

    with :math:`W_{ij} \sim N(0, \sigma_w^2 / N)` and :math:`b_i \sim N(0, \sigma_b^2)`. The stream
    starts with the input :math:`h_0 = x_0`, of normal entries and unit mean square. With a norm
    :math:`\nu`, the block is :math:`h_l = h_{l-1} + \alpha f(\nu(h_{l-1}))` (pre) or
    :math:`h_l = \nu(h_{l-1} + \alpha f(h_{l-1}))` (post).

    Attributes
    ----------
    activation, sigma_w, sigma_b
        As for ``Dense``; a tuple of scales has one for every block.
    alpha
        Factor of every branch: a number >= 0, a tuple of one for every block, or ``"1/sqrt(L)"`` or
        ``"1/L"`` of the number of blocks L. With 0, the start of a learned factor, the block is the
        identity.
    branch_layers
        Number of layers in a branch, >= 1, each an activation followed by weights; 1 with batch
        norm.
    norm
        None, ``"layer"``, ``"rms"`` or ``"batch"``.
    place
        Place of the norm: ``"pre"`` (at the start of the branch) or ``"post"`` (on the sum; not for
        ``"batch"``).
    batch
        With ``norm="batch"``, the number of inputs it averages over, >= 4.
    drop_path
        Stochastic depth: probability with which a whole branch is dropped for an input, in [0, 1);
        a branch that stays is divided by 1 less this; not with batch norm.
    dropout, mask, dropconnect, sigma_noise
        As for ``Dense``, in every layer of a branch; within a batch every input has its own.

    Examples
    --------
    >>> from vgtheory import Residual, theory
    >>> law = theory.log_grad_layers(Residual("relu", 2**0.5, alpha=1.0), depth=11)
    >>> round(float(law.mean[0] / 10), 4)  # half of ln 2 per block
    0.3466
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    alpha: Any = 1.0
    branch_layers: int = 1
    norm: str | None = None
    place: str = "pre"
    batch: Any = None
    drop_path: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        if self.norm is not None:
            expect_one_of(NORMS, "Residual", norm=self.norm)
        expect_number("Residual", "[0, 1)", ndim=0, drop_path=self.drop_path)
        expect(is_static(self.drop_path), "Residual", "a drop_path that is not traced", drop_path=self.drop_path)
        object.__setattr__(self, "drop_path", float(self.drop_path))
        resolve(self, "sigma_w", "sigma_b")
        _expect_batch(self)
        expect_count("Residual", branch_layers=self.branch_layers)
        if isinstance(self.alpha, str):
            expect_one_of(ALPHAS, "Residual", alpha=self.alpha)
        else:
            expect_scale("Residual", alpha=self.alpha)
        expect_one_length(self)
        if self.norm == "batch":
            expect(self.branch_layers == 1, "Residual", "one layer with batch norm", branch_layers=self.branch_layers)
            words, remedy = "no drop_path with batch norm", "Inputs of one batch would then be unlike."
            expect(self.drop_path == 0, "Residual", words, remedy, drop_path=self.drop_path)

    @classmethod
    def skip_init(cls, activation: Any = "relu", **changes: Any) -> "Residual":
        """Blocks whose branches have a learned factor that starts at 0: SkipInit, also ReZero.

        Every block starts as the identity. ``theory.blocks.first_decrease`` is what the first step
        of the factors does.

        Parameters
        ----------
        activation
            As for ``Dense``.
        changes
            Other fields; ``sigma_w`` is He's scale unless it is given.

        References
        ----------
        De and Smith (2020), arXiv:2002.10444; Bachlechner et al. (2020), arXiv:2003.04887.

        Examples
        --------
        >>> from vgtheory import Residual
        >>> Residual.skip_init("relu", sigma_w=1.0)
        Residual('relu', alpha=0.0)
        """
        return cls(activation, **({"sigma_w": 2**0.5, "alpha": 0.0} | changes))

    @classmethod
    def fixup(cls, activation: Any = "relu", *, depth: int, branch_layers: int = 2, **changes: Any) -> "Residual":
        r"""Blocks with Fixup's scales: He's times :math:`L^{-1/(2m - 2)}`, and last layers of zeros.

        The zeros of the last of the m layers of a branch stand as ``alpha = 0``, which is the same
        for the stream and its gradient. ``theory.blocks.first_decrease(..., learned="last")`` is
        what the first step of those layers does.

        Parameters
        ----------
        activation
            As for ``Dense``.
        depth
            Number of blocks L.
        branch_layers
            Number of layers m of a branch, >= 2.
        changes
            Other fields.

        References
        ----------
        Zhang, Dauphin and Ma (2019), arXiv:1901.09321.

        Examples
        --------
        >>> from vgtheory import Residual
        >>> round(Residual.fixup(depth=64).sigma_w, 4)  # 2^(1/2) / 64^(1/2)
        0.1768
        """
        expect_count("Residual.fixup", depth=depth)
        expect_count("Residual.fixup", 2, branch_layers=branch_layers)
        built = {"sigma_w": 2**0.5 * depth ** (-0.5 / (branch_layers - 1)), "alpha": 0.0}
        return cls(activation, **(built | {"branch_layers": branch_layers} | changes))


@dataclass(frozen=True, repr=False)
class Normed(Noisy):
    r"""A feed-forward chain with a norm :math:`\nu` in every layer and Gaussian weights.

    .. math:: h_{l+1} = W_{l+1}\, \phi(\nu(h_l)) + b_{l+1} \quad\text{(pre)}, \qquad
        h_{l+1} = W_{l+1}\, \nu(\phi(h_l)) + b_{l+1} \quad\text{(post)}

    and :math:`h_1 = W_1 x_0 + b_1`, for an input of normal entries and unit mean square. Layer norm
    subtracts the mean over a layer's units and divides by their standard deviation. RMS norm
    divides by the root of their mean square. Batch norm acts as layer norm, but over the batch for
    each unit.

    Attributes
    ----------
    activation, sigma_w, sigma_b
        As for ``Dense``.
    norm
        ``"layer"``, ``"rms"`` or ``"batch"``.
    place
        Place of the norm: ``"pre"`` (before the activation) or ``"post"`` (after it; not for
        ``"batch"``).
    batch
        With ``norm="batch"``, the number of inputs it averages over, >= 4.
    dropout, mask, dropconnect, sigma_noise
        As for ``Dense``. What W multiplies is dropped: behind the norm with ``"post"``, behind the
        activation with ``"pre"``.

    Examples
    --------
    >>> from vgtheory import Normed
    >>> Normed("relu", "batch", batch=64).replace(sigma_w=1.5)
    Normed('relu', norm='batch', sigma_w=1.5, batch=64)
    """

    activation: Any
    norm: str = "layer"
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    place: str = "pre"
    batch: Any = None

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        expect_one_of(NORMS, "Normed", norm=self.norm)
        resolve(self, "sigma_w", "sigma_b")
        _expect_batch(self)


def alpha_of(net: Residual, depth: int) -> Any:
    """Factor of the branches of a chain of ``depth`` blocks."""
    powers = {"1/L": -1.0, "1/sqrt(L)": -0.5}
    return depth ** powers[net.alpha] if isinstance(net.alpha, str) else net.alpha


_STATIC = ["activation", "norm", "place", "batch"]
register_noun(Residual, ["sigma_w", "sigma_b", "alpha"], [*_STATIC, "branch_layers", "drop_path", *NOISE])
register_noun(Normed, ["sigma_w", "sigma_b"], [*_STATIC, *NOISE])

Blocks = Residual | Normed
BLOCKS = (Residual, Normed)
__all__ = ["BLOCKS", "Blocks", "Normed", "Residual", "alpha_of"]
