"""Results as tables: a row for every entry, coordinates beside the values."""

import jax
import numpy as np

from vgtheory import Dense, Estimate, Normed, compare, measure, theory
from vgtheory.frame import aligned, frame_of_parts
from vgtheory.theory.magnitudes.split import VarianceSplit


def test_a_phase_diagram_carries_its_axes() -> None:
    sigma_w, sigma_b = np.array([1.0, 1.5, 2.0]), np.array([[0.0], [0.5]])
    diagram = theory.phase_diagram(Dense("tanh", sigma_w, sigma_b))
    table = diagram.frame
    assert diagram.sigma_w.shape == diagram.sigma_b.shape == diagram.chi_1.shape
    assert table.shape == (6, 2 + 8)
    row = table[(table.sigma_w == 1.5) & (table.sigma_b == 0.5)].iloc[0]
    assert row.chi_1 == diagram.chi_1[1, 1]
    assert theory.phase_diagram(Dense("tanh", 1.5, 0.5)).frame.shape == (1, 8)


def test_points_are_numbered() -> None:
    found = theory.critical("tanh", sigma_b=np.array([0.0, 0.5]))
    table = found.frame
    assert table.columns.tolist() == ["index", "number", "q_star", "sigma_w", "slope", "is_stable"]
    assert len(table) == found.sigma_w.size
    assert table[(table["index"] == 1) & (table.number == 0)].sigma_w.item() == found.sigma_w[1, 0]
    points = theory.meanfield.q_stars(Dense("tanh", 1.5, 0.1))
    assert points.frame.q.tolist() == points.q.tolist() or np.isnan(points.q).any()
    assert points.frame.number.tolist() == list(range(len(points.q)))


def test_an_audit_prints_as_a_table() -> None:
    audit = theory.initialiser_audit(["relu"])
    lines = repr(audit).splitlines()
    assert lines[0].split()[:3] == ["activation", "initialiser", "sigma_w"]
    assert len(lines) == len(audit) + 1 == len(audit.frame) + 1
    he = audit.frame.set_index("initialiser").loc["he"]
    assert np.isnan(he.float16)
    assert he.factor == next(row.factor for row in audit if row.initialiser == "he")
    assert aligned([]) == "none"
    assert type(audit)().frame.empty


def test_parts_are_rows() -> None:
    split = VarianceSplit(*(Estimate(float(part), 0.1) for part in range(4)))
    assert split.frame.to_dict("list") == {
        "part": ["layers", "entries", "draws", "zeros"],
        "value": [0.0, 1.0, 2.0, 3.0],
        "err": [0.1] * 4,
    }
    table = frame_of_parts(VarianceSplit(*(np.full(3, part) for part in range(4))))
    assert table[table["index"] == 2].value.tolist() == [0, 1, 2, 3]


def test_a_test_is_one_row() -> None:
    samples = np.random.default_rng(0).normal(size=(50, 8)).cumsum(axis=1)
    found = compare.profile_test(samples, np.zeros(8))
    assert found.frame.to_dict("records") == [found._asdict()]


def test_logs_have_a_row_for_each_layer_of_each_network(key: jax.Array) -> None:
    size = {"depth": 5, "width": 16, "num_nets": 3}
    logs = measure.samples(key, Dense("tanh"), **size)
    table = logs.frame
    assert table.columns.tolist() == ["net", "layer", *logs._fields]
    assert table[(table.net == 2) & (table.layer == 4)].log_grad.item() == logs.log_grad[2, 3]
    grid = measure.samples(key, Dense("tanh", sigma_w=np.array([1.0, 2.0])), **size, num_inputs=2)
    table = grid.frame
    assert len(table) == 2 * 3 * 2 * 5
    row = table[(table["index"] == 1) & (table.net == 2) & (table.input == 0) & (table.layer == 4)]
    assert row.log_q.item() == grid.log_q[1, 2, 0, 3]
    assert row.log_grad_weight.item() == grid.log_grad_weight[1, 2, 3]
    blocks = measure.samples(key, Normed("relu"), **size)
    assert blocks.frame.columns.tolist() == ["net", "layer", *blocks._fields]
