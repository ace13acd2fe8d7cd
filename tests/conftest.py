"""Strict JAX for every test, a key of the test's own, and the demand for the library's one-sentence errors."""

import gc
import warnings
import zlib
from collections.abc import Callable

import hypothesis
import jax
import pytest

from tests import annotations

annotations.hold()  # before anything of the library is imported
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)  # every measurement is spread over two, as it would be over accelerators
gc.set_threshold(
    100_000, 50, 100
)  # tracing makes objects by the million and few cycles: a tenth of the time went there
hypothesis.settings.register_profile("house", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs: both processes, and the next run, find what one has compiled."""
    jax.config.update("jax_compilation_cache_dir", str(config.rootpath / ".pytest_cache" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> jax.Array:
    """A random key that only the test's own name decides."""
    return jax.random.key(zlib.crc32(request.node.name.encode()))


@pytest.fixture
def refused() -> Callable[..., pytest.RaisesExc]:
    """Demand a ``ValueError`` of the house's form; the annotation checker, which would speak first, is silenced."""

    def demand(where: str, got: str, remedy: str = "") -> pytest.RaisesExc:
        warnings.simplefilter("ignore", annotations.WrongType)  # until the test ends
        return pytest.raises(ValueError, match=rf"(?s)^{where}: expected .+, got {got}=.+\..*{remedy}")

    return demand
