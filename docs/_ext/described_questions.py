"""The questions on the page "What can be described": functions of theory, their twins, and small numbers to call them with."""

from collections.abc import Callable
from typing import Any, NamedTuple

from described_networks import STATE as MATRIX_STATE

from vgtheory import measure, theory


class Question(NamedTuple):
    """A column: a function of theory, its twin, and what they are called with besides the network.

    ``of_any_width`` marks laws without a width: their units do not meet. ``spread`` asks for the
    spread and not for the mean. ``beside`` is a question to the same law, which tells whether the law knows
    the width where this one's answer does not depend on the width.
    """

    title: str
    law: Callable[..., Any]
    twin: Callable[..., Any]
    size: dict[str, Any]
    measured: dict[str, Any]
    of_any_width: bool = False
    spread: bool = False
    beside: "Question | None" = None


_DEEP, _DRAWN = {"depth": 3}, {"depth": 3, "width": 8, "num_nets": 2}
SIGNALS = Question("signals", theory.log_q_layers, measure.log_q_layers, _DEEP, _DRAWN)
GRADIENTS = Question("gradients", theory.log_grad_layers, measure.log_grad_layers, _DEEP, _DRAWN)
SPREAD = GRADIENTS._replace(title="their spread", spread=True)
PROFILES = (SIGNALS, GRADIENTS, SPREAD)
WEIGHTS = Question("weights' gradients", theory.log_grad_weight_layers, measure.log_grad_weight_layers, _DEEP, _DRAWN)
REAL = Question(
    "below cross-entropy",
    theory.layers.log_loss_grad_layers,
    measure.layers.log_loss_grad_layers,
    _DEEP,
    _DRAWN,
)
_CAST = {"cast": "float8_e4m3fn"}
LOST = Question(
    "entries that a cast loses",
    theory.magnitudes.underflow_share,
    measure.magnitudes.underflow_share,
    _DEEP | _CAST,
    _DRAWN | _CAST,
)
PAIRS = Question("two inputs", theory.layers.c_layers, measure.layers.c_layers, _DEEP, _DRAWN)
DIRECTIONS = Question(
    "all directions", theory.spectra.jacobian_moments, measure.spectra.jacobian_moments, _DEEP, _DRAWN
)
_FIELD = {"positions": 6}
POSITIONS = Question(
    "each position",
    theory.blocks.log_grad_positions,
    measure.blocks.log_grad_positions,
    _DEEP | _FIELD,
    _DRAWN | _FIELD,
)
FACTORS = Question(
    "branches' factors", theory.blocks.log_grad_alpha_layers, measure.blocks.log_grad_alpha_layers, _DEEP, _DRAWN
)
_STACK, _STACKED = {"depth": 2, "positions": 4}, {"depth": 2, "positions": 4, "width": 16, "num_nets": 2}
_BACK = GRADIENTS._replace(size=_STACK, measured=_STACKED)
GROUPS = Question("each matrix", theory.blocks.log_grad_groups, measure.blocks.log_grad_groups, _STACK, _STACKED)
TOKENS = Question("each position", theory.decoders.log_grad_tokens, measure.decoders.log_grad_tokens, _STACK, _STACKED)
LOSS = Question(
    "below cross-entropy",
    theory.blocks.log_grad_cross_entropy,
    measure.blocks.log_grad_cross_entropy,
    _STACK | {"classes": 10},
    _STACKED | {"classes": 10},
)
_LAGS, _LAGGED = {"lags": [0, 3]}, {"lags": [0, 3], "width": 8, "num_nets": 2}
TIED = Question(
    "through one matrix, by lag",
    theory.recurrent.log_tied_lags,
    measure.recurrent.log_tied_lags,
    _LAGS | {"num_paths": 16},
    _LAGGED | {"burn_in": 2},
)
EXPONENTS = Question(
    "Lyapunov exponents",
    theory.lyapunov_exponents,
    measure.lyapunov_exponents,
    {},
    {"width": 4, "steps": 4, "num_nets": 2, "burn_in": 4, "block": 2},
)
RATE = Question(
    "settled rate",
    theory.recurrent.log_rate,
    measure.recurrent.log_rate,
    {"state": MATRIX_STATE},
    {"state": MATRIX_STATE, "steps": 16},
    of_any_width=True,
)
_TIME = {"width": 8, "steps": 3, "num_nets": 2, "burn_in": 2}
STATE = Question("signals", theory.cells.q_state, measure.cells.q_state, {}, _TIME)
STEPS = Question(
    "gradients, weights new at every step",
    theory.cells.log_grad_steps,
    measure.cells.log_grad_steps,
    {"steps": 3},
    _TIME | {"sampler": "untied"},
)
SHARED = Question(
    "gradients, one set of weights",
    theory.cells.tied_grad_steps,
    measure.cells.log_grad_steps,
    {"steps": 3, "burn_in": 4, "num_paths": 16, "num_sets": 2},
    _TIME,
)
_UNITS = {"width": 4, "num_nets": 2}
POWER = Question(
    "signals",
    theory.linear.log_q_state,
    measure.linear.log_q_state,
    {},
    _UNITS | {"num_inputs": 2, "steps": 8},
    of_any_width=True,
)
LAGS = Question("gradients by lag", theory.linear.log_grad_lags, measure.linear.log_grad_lags, _LAGS, _LAGGED)
PARAMETER = {"parameter": "nu"}
SENSITIVITY = Question(
    "parameters' gradients",
    theory.linear.log_sensitivity,
    measure.linear.log_sensitivity,
    PARAMETER,
    PARAMETER | _UNITS | {"num_inputs": 2, "steps": 8},
    of_any_width=True,
)
_BLOCKS = {"depth": 2, "gate": "silu", "alpha": 0.5}
BLOCKS = Question(
    "in depth, through blocks",
    theory.linear.log_grad_blocks,
    measure.linear.log_grad_blocks,
    _BLOCKS,
    _BLOCKS | _UNITS | {"steps": 8, "num_states": 4},
)
DECAYS = Question(
    "gradients by lag",
    theory.linear.log_decay_lags,
    measure.linear.log_decay_lags,
    _LAGS,
    _LAGS | {"num_inputs": 2},
    of_any_width=True,
)
COLUMNS: dict[str, tuple[Question, ...]] = {
    "Dense": (*PROFILES, WEIGHTS, REAL, PAIRS, DIRECTIONS, LOST),
    "Conv": (
        *(each._replace(size=each.size | _FIELD, measured=each.measured | _FIELD) for each in PROFILES),
        POSITIONS,
    ),
    "Residual": (*PROFILES, FACTORS),
    "Normed": PROFILES,
    "Transformer": (
        SIGNALS._replace(size=_STACK, measured=_STACKED, beside=_BACK),
        _BACK,
        GROUPS,
        TOKENS,
        LOSS,
        LOST._replace(size=_STACK | {"positions": 16} | _CAST, measured=_STACKED | _CAST),
    ),
    "Recurrent": (SIGNALS, GRADIENTS, PAIRS, TIED, EXPONENTS),
    "FixedRecurrent": (RATE,),
    "Cells": (STATE, STEPS, SHARED),
    "LinearRecurrence": (POWER, LAGS, LAGS._replace(title="their spread", spread=True), SENSITIVITY, BLOCKS),
    "InputDecay": (DECAYS,),
}
"""The questions that are put to each kind of network."""
