"""Noun for a stack of transformer blocks: ``Transformer``."""

from dataclasses import dataclass
from typing import Any, ClassVar

from vgtheory.expect import expect, expect_count, expect_flag, expect_number, expect_one_of, expect_scale
from vgtheory.networks.resolving import resolve
from vgtheory.noun import Noun, register_noun

PLACES = ("pre", "post", "peri")
NORMS = ("layer", "rms", "dyt", "derf")
ALPHAS = {"1/L": (1.0, -1.0), "1/sqrt(L)": (1.0, -0.5), "1/sqrt(2L)": (2.0, -0.5)}
"""Words for a branch's factor, each with the multiple of the number of blocks and the power it is raised to."""
GROUPS = ("query", "key", "value", "output", "mlp_in", "mlp_gate", "mlp_out")
"""The matrices of a block; ``mlp_gate`` only where the perceptron is gated."""


@dataclass(frozen=True, repr=False)
class Transformer(Noun):
    r"""A stack of transformer blocks at initialisation; h is the stream x after a whole block.

    Softmax self-attention over positions is followed by a perceptron at each position:

    .. math:: x \mapsto x + \alpha\, W_o\,\mathrm{attention}(n W_q, n W_k, n W_v), \qquad
        x \mapsto x + \alpha\, W_2\,\phi(W_1 n)

    With ``place="pre"``, n is the norm of x. With ``place="post"``, n = x and the norm is taken of
    each sum. With ``place="peri"``, n is the norm of x, and each branch's output is normed too. All
    matrices are Gaussian, of variance ``sigma^2 / fan_in``. Logits are divided by the root of a
    head's width, and there are no biases.

    Current language models are ``Transformer.decoder()``, BERT's and vision's encoders
    ``Transformer.encoder()``, DeepNorm's scales ``Transformer.deep_norm(depth=12)``. LayerScale and ReZero are small
    values of ``alpha``. GPT-2's initialiser divides ``sigma_o`` and ``sigma_2`` by the root of 2 L,
    which gives the gradients of ``alpha="1/sqrt(2L)"`` but for those of W_o and W_2 themselves.

    Attributes
    ----------
    activation
        Activation of the perceptron, as for ``Dense``.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W`` for all matrices but queries and keys;
        dimensionless, >= 0.
    sigma_qk
        Standard deviation of ``sqrt(fan_in) * W`` for queries and keys; at 0 every position attends
        equally to all.
    place
        Place of the norm, ``"pre"``, ``"post"`` or ``"peri"``.
    heads
        Number of heads; must divide the width.
    mlp_ratio
        Units of the perceptron over those of the stream.
    norm
        ``"layer"`` or ``"rms"``, or a function of each unit in place of a norm: ``"dyt"``,
        :math:`\tanh(s x)`, or ``"derf"``, :math:`\mathrm{erf}(s x)`, with s = ``norm_slope``.
    norm_slope
        Slope s of ``"dyt"`` and ``"derf"``.
    is_gated
        Whether the perceptron is :math:`W_2 (\phi(W_1 n) \odot W_3 n)`, as SwiGLU (``"silu"``),
        GeGLU (``"gelu"``) and ReGLU (``"relu"``); W_3 has the scale of W_1.
    is_parallel
        Whether attention and perceptron read the same n, and their outputs are added at once.
    is_causal
        Whether a position attends to itself and earlier ones only.
    is_rotary
        Whether queries and keys are turned by an angle proportional to the position (RoPE).
    is_qk_normed
        Whether queries and keys are divided by the root of their mean square over a head, so that
        logits have unit variance whatever ``sigma_qk`` is.
    kv_heads
        Number of heads of keys and values, each shared by as many heads of queries; None for as
        many as heads.
    alpha
        Factor of every branch: a number >= 0, or ``"1/L"``, ``"1/sqrt(L)"`` or ``"1/sqrt(2L)"`` of
        the number of blocks L.
    dropout
        Probability with which a share of attention, and a unit of a branch's output, is dropped;
        all others are scaled up.
    sigma_v, sigma_o, sigma_1, sigma_2
        ``sigma_w`` of values, outputs and the perceptron's two layers, where they differ.

    Examples
    --------
    >>> from vgtheory import Transformer
    >>> block = Transformer("gelu", sigma_qk=0.0)
    >>> block.replace(heads=4)
    Transformer('gelu', sigma_qk=0.0, heads=4)
    """

    activation: Any = "gelu"
    sigma_w: Any = 1.0
    sigma_qk: Any = 1.0
    place: str = "pre"
    heads: int = 8
    mlp_ratio: float = 4
    norm: str = "layer"
    norm_slope: Any = 0.5
    is_gated: bool = False
    is_parallel: bool = False
    is_causal: bool = False
    is_rotary: bool = False
    is_qk_normed: bool = False
    kv_heads: int | None = None
    alpha: Any = 1.0
    dropout: float = 0.0
    sigma_v: Any = None
    sigma_o: Any = None
    sigma_1: Any = None
    sigma_2: Any = None

    follows: ClassVar[dict[str, str]] = dict.fromkeys(("sigma_v", "sigma_o", "sigma_1", "sigma_2"), "sigma_w")

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        where = "Transformer"
        expect_one_of(NORMS, where, norm=self.norm)
        for name, leader in self.follows.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self, leader))
        resolve(self, *SCALES, places=PLACES)
        _expect_shape(self)
        expect(
            not self.is_parallel or self.place != "post",
            where,
            'place="pre" or "peri" for parallel branches',
            place=self.place,
        )
        if isinstance(self.alpha, str):
            expect_one_of(ALPHAS, where, alpha=self.alpha)
        else:
            expect_scale(where, alpha=self.alpha)

    @classmethod
    def decoder(cls, **changes: Any) -> "Transformer":
        """Blocks of a current language model, as Llama 3 has them.

        RMS norm in front of each branch, a causal mask, rotary positions, SwiGLU with 3.5 hidden units
        per unit of the stream, 32 heads, each key and value shared by four.

        Parameters
        ----------
        changes
            Fields with other values. Where ``heads`` is given without ``kv_heads``, four heads share
            each key and value if their number allows it.

        Examples
        --------
        >>> from vgtheory import Transformer
        >>> net = Transformer.decoder(heads=8, sigma_w=0.9)
        >>> net.kv_heads, net.norm, net.is_rotary
        (2, 'rms', True)
        """
        heads = changes.get("heads", 32)
        shared = heads // 4 if isinstance(heads, int) and heads % 4 == 0 else None
        built: dict[str, Any] = {"activation": "silu", "norm": "rms", "heads": 32, "kv_heads": shared, "mlp_ratio": 3.5}
        flags: dict[str, Any] = dict.fromkeys(("is_gated", "is_causal", "is_rotary"), True)
        return cls(**(built | flags | changes))

    @classmethod
    def encoder(cls, **changes: Any) -> "Transformer":
        """Blocks of an encoder, as the base sizes of BERT and of vision transformers have them.

        Layer norm in front of each branch, no mask, learned positions (which belong to the inputs), GELU
        with four hidden units per unit of the stream, 12 heads. BERT's norms are behind the sums:
        ``place="post"``.

        Parameters
        ----------
        changes
            Fields with other values.

        Examples
        --------
        >>> from vgtheory import Transformer
        >>> Transformer.encoder(place="post")
        Transformer('gelu', place='post', heads=12)
        """
        built: dict[str, Any] = {"activation": "gelu", "norm": "layer", "heads": 12, "mlp_ratio": 4}
        return cls(**(built | changes))

    @classmethod
    def deep_norm(cls, *, depth: int, **changes: Any) -> "Transformer":
        r"""Blocks with DeepNorm's scales: post-norm, skips times :math:`(2L)^{1/4}`.

        Since a norm follows, that factor is a branch's :math:`(2L)^{-1/4}`. Values, outputs and the
        perceptron have Xavier's variance times :math:`(8L)^{-1/2}`, queries and keys Xavier's.

        Parameters
        ----------
        depth
            Number of blocks L.
        changes
            Other fields, as of ``Transformer.encoder``, but for ``sigma_w``.

        References
        ----------
        Wang et al. (2022), arXiv:2203.00555 (encoders alone and decoders alone).

        Examples
        --------
        >>> from vgtheory import Transformer, theory
        >>> net, size = Transformer.deep_norm(depth=48, sigma_qk=0.0), {"depth": 48, "positions": 64}
        >>> post = Transformer.encoder(place="post", sigma_qk=0.0)
        >>> [abs(round(float(theory.log_grad_layers(each, **size).mean[0]), 2)) for each in (net, post)]
        [0.0, 0.66]
        """
        expect_count("Transformer.deep_norm", depth=depth)
        ratio, small = changes.get("mlp_ratio", 4), (8 * depth) ** -0.25
        widening = {"sigma_1": small * (2 / (1 + ratio)) ** 0.5, "sigma_2": small * (2 * ratio / (1 + ratio)) ** 0.5}
        built = {"place": "post", "sigma_w": small, "alpha": (2 * depth) ** -0.25, **widening}
        return cls.encoder(**(built | changes))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of a block's matrices."""
        return tuple(name for name in GROUPS if self.is_gated or name != "mlp_gate")


