"""Pictures: each call gives a whole figure, shows what it is given, and leaves no trace in the process."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from vgtheory import Dense, Estimate, Law, plot

SIGMA_W, SIGMA_B = np.meshgrid(np.linspace(0.5, 3, 6), np.linspace(0, 1, 5))
DIAGRAM = SimpleNamespace(sigma_w=SIGMA_W, sigma_b=SIGMA_B, chi_1=SIGMA_W / (1 + SIGMA_B))
LAW = Law(np.log(10) * np.arange(50.0), np.ones(50))
ROWS = [
    SimpleNamespace(activation=name, initialiser=initialiser, factor=factor)
    for name in ("tanh", "relu")
    for initialiser, factor in (("flax", 0.7), ("keras", 0.7), ("he", 1.0))
]
LOGS = np.random.default_rng(0).normal(size=(8, 400))
PICTURES: dict[str, Callable[[], Any]] = {
    "profile": lambda: plot.profile(LAW, Estimate(LAW.mean, 0.1 * LAW.std)),
    "phase_diagram": lambda: plot.phase_diagram(DIAGRAM, Dense("tanh", 1.5, 0.1)),
    "spectrum": lambda: plot.spectrum(np.linspace(-3, 3, 50), np.ones(50) / 6, LOGS),
    "audit": lambda: plot.audit(ROWS),
}


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("name", PICTURES)
def test_no_trace_is_left(name: str, tmp_path: Any) -> None:
    before = dict(matplotlib.rcParams)
    figure = PICTURES[name]()
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seaborn", None)
    with pytest.raises(ImportError, match=rf"^plot\.{name}: expected seaborn to be installed, .+vgtheory\[plot\]'\.$"):
        PICTURES[name]()


def test_a_profile_is_a_line_with_a_band_and_markers_with_bars() -> None:
    (axes,) = PICTURES["profile"]().axes
    line, bars = axes.lines[0], axes.containers[0]
    assert line.get_ydata()[:3].tolist() == [0, 1, 2]
    assert len(bars[0].get_xdata()) == 25  # every second of 50
    assert bars.has_yerr
    assert len(legend(axes)) == 3
    (alone,) = plot.profile(Law(np.arange(3.0), np.zeros(3)), decades=False).axes
    assert legend(alone) == ["theory, mean"]
    assert alone.lines[0].get_ydata().tolist() == [0, 1, 2]


def test_the_users_network_lies_in_the_phase_diagram() -> None:
    axes, bar = PICTURES["phase_diagram"]().axes
    assert legend(axes) == ["Dense('tanh', sigma_w=1.5, sigma_b=0.1)"]
    assert [axes.lines[-1].get_xdata()[0], axes.lines[-1].get_ydata()[0]] == [1.5, 0.1]
    assert "power of ten" in bar.get_ylabel()
    nowhere = SimpleNamespace(sigma_w=SIGMA_W, sigma_b=SIGMA_B, chi_1=0 * SIGMA_W)
    assert plot.phase_diagram(nowhere).axes[0].get_legend() is None


def test_a_measured_spectrum_counts_what_it_cannot_show() -> None:
    logs = LOGS.copy()
    logs[:, :40] = -np.inf
    (axes,) = plot.spectrum(np.linspace(-3, 3, 50), np.ones(50) / 6, logs).axes
    assert "10.0% are 0" in legend(axes)[-1]
    x, y = axes.containers[0][0].get_data()
    assert np.sum(y) * (x[1] - x[0]) == pytest.approx(0.9)


def test_initialisers_of_one_scale_share_a_marker() -> None:
    (axes,) = PICTURES["audit"]().axes
    assert legend(axes) == ["flax, keras", "he"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tanh", "relu"]


def test_wrong_pictures(refused: Callable[..., Any]) -> None:
    with refused("profile", "law"):
        plot.profile(np.arange(3.0))
    with refused("profile", "law"):
        plot.profile(LAW, Estimate(np.ones(3), np.ones(3)))
    with refused("profile", "shape"):
        plot.profile(Law(1.0, 0.0))
    with refused("phase_diagram", "diagram"):
        plot.phase_diagram(LAW)
    with refused("phase_diagram", "shape"):
        plot.phase_diagram(SimpleNamespace(sigma_w=1.0, sigma_b=0.0, chi_1=1.0))
    with refused("phase_diagram", "sigma_w"):
        plot.phase_diagram(DIAGRAM, Dense("tanh", np.ones(2)))
    with refused("spectrum", "log_s"):
        plot.spectrum(np.ones(3), np.ones(2))
    with refused("audit", "rows"):
        plot.audit([])
