"""The audit of initialisers: its numbers are those of the functions it is made of, its scales those that are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from experiments.initialisers import COLUMNS, page
from tests.tolerances import EXACT, SIGMAS
from vgtheory import ACTIVATIONS, Dense, theory
from vgtheory.theory.initialisers import INITIALISERS, InitialiserAudit

DOCS = "docs/initialisers.md"
WIDTH = 512
LEAST = 1e-6
"""Stated: of ``least_sigma_b``."""
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
