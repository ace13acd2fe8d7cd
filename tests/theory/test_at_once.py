"""Plain numbers and the table's activations never wait for a compiler."""

import subprocess
import sys
from pathlib import Path

from tests.theory.examples import EXAMPLES

COMPILED = {
    *(name for name in EXAMPLES if name.startswith("jacobian_")),
    *("log_grad_variance", "log_update_variance", "overshoot", "tangent_kernel"),
}
"""Examples that are left to JAX: spectra of products, integrals over logs, and iterations of matrices."""
CODE = """
import jax
from tests.theory.examples import EXAMPLES
seen = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: seen.append(event))
for name in {names!r}:
    function, args, kwargs = EXAMPLES[name]
    function(*args, **kwargs)
    if any("backend_compile" in event for event in seen):
        print(name)
        seen.clear()
"""


def test_first_calls_with_plain_numbers_compile_nothing() -> None:
    """A fresh process has no programs of earlier tests."""
    names = sorted(EXAMPLES.keys() - COMPILED)
    asked = [sys.executable, "-c", CODE.format(names=names)]
    answered = subprocess.run(asked, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (answered.returncode, answered.stdout) == (0, ""), answered.stderr
