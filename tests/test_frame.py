"""Results as tables: a row for every entry, coordinates beside the values."""

import jax
import numpy as np
import pytest

from vgtheory import Conv, Dense, Estimate, Leaky, Transformer, compare, measure, theory
from vgtheory.frame import aligned, frame_of_parts
from vgtheory.theory.magnitudes.split import VarianceSplit


def test_a_phase_diagram_carries_its_axes() -> None:
    sigma_w, sigma_b = np.array([1.0, 1.5, 2.0]), np.array([[0.0], [0.5]])
    diagram = theory.phase_diagram(Dense("tanh", sigma_w, sigma_b))
    table = diagram.frame
    assert diagram.sigma_w.shape == diagram.sigma_b.shape == diagram.chi_1.shape
    assert table.shape == (6, 2 + 9)
    row = table[(table.sigma_w == 1.5) & (table.sigma_b == 0.5)].iloc[0]
    assert row.chi_1 == diagram.chi_1[1, 1]
    assert theory.phase_diagram(Dense("tanh", 1.5, 0.5)).frame.shape == (1, 9)


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


@pytest.mark.slow
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
    fields = measure.blocks.BlockLogs._fields
    blocks = measure.blocks.BlockLogs(*np.zeros((len(fields), 3, 5)))
    assert blocks.frame.columns.tolist() == ["net", "layer", *fields]


def test_a_field_has_a_row_for_each_position(key: jax.Array) -> None:
    size = {"depth": 2, "width": 4, "num_nets": 3}
    line = measure.samples(key, Conv("tanh", kernel_size=1), **size, positions=5)
    table = line.frame
    assert table.columns.tolist() == ["net", "layer", "position", *line._fields]
    row = table[(table.net == 2) & (table.layer == 1) & (table.position == 4)]
    assert row.log_q.item() == line.log_q[2, 0]
    assert row.log_grad_positions.item() == line.log_grad_positions[2, 0, 4]
    whole, rows = np.zeros((3, 2)), np.zeros((3, 2, 2, 3))
    plane = measure.blocks.ConvLogs(**{name: rows if "positions" in name else whole for name in line._fields})
    assert len(plane.frame) == 3 * 2 * 2 * 3
    assert plane.frame.columns.tolist()[2:4] == ["position_0", "position_1"]


@pytest.mark.slow
def test_each_matrix_of_a_block_has_a_column(key: jax.Array) -> None:
    logs = measure.samples(key, Transformer("relu", heads=2), depth=2, width=8, num_nets=3, positions=4)
    table = logs.frame
    assert table.columns.tolist()[:4] == ["net", "layer", "log_q", "log_grad"]
    row = table[(table.net == 1) & (table.layer == 2)]
    for name, group in logs.log_grad_groups.items():
        assert row[f"log_grad_{name}"].item() == group[1, 1]


def test_cells_have_a_row_for_each_step(key: jax.Array) -> None:
    logs = measure.cells.cell_logs(key, Leaky("tanh", sigma_in=0.5), width=4, steps=3, num_nets=2, burn_in=1)
    table = logs.frame
    assert table.columns.tolist() == ["net", "step", *logs._fields]
    row = table[(table.net == 1) & (table.step == 3)]
    assert (row.log_grad.item(), row.q_state.item()) == (logs.log_grad[1, 3], logs.q_state[1])


def test_training_has_a_row_for_each_layer_at_each_record() -> None:
    shape, rng = (2, 3, 4), np.random.default_rng(0)
    layers, records = (rng.normal(size=(3, *shape)), rng.normal(size=(2, *shape[:2])))
    logs = measure.training.TrainingLogs(np.array([0, 1, 5]), *layers, *records, np.array([True, False]))
    table = logs.frame
    assert table.columns.tolist() == ["net", "updates", "layer", *logs._fields[1:]]
    row = table[(table.net == 1) & (table.updates == 5) & (table.layer == 4)]
    assert (row.log_moved.item(), row.score.item()) == (logs.log_moved[1, 2, 3], logs.score[1, 2])
    assert not row.finite.item()
