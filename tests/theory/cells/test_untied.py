"""Recurrent cells: closed forms, other ways to the same averages, memory, and wrong questions."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from tests.tolerances import EXACT, GATE, LSTM_GATE, SIGMAS
from vgtheory import GRU, LSTM, MGU, Leaky, MinimalRNN, Skip, theory
from vgtheory.networks.cells import Cell
from vgtheory.theory.cells import lstm
from vgtheory.theory.cells.tied import solved

GATED = (GRU, MGU, LSTM)


def test_units_without_gates_have_closed_forms() -> None:
    leak, sigma_w = 0.3, 1.7
    assert theory.cells.chi_step(Leaky("linear", sigma_w, leak=leak)) == pytest.approx(
        (1 - leak) ** 2 + leak**2 * sigma_w**2, rel=EXACT
    )
    plain = Leaky("tanh", 1.5, sigma_b=0.2, sigma_in=0.3)
    assert theory.cells.q_state(plain) == pytest.approx(
        1.5**2 * _square(np.tanh, theory.cells.q_state(plain)) + 0.13, rel=EXACT
    )
    skipped = theory.cells.chi_step(Skip("linear", 0.6, 0.5, lag=7))
    assert 0.36 / skipped + 0.25 / skipped**7 == pytest.approx(1, rel=EXACT)


def _normal(order: int = 80) -> tuple[np.ndarray, np.ndarray]:
    z, weights = np.polynomial.hermite_e.hermegauss(order)
    return z, weights / weights.sum()


def _square(function: Callable, q: float) -> float:
    z, weights = _normal(180)
    return float(function(q**0.5 * z) ** 2 @ weights)


@pytest.mark.parametrize("kind", GATED)
@pytest.mark.parametrize("bias", [-1.0, 0.0, 4.0])
def test_gates_that_see_nothing_are_powers_of_their_bias(kind: type, bias: float) -> None:
    cell = kind(0.0, 0.0, 0.0, bias)
    assert theory.cells.chi_step(cell) == pytest.approx(expit(bias) ** 2, rel=LSTM_GATE if kind is LSTM else EXACT)
    assert theory.cells.memory_steps(cell) == pytest.approx(
        -1 / np.log(expit(bias)), rel=1e-5 if kind is LSTM else 1e-10
    )
    profile = theory.cells.log_grad_steps(cell, steps=9)
    assert np.diff(profile)[1:] == pytest.approx(np.log(expit(bias)), rel=1e-6)


@pytest.mark.parametrize("kind", GATED)
@pytest.mark.parametrize("sigma_in", [1e-6, 0.3, 1.0])
def test_a_cell_without_recurrent_weights_is_the_limit_of_one_with_few(kind: type, sigma_in: float) -> None:
    """Without them the law is a map that is constant: the first guess at its fixed point is the fixed point."""
    none, few = kind(0.0, 0.0, sigma_in, 1.0), kind(1e-9, 1e-9, sigma_in, 1.0)
    for law in (theory.cells.q_state, theory.cells.chi_step, theory.cells.memory_steps):
        assert law(none) == pytest.approx(law(few), rel=LSTM_GATE)


def test_the_lstm_without_recurrent_weights_keeps_what_its_forget_gate_keeps() -> None:
    """Then f is independent of all else: chi is the mean of f^2."""
    cell = LSTM(sigma_w=0.0, sigma_in=1.0, forget_bias=1.0)
    z, weights = _normal()
    assert theory.cells.chi_step(cell) == pytest.approx(expit(1 + z) ** 2 @ weights, rel=LSTM_GATE)
    assert theory.cells.chi_step(cell) == pytest.approx(0.5187912899788178, rel=LSTM_GATE)
    assert theory.cells.memory_steps(cell) == pytest.approx(-2 / np.log(0.5187912899788178), rel=1e-8)


@pytest.mark.parametrize("sigma_in", [1e-6, 1e-3])
@pytest.mark.parametrize("sigma_w", [0.0, 1e-9])
def test_a_faintly_driven_cell_answers_in_proportion(sigma_w: float, sigma_in: float) -> None:
    """To first order of the drive's variance gates stand at their bias; relatively, however little it is."""
    keep, drive, tiny = expit(1.0), sigma_in**2, 30 * sigma_in**2
    lstm_h = theory.cells.q_state(LSTM(sigma_w, sigma_w, sigma_in, 1.0))
    assert lstm_h == pytest.approx(drive / 16 / (1 - keep**2), rel=tiny + LSTM_GATE)
    assert theory.cells.q_state(GRU(sigma_w, sigma_w, sigma_in, 1.0)) == pytest.approx(
        (1 - keep) ** 2 * drive / (1 - keep**2), rel=tiny + GATE
    )
    assert theory.cells.q_state(MGU(sigma_w, sigma_w, sigma_in, 1.0)) == pytest.approx(
        (1 - keep) ** 2 * drive / (1 - keep**2), rel=tiny + GATE
    )


