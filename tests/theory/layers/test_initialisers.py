"""The audit of initialisers: its numbers are those of the functions it is made of, its scales those that are drawn."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from scipy.special import expit

from experiments.initialisers import COLUMNS, page
from tests.tolerances import EXACT, SIGMAS
from vgtheory import ACTIVATIONS, Dense, theory
from vgtheory.theory.layers.initialisers import INITIALISERS, InitialiserAudit, _left, _marched

DOCS = "docs/initialisers.md"
WIDTH = 512
LEAST = 1e-6
"""Stated: of ``least_sigma_b``."""
NODES = np.polynomial.legendre.leggauss(400)
MARCHED = 1e-10
"""Of the log of a product over 1,000 layers, moments from tables of relative accuracy 1e-12."""
AS_MANY = 75
"""As the audit asks of ``critical`` at once, so that nothing is compiled twice."""


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], InitialiserAudit]:
    audited = theory.initialiser_audit(["relu", "gelu"], width=WIDTH)
    return {(row.activation, row.initialiser): row for row in audited}


def test_rows_are_what_theory_says(rows: dict[tuple[str, str], InitialiserAudit]) -> None:
    relu = [row for (name, _), row in rows.items() if name == "relu"]
    net = Dense("relu", *np.array([(row.sigma_w, row.sigma_b) for row in relu]).T)
    np.testing.assert_allclose([row.factor for row in relu], theory.chi_1(net) ** 0.5, rtol=EXACT)
    np.testing.assert_allclose([row.q_star for row in relu], theory.q_star(net), rtol=EXACT)


def test_known_answers(rows: dict[tuple[str, str], InitialiserAudit]) -> None:
    he, torch = rows["relu", "he"], rows["relu", "pytorch"]
    assert (he.float16, he.bfloat16, he.float32, he.xi_grad) == (None, None, None, np.inf)
    assert torch.factor == pytest.approx(6**-0.5, rel=EXACT)
    assert torch.float16 == theory.depth_limit(6**-0.5, "float16").zero
    assert torch.unbiased_sigma_w == pytest.approx(2**0.5, rel=EXACT)
    assert np.isnan(torch.critical_sigma_w)
    assert torch.least_sigma_b == 0


def sizes_and_slopes(phi: Callable, dphi: Callable, q: float) -> tuple[float, float]:
    """E[phi^2] and E[phi'^2] by Gauss-Legendre on either side of 0, without JAX."""
    x, weights = NODES
    z = np.concatenate([5 * (x - 1), 5 * (x + 1)])
    p = np.tile(5 * weights, 2) * np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
    h = q**0.5 * z
    return float(p @ phi(h) ** 2), float(p @ dphi(h) ** 2)


@pytest.mark.parametrize(
    ("activation", "phi", "dphi", "law"),
    [
        ("elu", lambda h: np.where(h > 0, h, np.expm1(h)), lambda h: np.exp(np.minimum(h, 0)), (2 * np.pi) ** -0.5),
        ("softplus", lambda h: np.logaddexp(0, h), expit, -0.42),
    ],
)
def test_a_factor_that_tends_to_one_may_drift_without_end(
    activation: str, phi: Callable, dphi: Callable, law: float
) -> None:
    """At He's scale q runs to infinity and chi_1 to 1: the norm moves as exp(L^(1/2)) for elu, exp(-L^(2/3)) for softplus."""
    net, q, logs = Dense(activation, 2**0.5), 2.0, []
    for _ in range(1000):
        size, slope = sizes_and_slopes(phi, dphi, q)
        logs.append(np.log(2 * slope) / 2)
        q = 2 * size
    marched = _marched(net.activation, 2**0.5, 0.0)
    np.testing.assert_allclose(marched[:1000], np.cumsum(logs), atol=1e-8)
    assert theory.phase(net) == 0  # the limit's
    power = 1 / 2 if activation == "elu" else 2 / 3
    assert (marched[-1] - marched[999]) / (10_000**power - 1000**power) == pytest.approx(law, rel=0.05)
    bound = np.log(65520.0) if activation == "elu" else np.log(2.0**-25)
    first = next(i for i, log in enumerate(np.cumsum(logs)) if abs(log) >= abs(bound)) + 1
    assert _left(marched, "float16") == first


def test_where_every_layer_keeps_the_norm_nothing_drifts(rows: dict[tuple[str, str], InitialiserAudit]) -> None:
    assert rows["relu", "he"].drift == pytest.approx(0, abs=1e-9)
    assert np.isnan(rows["relu", "flax"].drift)


def test_least_sigma_b_is_the_edge_of_stability(rows: dict[tuple[str, str], InitialiserAudit]) -> None:
    least = rows["gelu", "flax"].least_sigma_b
    edge = theory.critical("gelu", sigma_b=np.resize([least - LEAST, least + LEAST], AS_MANY), size=6)
    assert edge.is_stable.any(axis=1)[:2].tolist() == [False, True]


def test_calculate_gain_only_where_it_is_known(rows: dict[tuple[str, str], InitialiserAudit]) -> None:
    assert ("relu", "calculate_gain") in rows
    assert ("gelu", "calculate_gain") not in rows


def test_flaxs_defaults_are_those_it_draws(key: jax.Array) -> None:
    sigma_w, sigma_b = INITIALISERS["flax"]
    old = linen.Dense(WIDTH).init(key, jnp.zeros(WIDTH))["params"]
    new = nnx.Linear(WIDTH, WIDTH, rngs=nnx.Rngs(key))
    for kernel, bias in ((old["kernel"], old["bias"]), (new.kernel[...], new.bias[...])):
        err = (2 / WIDTH**2) ** 0.5
        assert abs(WIDTH * float(jnp.mean(kernel**2)) - sigma_w**2) < SIGMAS * err
        assert float(jnp.abs(bias).max()) == sigma_b


def test_committed_page_is_what_the_function_makes(request: pytest.FixtureRequest) -> None:
    committed = (request.config.rootpath / DOCS).read_text()
    made = page(["relu", "gelu"], WIDTH)
    head, table = made.split("| " + COLUMNS[0])
    assert committed.startswith(head)
    assert set(table.splitlines()) <= set(committed.split("| " + COLUMNS[0])[1].splitlines())
    assert all(f"\n| {name}" in committed for name, each in ACTIVATIONS.items() if each.sup_dphi != np.inf)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("initialiser_audit", "width"):
        theory.initialiser_audit(["relu"], width=0)
    with refused("initialiser_audit", "activation", remedy=r"Did you mean 'relu'\?$"):
        theory.initialiser_audit(["rleu"])


def test_marching_costs_a_table_and_not_an_integral_per_layer() -> None:
    """The layers' own integrals, to the tables' accuracy."""
    marched = _marched(ACTIVATIONS["elu"], 2**0.5, 0.0)
    assert marched.shape == (10_000,)
    integrated = np.cumsum(theory.layers.log_chi_layers(Dense("elu", 2**0.5, 0.0), depth=1001).mean) / 2
    np.testing.assert_allclose(marched[:1000], integrated, rtol=EXACT, atol=MARCHED)


def test_one_activation_is_a_list_of_one() -> None:
    for kind in ("relu", ACTIVATIONS["relu"]):
        assert repr(theory.initialiser_audit(kind)) == repr(theory.initialiser_audit(["relu"]))
