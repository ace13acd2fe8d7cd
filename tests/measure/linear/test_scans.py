"""Sequential and associative scans: equal to rounding, and logs of their gradients where no format holds them."""

import jax
import numpy as np
import pytest

from tests.tolerances import SAME_FLOAT32
from vgtheory import LinearRecurrence, measure
from vgtheory.measure.linear.scans import log_jacobians, plain_jacobians, states


def test_scans_give_the_same_states(key: jax.Array) -> None:
    draw = jax.random.normal(key, (4, 32, 3))
    decays, inputs = 0.9 * jax.numpy.exp(0.1 * draw[0] + 1j * draw[1]), draw[2] + 1j * draw[3]
    known = [np.zeros(3, complex)]
    for a, x in zip(np.asarray(decays), np.asarray(inputs), strict=True):
        known.append(a * known[-1] + x)
    for scan in ("associative", "sequential"):
        np.testing.assert_allclose(states(decays, inputs, scan), known[1:], atol=64 * SAME_FLOAT32)


def test_the_log_domain_is_plain_autodiff_where_that_does_not_underflow(key: jax.Array) -> None:
    """Either scan, complex64, decays that vary from step to step."""
    draw = jax.random.normal(key, (2, 32, 3))
    decays = 0.9 * jax.numpy.exp(0.1 * draw[0] + 1j * draw[1])
    jacobians = jax.jit(plain_jacobians, static_argnames="scan")  # op by op, a scan of two compiles a hundred programs
    plain = {scan: jacobians(decays, scan) for scan in ("associative", "sequential")}
    np.testing.assert_allclose(plain["associative"], plain["sequential"], rtol=1e-4, atol=1e-9)
    for scan, rows in plain.items():
        logs = log_jacobians(decays, 8, scan)
        np.testing.assert_allclose(logs[:-1], np.log(np.abs(rows)), atol=64 * SAME_FLOAT32)


def test_logs_reach_where_no_format_does() -> None:
    net = LinearRecurrence([0.5, 0.5j])
    seen = measure.linear.log_grad_lags(jax.random.key(0), net, 65_536, num_nets=2)
    assert float(seen.value) == pytest.approx(-65_536 * np.log(2), rel=SAME_FLOAT32)