def test_units_that_pass_nothing_on_have_no_memory() -> None:
    for cell in (Leaky("tanh", sigma_w=0.0, sigma_in=1.0), Skip("tanh", 0.0, 0.0, sigma_in=1.0)):
        assert (theory.cells.chi_step(cell), theory.cells.memory_steps(cell)) == (0.0, 0.0)


def test_the_gru_by_a_rule_in_three_dimensions() -> None:
    """Gauss-Hermite over (r's, n's recurrent, n's input) in place of one conditional on the other."""
    w, g, drive, bias = 1.3, 0.9, 0.7, 1.0
    h = theory.cells.q_state(GRU(w, g, drive, bias))
    z, weights = _normal()
    gate = np.sqrt(drive**2 + g**2 * h) * z
    x, m, a = gate[:, None, None], (w * h**0.5 * z)[None, :, None], (drive * z)[None, None, :]
    mean = lambda values: np.einsum("i,j,k,ijk->", weights, weights, weights, values + 0 * (x + m + a))
    r, n = expit(x), np.tanh(a + expit(x) * m)
    keep = expit(bias + gate)
    assert h == pytest.approx(keep**2 @ weights * h + (1 - keep) ** 2 @ weights * mean(n**2), rel=GATE)
    chi = keep**2 @ weights + g**2 * ((keep * (1 - keep)) ** 2 @ weights) * (h + mean(n**2))
    inner = w**2 * mean((1 - n**2) ** 2 * r**2) + g**2 * mean(((1 - n**2) * r * (1 - r) * m) ** 2)
    chi += (1 - keep) ** 2 @ weights * inner
    assert theory.cells.chi_step(GRU(w, g, drive, bias)) == pytest.approx(chi, rel=GATE)


def test_the_mgu_by_a_rule_in_three_dimensions() -> None:
    w, g, drive, bias = 1.3, 0.9, 0.7, 1.0
    h = theory.cells.q_state(MGU(w, g, drive, bias))
    z, weights = _normal()
    x = (bias + np.sqrt(drive**2 + g**2 * h) * z)[:, None, None]
    m, a = (w * h**0.5 * z)[None, :, None], (drive * z)[None, None, :]
    mean = lambda values: np.einsum("i,j,k,ijk->", weights, weights, weights, values + 0 * (x + m + a))
    f, n = expit(x), np.tanh(a + expit(x) * m)
    assert h == pytest.approx(mean(f**2) * h + mean((1 - f) ** 2 * n**2), rel=GATE)
    through_f = mean((f * (1 - f)) ** 2 * (h + ((1 - f) * (1 - n**2) * m - n) ** 2))
    chi = mean(f**2) + g**2 * through_f + w**2 * mean(((1 - f) * f * (1 - n**2)) ** 2)
    assert theory.cells.chi_step(MGU(w, g, drive, bias)) == pytest.approx(chi, rel=GATE)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [LSTM(1.3, 0.9, 0.7, 2.0), LSTM(1.0, 1.0, 0.1, -2.0), LSTM(1.0, 1.0, 0.3, 1.0)])
