"""What becomes of ReLU and sigmoid networks in training on enlarged digits, over scale and depth: measured, and as the kernel of infinite width says."""

import pandas as pd
from matplotlib.figure import Figure

from figures import outcomes, style

SOURCES = ("outcomes_large",)
SEEN = (
    "Deep ReLU networks stall at small scales, learn near the edge and diverge above it, where the kernel lets every depth learn. Sigmoid networks learn up to "
    "eight layers at the smaller rate and up to sixteen at the larger one; the kernel has a like wedge, but deeper at the edge."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows = frames["outcomes_large"].drop_duplicates("cell")
    parts = {f"{style.shown(name)}, rate {rate:g}": each for (name, rate), each in rows.groupby(["activation", "rate"])}
    return outcomes.sheet(parts, ("measured", "kernel"), height=3.9)