def _expect_shape(net: Transformer) -> None:
    """Raise unless what is fixed at compilation makes sense."""
    where = "Transformer"
    expect_count(where, heads=net.heads)
    expect_number(where, "(0, inf)", ndim=0, mlp_ratio=net.mlp_ratio)
    expect_number(where, "[0, 1)", ndim=0, dropout=net.dropout)
    for name in _FLAGS:
        expect_flag(where, **{name: getattr(net, name)})
    if net.kv_heads is not None:
        expect_count(where, kv_heads=net.kv_heads)
        fits = net.heads % net.kv_heads == 0
        expect(fits, where, f"a divisor of heads={net.heads}", kv_heads=net.kv_heads)


def branch_factor(net: Transformer, depth: int) -> Any:
    """Factor of the branches of a stack of ``depth`` blocks."""
    if not isinstance(net.alpha, str):
        return net.alpha
    multiple, power = ALPHAS[net.alpha]
    return (multiple * depth) ** power


SCALES = ["sigma_w", "sigma_qk", "sigma_v", "sigma_o", "sigma_1", "sigma_2", "norm_slope"]
_FLAGS = ["is_gated", "is_parallel", "is_causal", "is_rotary", "is_qk_normed"]
_STATIC = ["activation", "place", "heads", "mlp_ratio", "norm", "kv_heads", "dropout", *_FLAGS]
register_noun(Transformer, [*SCALES, "alpha"], _STATIC)

__all__ = ["ALPHAS", "GROUPS", "NORMS", "PLACES", "SCALES", "Transformer", "branch_factor"]