def test_the_lstm_on_a_finer_grid(cell: LSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    h, transfer = lstm.lstm(cell)
    for name, value in (("_NODES_PER_UNIT", 13.0), ("_FEWEST", 90), ("_GAUSS", 20), ("_GATE", 48), ("_REACH", 12.0)):
        monkeypatch.setattr(lstm, name, value)
    monkeypatch.setattr(lstm._gauss_rule, "__defaults__", (20,))
    finer, fine = lstm.lstm(cell)
    assert fine.matrix.shape[0] > 1.5 * transfer.matrix.shape[0]
    assert h == pytest.approx(finer, rel=LSTM_GATE)
    largest = [np.abs(np.linalg.eigvals(each.matrix)).max() for each in (transfer, fine)]
    assert largest[0] == pytest.approx(largest[1], rel=LSTM_GATE)


@pytest.mark.parametrize(
    "cell", [GRU(sigma_in=1.0), MGU(sigma_in=0.5), LSTM(sigma_in=0.5), Leaky(sigma_in=1.0, activation="tanh")]
)
def test_a_wanted_memory_is_had(cell: Cell) -> None:
    assert theory.cells.memory_steps(theory.cells.cell_with_memory(cell, 12.0)) == pytest.approx(12.0, rel=1e-6)


@pytest.mark.slow
def test_a_wanted_memory_of_real_weights_takes_less_bias() -> None:
    own = theory.cells.cell_with_memory(GRU(sigma_in=0.5), 15.0)
    one = theory.cells.cell_with_memory(GRU(sigma_in=0.5), 15.0, tied=True)
    assert one.update_bias < own.update_bias - 0.05
    assert theory.cells.memory_steps(one, tied=True) == pytest.approx(15.0, rel=0.1)


def test_paths_give_the_untied_law_where_nothing_persists() -> None:
    """Without a leak the state is new at every step: the path solution, which does not know that, must find the closed form."""
    cell = Leaky("tanh", 1.5, sigma_in=0.8)
    profiles = np.stack([solved(cell, 20, 40, 4096, seed)[0] for seed in range(6)])
    err = profiles.std(axis=0, ddof=1) / 6**0.5
    assert np.all(np.abs(profiles.mean(axis=0) - theory.cells.log_grad_steps(cell, steps=20))[1:] < SIGMAS * err[1:])
    off = theory.cells.log_grad_steps(Leaky("tanh", 1.5 * 1.03, sigma_in=0.8), steps=20)
    assert abs(profiles.mean(axis=0) - off)[-1] > SIGMAS * err[-1]


def test_the_minimal_rnn_by_gauss_hermite_and_by_its_limits() -> None:
    w, v, drive, bias = 1.3, 0.9, 0.7, 1.0
    cell = MinimalRNN(w, v, drive, bias)
    h, (z, weights) = theory.cells.q_state(cell), _normal()
    u = expit(bias + np.sqrt(w**2 * h + v**2 * drive**2) * z)
    assert h == pytest.approx(u**2 @ weights * h + (1 - u) ** 2 @ weights * drive**2, rel=GATE)
    chi = (u**2 + w**2 * (u * (1 - u)) ** 2 * (h + drive**2)) @ weights
    assert theory.cells.chi_step(cell) == pytest.approx(chi, rel=GATE)
    # A gate that sees nothing is its bias, and then the memory is that of a power.
    assert theory.cells.memory_steps(MinimalRNN(0.0, 0.0, 1.0, 3.0)) == pytest.approx(
        -1 / np.log(expit(3.0)), rel=1e-10
    )
    # At vanishing input no field is left, so that the state forgets at the bias's rate whatever W.
    assert theory.cells.chi_step(MinimalRNN(2.0, 1.0, 1e-7, 1.0)) == pytest.approx(expit(1.0) ** 2, rel=1e-10)
    assert theory.cells.memory_steps(theory.cells.cell_with_memory(cell, 12.0)) == pytest.approx(12.0, rel=1e-6)


@pytest.mark.parametrize(("chances", "wrong"), [((0.0, 0.0), "update_bias"), ((0.7, 0.4), "recurrent_dropout")])
def test_the_minimal_rnn_as_random_matrices_in_numpy(chances: tuple[float, float], wrong: str) -> None:
    """Fresh matrices at every step and one mask for all, states and gradients by hand."""
    rng, width, steps, nets = np.random.default_rng(2), 100, 8, 72
    cell = MinimalRNN(1.5, 0.8, 1.0, 1.0, dropout=chances[0], recurrent_dropout=chances[1])
    logs, squares = [], []
    for _ in range(nets):
        h, kept = np.zeros(width), []
        masks = [(rng.random(width) >= chance) / (1 - chance) for chance in chances]
        for _ in range(steps + 12):
            matrix, other = rng.standard_normal((2, width, width)) / width**0.5 * np.stack(masks[::-1])[:, None]
            x = rng.standard_normal(width)
            u = expit(1.5 * matrix @ h + 0.8 * other @ x + 1.0)
            kept.append((matrix, u, h - x))
            h = u * h + (1 - u) * x
        down = rng.standard_normal(width)
        start = np.linalg.norm(down)
        for matrix, u, apart in kept[: -steps - 1 : -1]:
            down = u * down + 1.5 * matrix.T @ (down * apart * u * (1 - u))
        logs.append(np.log(np.linalg.norm(down) / start))
        squares.append(np.mean(h**2))
    z = lambda seen, law: abs(np.mean(seen) - law) / (np.std(seen, ddof=1) / nets**0.5)
    law = lambda net: theory.cells.log_grad_steps(net, steps=steps)[-1]
    assert z(logs, law(cell)) < SIGMAS < z(logs, law(cell.replace(**{wrong: 1.2 if chances == (0, 0) else 0.0})))
    assert z(squares, theory.cells.q_state(cell)) < SIGMAS
    if chances[0]:
        assert z(squares, theory.cells.q_state(cell.replace(dropout=0.0))) > SIGMAS


def test_dropout_in_cells_is_a_larger_scale() -> None:
    """Also of what is solved on paths; gates that see nothing are not dropped."""
    size, drive = 1 / 0.6**0.5, 1 / 0.8**0.5
    how = {"dropout": 0.2, "recurrent_dropout": 0.4}
    pairs = [(kind(1.1, 0.7, 0.9, **how), kind(1.1 * size, 0.7 * size, 0.9 * drive)) for kind in GATED]
    tanh = Leaky("tanh", 1.5, 0.2, 0.8, 0.4)
    skip = Skip("tanh", 1.1, 0.6, 0.2, 0.8, 3)
    pairs.append((tanh.replace(**how), tanh.replace(sigma_w=1.5 * size, sigma_in=0.8 * drive)))
    pairs.append((MinimalRNN(1.1, 0.7, 0.9, 1.0, **how), MinimalRNN(1.1 * size, 0.7 * drive, 0.9, 1.0)))
    scaled = {"sigma_w": 1.1 * size, "sigma_skip": 0.6 * size, "sigma_in": 0.8 * drive}
    pairs.append((skip.replace(**how), skip.replace(**scaled)))
    for cell, plain in pairs:
        for law in (theory.cells.q_state, theory.cells.chi_step):
            assert law(cell) == pytest.approx(law(plain), rel=EXACT)
    dropped, plain = (theory.cells.tied_grad_steps(each, steps=3, burn_in=5, num_paths=64).value for each in pairs[0])
    np.testing.assert_allclose(dropped, plain, atol=EXACT)
    assert theory.cells.chi_step(GRU(0.0, update_bias=2.0, **how)) == pytest.approx(expit(2.0) ** 2, rel=EXACT)
    wanted = theory.cells.cell_with_memory(pairs[0][0], 9.0)
    assert theory.cells.memory_steps(wanted) == pytest.approx(9.0, rel=1e-6)
    assert "recurrent_dropout=0.4" in repr(wanted)


def _gru_logs(cell: GRU, width: int, steps: int, rng: np.random.Generator) -> float:
    """Log of one gradient through fresh matrices, with a recurrent mask for each gate, by hand."""
    p, inside = cell.recurrent_dropout, 1 - cell.dropout
    masks = (rng.random((3, width)) > p) / (1 - p)
    drive = (rng.random(width) > cell.dropout) / inside
    scales = np.array([cell.sigma_gate, cell.sigma_gate, cell.sigma_w])
    h, kept = np.zeros(width), []
    for _ in range(steps + 12):
        matrices = scales[:, None, None] * rng.standard_normal((3, width, width)) / width**0.5
        seen = cell.sigma_in * rng.standard_normal((3, width)) * np.linalg.norm(drive) / width**0.5
        r_field, z_field, inner = (matrix @ (mask * h) for matrix, mask in zip(matrices, masks, strict=True))
        r, z = expit(seen[0] + r_field), expit(seen[1] + z_field + cell.update_bias)
        n = np.tanh(seen[2] + r * inner)
        kept.append((matrices, r, z, n, inner, h))
        h = (1 - z) * n + z * h
    down = rng.standard_normal(width)
    start = np.linalg.norm(down)
    for matrices, r, z, n, inner, h in kept[: -steps - 1 : -1]:
        to_n = down * (1 - z) * (1 - n**2)
        through = (to_n * inner * r * (1 - r), down * (h - n) * z * (1 - z), to_n * r)
        sent = (mask * (matrix.T @ each) for mask, matrix, each in zip(masks, matrices, through, strict=True))
        down = z * down + sum(sent)
    return float(np.log(np.linalg.norm(down) / start))


def test_a_gru_with_dropout_as_random_matrices_in_numpy() -> None:
    rng, cell = np.random.default_rng(4), GRU(2.5, 0.8, 0.9, 1.0, dropout=0.3, recurrent_dropout=0.5)
    logs = [_gru_logs(cell, 128, 5, rng) for _ in range(20)]
    err = np.std(logs, ddof=1) / 20**0.5
    law = lambda cell: theory.cells.log_grad_steps(cell, steps=5)[-1]
    assert abs(np.mean(logs) - law(cell)) < SIGMAS * err
    assert abs(np.mean(logs) - law(cell.replace(recurrent_dropout=0.1))) > SIGMAS * err


def test_the_kind_of_weights_makes_no_difference_at_infinite_width() -> None:
    for cell in (GRU(1.2, 0.8, 0.9, 1.0), Leaky("tanh", 1.5, sigma_in=0.8, leak=0.4), Skip("tanh", sigma_in=0.3)):
        other = cell.replace(weights="orthogonal")
        assert theory.cells.chi_step(other) == theory.cells.chi_step(cell)
        assert theory.cells.q_state(other) == theory.cells.q_state(cell)
    assert "weights='orthogonal'" in repr(theory.cells.cell_with_memory(GRU(sigma_in=1.0, weights="orthogonal"), 9.0))


def test_wrong_questions_are_refused(refused: Callable) -> None:
    for make in (
        lambda: GRU(sigma_w=-1.0),
        lambda: Leaky("tanh", leak=0.0),
        lambda: Skip("tanh", lag=1),
        lambda: LSTM(forget_bias=np.inf),
        lambda: LSTM(weights="unitary"),
        lambda: LSTM(recurrent_dropout=1.0),
        lambda: Leaky("tanh", dropout=-0.1),
    ):
        with pytest.raises(ValueError, match=r"expected .+, got .+\."):
            make()
    with refused("chi_step", "cell"):
        theory.cells.chi_step("lstm")
    with refused("chi_step", "sigma_w"):
        theory.cells.chi_step(GRU(sigma_w=np.ones(2)))
    for name, value in (("steps", 0), ("num_sets", 1), ("num_paths", 3)):
        with refused("tied_grad_steps", name):
            theory.cells.tied_grad_steps(GRU(), **{"steps": 3, name: value})
    with refused("cell_with_memory", "cell"):
        theory.cells.cell_with_memory(Skip("tanh"), 10.0)
    with refused("cell_with_memory", "memory"):
        theory.cells.cell_with_memory(GRU(), 0.0)
    with refused("cell_with_memory", "memory"):
        theory.cells.cell_with_memory(Leaky("relu", sigma_w=2.0), 0.1)
    with refused("lyapunov_exponent", "net", "chi_step"):
        theory.recurrent.lyapunov_exponent(Leaky("tanh", 1.5, recurrent_dropout=0.1))
    with refused("LSTM", "cell"):
        theory.cells.chi_step(LSTM(sigma_in=1.0, forget_bias=12.0))


@pytest.mark.slow
def test_the_memory_of_a_cell_that_comes_to_rest_is_not_a_number() -> None:
    """A hundred steps on a thousand paths, twice."""
    with pytest.warns(UserWarning, match="comes to rest"):
        assert np.isnan(theory.cells.memory_steps(LSTM(forget_bias=3.0), tied=True))


@pytest.mark.parametrize("cell", [GRU(sigma_in=1.0), MGU(sigma_in=1.0), LSTM(sigma_in=1.0, forget_bias=3.0)])
def test_a_profile_of_shared_weights_starts_at_nothing_and_first_steps_as_with_new_ones(cell: Cell) -> None:
    tied = theory.cells.tied_grad_steps(cell, steps=1, burn_in=30, num_paths=2048)
    own = theory.cells.log_grad_steps(cell, steps=1)
    assert (tied.value[0], tied.err[0]) == (0.0, 0.0)
    assert abs(tied.value[1] - own[1]) < max(5 * float(tied.err[1]), 0.02)


@pytest.mark.slow
def test_a_memory_that_is_not_resolved_is_not_a_number() -> None:
    with pytest.warns(UserWarning, match=r"longer than some (2|3|4)\d\d steps"):
        assert np.isnan(theory.cells.memory_steps(LSTM(sigma_in=1.0, forget_bias=3.0), tied=True))
    assert theory.cells.memory_steps(LSTM(sigma_in=1.0, forget_bias=1.0), tied=True) > 4


def test_a_cell_that_comes_to_rest_is_told_as_lost_and_not_as_a_number() -> None:
    resting, driven = LSTM(forget_bias=3.0), LSTM(forget_bias=3.0, sigma_in=1.0)
    how = {"steps": 20, "burn_in": 60, "num_paths": 256, "num_sets": 2}
    assert np.isnan(theory.cells.tied_grad_steps(resting, **(how | {"burn_in": 200})).value[1:]).all()
    assert np.isfinite(theory.cells.tied_grad_steps(driven, **how).value).all()
