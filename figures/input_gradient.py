"""Gradients with respect to weights and input fall together in training; the Jacobian of the output stays."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("input_gradient",)
SEEN = (
    "Gradients of the first layer's weights and of the input fall together over training by ten powers of ten, "
    "while the derivative of the output by the input stays."
)
"""What one sees."""
KINDS = {"log_first_hat": "weights of layer 1", "log_input_hat": "input", "log_jacobian_hat": "output by input"}
EVERY = 3
"""Markers drawn, one in so many records."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["input_gradient"]
    names = list(dict.fromkeys(frame.net))
    figure, axes = style.canvas(len(names), 1, height=1.7 * len(names) + 0.4, sharex=True, squeeze=False)
    for panel, name in zip(axes[:, 0], names, strict=True):
        rows = frame[frame.net == name].sort_values("update")
        few = rows.iloc[::EVERY]
        for index, (kind, label) in enumerate(KINDS.items()):
            value, err = few[kind] / style.DECADE, few[f"{kind}_err"] / style.DECADE
            style.measured(panel, few["update"], value, err, index, label)
        law = (rows.log_first_hat + rows.log_ratio) / style.DECADE
        style.theory(panel, rows["update"], law, None, 1)
        style.theory(panel, rows["update"], rows.log_jacobian / style.DECADE, None, 2)
        panel.set(ylabel=r"$\log_{10}$ of the norm", title=style.shown(name))
    axes[-1, 0].set(xlabel="update")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
