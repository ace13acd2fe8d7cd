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
    figure, axes = style.canvas(1, 2 * len(places), height=2.5, width=2 * style.COLUMN, squeeze=False, sharex=True)
    streams, matrices = axes[0][: len(places)], axes[0][len(places) :]
    scales = sorted(frame.sigma_qk.unique())
    middle = min(scales, key=lambda each: abs(each - 1))
    for stream, matrix, place in zip(streams, matrices, places, strict=True):
        rows = frame[frame.place == place]
        for index, scale in enumerate(scales):
            each = rows[rows.sigma_qk == scale].sort_values("block")
            stream.plot(each.block, each.log_grad / style.DECADE, color=style.COLOURS[index], linewidth=0.9)
            x, y, err = each.block, each.log_grad_hat / style.DECADE, each.log_grad_hat_err / style.DECADE
            style.measured(stream, x, y, err, index, rf"$\sigma_{{qk}}={scale:g}$")
        each = rows[rows.sigma_qk == middle].sort_values("block")
        for index, group in enumerate(GROUPS):
            colour = style.COLOURS[index]
            matrix.plot(each.block, each[group] / style.DECADE, color=colour, linewidth=0.9)
            matrix.plot(each.block, each[f"{group}_twin"] / style.DECADE, color=colour, linewidth=0.8, linestyle=":")
            seen, err = each[f"{group}_hat"] / style.DECADE, each[f"{group}_hat_err"] / style.DECADE
            style.measured(matrix, each.block, seen, err, index, NAMES[group])
        stream.set(title=f"{place}-norm, stream", xlabel="block")
        matrix.set(title=rf"{place}, weights, $\sigma_{{qk}}={middle:g}$", xlabel="block")
    for row, name in ((streams, r"$\log_{10}|g_l|/|g_L|$"), (matrices, r"$\log_{10}|\partial E/\partial W|$")):
        row[0].set_ylabel(name)
        ends = [
            f(limit) for f, limit in zip((min, max), zip(*(each.get_ylim() for each in row), strict=True), strict=True)
        ]
        for each in row:
            each.set_ylim(ends)
    axes[0][0].set_xticks(range(2, int(frame.block.max()) + 1, 2))
    style.lettered(figure)
    for label, look in (("law", "-"), ("infinite width, sampled", ":")):
        matrices[0].plot([], [], look, color="0.3", linewidth=0.9, label=label)
    (upper, names), (lower, others) = (row[0].get_legend_handles_labels() for row in (streams, matrices))
    figure.legend(
        upper + lower, names + others, loc="outside lower center", ncols=5, columnspacing=1.2, handletextpad=0.3
    )
    return figure
