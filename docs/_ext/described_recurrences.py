"""The recurrent networks on the page "What can be described"."""

import numpy as np
from described_rows import Row, Section, changed, each, noises

from vgtheory import (
    GRU,
    LSTM,
    MGU,
    FixedRecurrent,
    InputDecay,
    Leaky,
    LinearRecurrence,
    MinimalRNN,
    Recurrent,
    Ring,
    Skip,
    StateSpace,
)
from vgtheory.networks.input_decay import DECAYS
from vgtheory.networks.linear_recurrence import KINDS, METHODS, SCALES
from vgtheory.weights import WEIGHTS

STATE = np.array([0.3, 0.2])
"""State from which a given matrix starts."""
_MATRIX = FixedRecurrent("tanh", np.array([[0.9, 0.4], [-0.3, 0.7]]))


def _recurrent() -> Section:
    base = Recurrent("tanh", 1.5, 0.1)
    return Section(
        "Recurrences of random weights",
        base,
        [
            Row("tanh", "", [base]),
            changed(base, "linear, no biases", activation="linear", sigma_b=0.0),
            changed(base, "tanh, no biases", sigma_b=0.0),
            *each(base, "{} weights", "weights", WEIGHTS),
            *noises(base),
        ],
        "Signals, gradients and two inputs are asked of layers: the law takes the weights of every step as new. The last "
        "two columns are of one matrix.",
    )


def _cells() -> Section:
    given = {"sigma_in": 0.5}
    leaky = Leaky("tanh", 1.2, 0.1, **given)
    skip = Skip("tanh", 0.8, 0.4, 0.1, lag=3, **given)
    gated = [
        Row("LSTM", "LSTM(forget_bias=2.0)", [LSTM(forget_bias=2.0, **given)]),
        Row("GRU", "GRU(update_bias=1.0)", [GRU(update_bias=1.0, **given)]),
        Row("minimal gated unit", "MGU(forget_bias=2.0)", [MGU(forget_bias=2.0, **given)]),
        Row("LSTM, gates of another scale", "LSTM(sigma_w=0.8, sigma_gate=0.5)", [LSTM(0.8, 0.5, **given)]),
        Row("GRU, gates of another scale", "GRU(sigma_w=0.8, sigma_gate=0.5)", [GRU(0.8, 0.5, **given)]),
        Row("MGU, gates of another scale", "MGU(sigma_w=0.8, sigma_gate=0.5)", [MGU(0.8, 0.5, **given)]),
    ]
    small = MinimalRNN(update_bias=2.0, **given)
    minimal = [
        Row("minimalRNN", "MinimalRNN(update_bias=2.0)", [small]),
        Row("minimalRNN, inputs of another scale", "MinimalRNN(sigma_v=0.5)", [small.replace(sigma_v=0.5)]),
        Row("minimalRNN, weights of another scale", "MinimalRNN(sigma_w=0.8)", [small.replace(sigma_w=0.8)]),
    ]
    orthogonal = [
        Row(
            f"{words}, orthogonal weights",
            f'{kind.__name__}(weights="orthogonal")',
            [kind(weights="orthogonal", **given)],
        )
        for words, kind in (("LSTM", LSTM), ("GRU", GRU), ("MGU", MGU), ("minimalRNN", MinimalRNN))
    ]
    chances = {"dropout": 0.2, "recurrent_dropout": 0.2}
    dropped = [
        Row(
            f"{words}, dropout",
            f"{type(cell).__name__}({first}dropout=0.2, recurrent_dropout=0.2)",
            [cell.replace(**chances)],
        )
        for words, first, cell in (
            ("LSTM", "", LSTM(**given)),
            ("GRU", "", GRU(**given)),
            ("MGU", "", MGU(**given)),
            ("minimalRNN", "", MinimalRNN(**given)),
            ("leaky units", '"tanh", ', leaky),
            ("a skip in time", '"tanh", lag=3, ', skip),
        )
    ]
    return Section(
        "Cells driven by noise",
        None,
        [
            *gated,
            *minimal,
            *orthogonal,
            Row("leaky units", 'Leaky("tanh", leak=0.5)', [leaky.replace(leak=0.5)]),
            Row(
                "leaky units, orthogonal weights",
                'Leaky("tanh", leak=0.5, weights="orthogonal")',
                [leaky.replace(leak=0.5, weights="orthogonal")],
            ),
            Row("a skip in time", 'Skip("tanh", lag=3)', [skip]),
            Row(
                "a skip in time, orthogonal weights",
                'Skip("tanh", lag=3, weights="orthogonal")',
                [skip.replace(weights="orthogonal")],
            ),
            *dropped,
        ],
    )


def _linear() -> Section:
    base = LinearRecurrence(Ring(0.5, 0.9), "gamma")
    spaces = [StateSpace(kind, size=4) for kind in KINDS]
    other = [
        StateSpace("s4d-lin", size=4, method=method, dt_min=0.01, dt_max=0.2) for method in METHODS if method != "zoh"
    ]
    scaled = [scale for scale in SCALES if scale not in ("gamma", "step")]
    return Section(
        "Linear recurrences and state-space models",
        base,
        [
            Row("a ring of eigenvalues (LRU)", "", [base]),
            Row("a ring of small angles", "Ring(max_phase=1.0)", [LinearRecurrence(Ring(0.5, 0.9, 1.0), "gamma")]),
            *(
                Row(space.kind.upper(), f'StateSpace("{space.kind}")', [LinearRecurrence(space, "step")])
                for space in spaces
            ),
            *(
                Row(
                    f"S4D-Lin, {law.method}",
                    f'StateSpace("s4d-lin", method="{law.method}")',
                    [LinearRecurrence(law, "step")],
                )
                for law in other
            ),
            Row("eigenvalues of your own", "LinearRecurrence([0.5, 0.9])", [LinearRecurrence([0.5, 0.6, 0.7, 0.9])]),
            *(changed(base, f'input factor "{scale}"', scale=scale) for scale in scaled),
            changed(base, "an input correlated in time", correlation=0.5),
        ],
    )


def _decays() -> Section:
    net = InputDecay("mamba", -2.0, 0.5)
    named = {
        "gla": "gated linear attention",
        "lstm": "a forget gate",
        "mamba": "Mamba",
        "rwkv": "RWKV",
        "xlstm": "sLSTM",
    }
    rows = [Row(named[kind], f'InputDecay("{kind}")', [InputDecay(kind, -1.0, 0.5)]) for kind in DECAYS]
    return Section("Decays that the input sets", None, [*rows, changed(net, "a rate of your own", rate=2.0)])


SECTIONS: dict[str, Section] = {
    "Recurrent": _recurrent(),
    "FixedRecurrent": Section(
        "A matrix of your own",
        None,
        [Row("tanh", 'FixedRecurrent("tanh", matrix)', [_MATRIX]), changed(_MATRIX, "with biases", sigma_b=0.1)],
    ),
    "Cells": _cells(),
    "LinearRecurrence": _linear(),
    "InputDecay": _decays(),
}
