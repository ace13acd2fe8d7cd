"""The networks on the page "What can be described": one for every field of every noun, and for every choice of a field that has a list of them."""

from typing import Any

import described_recurrences
from described_rows import Row, Section, changed, each, families, noises

import vgtheory.networks.blocks as blocks
import vgtheory.networks.transformer as transformers
from vgtheory import Conv, Dense, Normed, Residual, Transformer
from vgtheory.networks.conv import KERNELS, PADDINGS
from vgtheory.networks.listed import FANS
from vgtheory.weights import WEIGHTS

STATE = described_recurrences.STATE
SIZES = (12, 16, 8, 10)
"""Sizes of the input and of three layers."""


def _dense() -> Section:
    base = Dense("tanh", 1.5, 0.1)
    by_layer = (1.5, 1.2, 1.0)
    return Section(
        "Layers with weights of their own",
        base,
        [
            Row("layers that are alike", "", [base]),
            *families(base),
            changed(base, "gated linear units (GLU, SwiGLU)", activation="swiglu", sigma_w=1.8),
            changed(base, "maxout", activation="maxout(3)"),
            changed(base, "leaky ReLU of random slopes", activation="rrelu"),
            *each(base, "{} weights", "weights", WEIGHTS),
            changed(base, "layers of different sizes", widths=SIZES),
            *(
                changed(base, f"the same, variance over fan_{fan}", widths=SIZES, fan=fan)
                for fan in FANS
                if fan != "in"
            ),
            *each(base, "layers of different sizes, {} weights", "weights", WEIGHTS, widths=SIZES),
            changed(base, "layers of different sizes, dropout", widths=SIZES, dropout=0.2),
            changed(base, "a scale for every layer", sigma_w=by_layer, sigma_b=(0.0, 0.1, 0.2)),
            changed(base, "an activation for every layer", activation=("relu", "tanh", "linear")),
            Row("an input of another mean square", "input_square=4.0", [base], {"input_square": 4.0}),
            *noises(base),
            changed(base, "dropout, orthogonal weights", dropout=0.2, weights="orthogonal"),
            changed(base, "dropout and DropConnect", dropout=0.2, dropconnect=0.2),
        ],
    )


def _conv() -> Section:
    base = Conv("tanh", 1.5, 0.1)
    linear = {"activation": "linear", "sigma_b": 0.0}
    return Section(
        "Convolutions",
        base,
        [
            Row("layers that are alike", "", [base]),
            changed(base, "linear, no biases", **linear),
            *each(base, "{} kernels", "weights", KERNELS),
            *each(base, "linear, no biases, {} kernels", "weights", KERNELS, **linear),
            changed(base, "linear, no biases, dropout", dropout=0.2, **linear),
            *each(base, "{} padding", "padding", PADDINGS),
            changed(base, "larger kernels", kernel_size=5),
            changed(base, "a scale for every layer", sigma_w=(1.5, 1.2, 1.0)),
            *noises(base),
            Row("a field in a plane", "positions=(4, 4)", [base], {"positions": (4, 4)}),
        ],
    )


def _residual() -> Section:
    base = Residual("relu", 1.2, alpha=0.5)
    return Section(
        "Residual blocks",
        base,
        [
            Row("branches straight on either side of 0", "", [base]),
            changed(base, "any other activation", activation="tanh"),
            changed(base, "biases", sigma_b=0.1),
            changed(base, "two layers in a branch", branch_layers=2),
            *each(base, "factor {}", "alpha", blocks.ALPHAS),
            changed(base, "a factor for every block", alpha=(0.5, 0.4, 0.3)),
            *(_norm(base, norm, place) for norm in blocks.NORMS for place in ("pre", "post") if norm != "batch"),
            changed(base, "batch norm", norm="batch", batch=8),
            changed(base, "batch norm, dropout", norm="batch", batch=8, dropout=0.2),
            changed(base, "stochastic depth", drop_path=0.2),
            Row("SkipInit, ReZero", "Residual.skip_init()", [Residual.skip_init()]),
            Row("Fixup", "Residual.fixup(depth=3)", [Residual.fixup(depth=3)]),
            *noises(base),
        ],
    )


def _norm(base: Any, norm: str, place: str) -> Row:
    words = f"{'RMS' if norm == 'rms' else norm} norm, {place}"
    return changed(base, words, norm=norm, place=place)


def _normed() -> Section:
    base = Normed("tanh", sigma_w=1.5)
    others = [norm for norm in blocks.NORMS if norm != "batch"]
    return Section(
        "Layers with a norm",
        base,
        [
            *(_norm(base, norm, place) for norm in others for place in ("pre", "post")),
            changed(base, "batch norm", norm="batch", batch=8),
            changed(base, "biases", sigma_b=0.1),
            *noises(base),
            changed(base, "batch norm, dropout", norm="batch", batch=8, dropout=0.2),
        ],
    )


def _transformer() -> Section:
    base = Transformer("gelu", heads=2)
    decoder = Transformer.decoder(heads=4)
    return Section(
        "Transformers",
        base,
        [
            Row("an encoder of softmax attention", "", [base]),
            changed(base, "another activation", activation="relu"),
            *each(base, "{}-norm", "place", transformers.PLACES),
            *each(base, "{} for a norm", "norm", transformers.NORMS),
            changed(base, "steeper DyT", norm="dyt", norm_slope=1.0),
            changed(base, "a gated perceptron (SwiGLU, GeGLU)", activation="silu", is_gated=True),
            changed(base, "parallel branches", is_parallel=True),
            changed(base, "rotary positions (RoPE)", is_rotary=True),
            changed(base, "normed queries and keys", is_qk_normed=True),
            changed(base, "shared keys and values", kv_heads=1),
            *each(base, "factor {}", "alpha", transformers.ALPHAS),
            changed(base, "a wider perceptron", mlp_ratio=8),
            changed(base, "scales of queries and keys", sigma_qk=0.5),
            changed(base, "scales by matrix", sigma_w=1.1, sigma_v=0.8, sigma_o=0.7, sigma_1=1.2, sigma_2=0.9),
            changed(base, "dropout", dropout=0.1),
            changed(base, "a causal mask", is_causal=True),
            *(
                changed(base, f"causal, {place}-norm", is_causal=True, place=place)
                for place in transformers.PLACES
                if place != "pre"
            ),
            changed(base, "causal, DyT for a norm", is_causal=True, norm="dyt"),
            changed(base, "causal, rotary positions", is_causal=True, is_rotary=True),
            changed(base, "causal, dropout", is_causal=True, dropout=0.1),
            changed(base, "causal, dropout, peri-norm", is_causal=True, dropout=0.1, place="peri"),
            Row("a current language model (as Llama 3)", "Transformer.decoder()", [decoder]),
            Row("DeepNorm's scales", "Transformer.deep_norm(depth=3)", [Transformer.deep_norm(depth=3, heads=2)]),
        ],
    )


SECTIONS: dict[str, Section] = {
    "Dense": _dense(),
    "Conv": _conv(),
    "Residual": _residual(),
    "Normed": _normed(),
    "Transformer": _transformer(),
    **described_recurrences.SECTIONS,
}
"""The page's sections."""
