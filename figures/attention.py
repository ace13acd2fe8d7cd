"""Transformer blocks: the stream's gradient, and each group of matrices', against depth; law, twin and networks."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("attention",)
SEEN = (
    "Lines of the law run through the markers of networks, but for the largest logits in post-norm blocks; they "
    "do so for all groups of matrices, and the infinite-width twin beside them."
)
"""What one sees."""
GROUPS = ("query", "value", "mlp_in", "mlp_out")
NAMES = {"query": r"$W_q$ (and $W_k$)", "value": r"$W_v$ (and $W_o$)", "mlp_in": "$W_1$", "mlp_out": "$W_2$"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["attention"]
    places = sorted(frame.place.unique(), reverse=True)
    figure, axes = style.canvas(2, len(places), height=4.6, squeeze=False, sharex=True, sharey="row")
    scales = sorted(frame.sigma_qk.unique())
    middle = min(scales, key=lambda each: abs(each - 1))
    for column, place in enumerate(places):
        top, bottom = axes[:, column]
        rows = frame[frame.place == place]
        for index, scale in enumerate(scales):
            each = rows[rows.sigma_qk == scale].sort_values("block")
            label = "law of softmax attention" if index == 0 else None
            style.theory(top, each.block, each.log_grad / style.DECADE, 0 * each.block, index, label)
            x, y, err = each.block, each.log_grad_hat / style.DECADE, each.log_grad_hat_err / style.DECADE
            style.measured(top, x, y, err, index, rf"networks, $\sigma_{{qk}}={scale:g}$ (top)")
        each = rows[rows.sigma_qk == middle].sort_values("block")
        for index, group in enumerate(GROUPS):
            colour = style.COLOURS[index]
            bottom.plot(each.block, each[group] / style.DECADE, color=colour, linewidth=0.8, linestyle=":")
            twin, twin_err = each[f"{group}_twin"] / style.DECADE, each[f"{group}_twin_err"] / style.DECADE
            style.theory(bottom, each.block, twin, twin_err, index, None)
            seen, err = each[f"{group}_hat"] / style.DECADE, each[f"{group}_hat_err"] / style.DECADE
            style.measured(bottom, each.block, seen, err, index, NAMES[group])
        top.set_title(f"{place}-norm")
        bottom.set_xlabel("block")
        bottom.set_title(rf"$\sigma_{{qk}}={middle:g}$")
    axes[0][0].set_ylabel(r"stream: $\log_{10}|g_l|/|g_L|$")
    axes[1][0].set_ylabel(r"weights: $\log_{10}|\partial E/\partial W|$")
    for label, line in (("law", ":"), ("twin", "-")):
        axes[1][0].plot([], [], line, color="0.4", linewidth=0.9, label=label)
    axes[0][0].set_xticks(range(2, int(frame.block.max()) + 1, 2))
    style.lettered(figure)
    upper, lower = (row[0].get_legend_handles_labels() for row in axes)
    handles, labels = (one + other for one, other in zip(upper, lower, strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
