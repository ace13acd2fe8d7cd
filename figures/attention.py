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
    figure, axes = style.canvas(2, len(places), height=3.6, squeeze=False, sharex=True, sharey="row")
    scales = sorted(frame.sigma_qk.unique())
    middle = min(scales, key=lambda each: abs(each - 1))
    for column, place in enumerate(places):
        top, bottom = axes[:, column]
        rows = frame[frame.place == place]
        for index, scale in enumerate(scales):
            each = rows[rows.sigma_qk == scale].sort_values("block")
            law = {"color": style.COLOURS[index], "linewidth": 0.9}
            top.plot(each.block, each.log_grad / style.DECADE, **law)
            x, y, err = each.block, each.log_grad_hat / style.DECADE, each.log_grad_hat_err / style.DECADE
            style.measured(top, x, y, err, index, rf"$\sigma_{{qk}}={scale:g}$")
        each = rows[rows.sigma_qk == middle].sort_values("block")
        for index, group in enumerate(GROUPS):
            colour = style.COLOURS[index]
            bottom.plot(each.block, each[group] / style.DECADE, color=colour, linewidth=0.9)
            twin = each[f"{group}_twin"] / style.DECADE
            bottom.plot(each.block, twin, color=colour, linewidth=0.8, linestyle=":")
            seen, err = each[f"{group}_hat"] / style.DECADE, each[f"{group}_hat_err"] / style.DECADE
            style.measured(bottom, each.block, seen, err, index, NAMES[group])
        top.set_title(f"{place}-norm")
        bottom.set_xlabel("block")
        bottom.set_title(rf"$\sigma_{{qk}}={middle:g}$")
    axes[0][0].set_ylabel(r"stream: $\log_{10}|g_l|/|g_L|$")
    axes[1][0].set_ylabel(r"weights: $\log_{10}|\partial E/\partial W|$")
    axes[0][0].set_xticks(range(2, int(frame.block.max()) + 1, 2))
    style.lettered(figure)
    small = {"handletextpad": 0.2, "labelspacing": 0.2, "fontsize": 7}
    handles, labels = axes[0][0].get_legend_handles_labels()
    axes[0][-1].legend(handles, labels, loc="upper right", **small)
    handles, labels = axes[1][0].get_legend_handles_labels()
    axes[1][-1].legend(handles, labels, loc="lower left", **small)
    for label, look in (("law", "-"), ("infinite-width limit", ":")):
        axes[1][0].plot([], [], look, color="0.3", linewidth=0.9, label=label)
    handles, labels = (each[:2] for each in axes[1][0].get_legend_handles_labels())
    axes[1][0].legend(handles, labels, loc="lower left", **small)
    return figure
