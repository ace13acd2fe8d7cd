"""Strict JAX for every test, a key of the test's own, and the demand for the library's one-sentence errors."""

import atexit
import gc
import os
import re
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis
import jax
import pytest

from tests import annotations

annotations.hold()  # before anything of the library is imported
from vgtheory._programs import compile_quickly  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)  # every measurement is spread over two, as it would be over accelerators
gc.set_threshold(
    100_000, 50, 100
)  # tracing makes objects by the million and few cycles: a tenth of the time went there
hypothesis.settings.register_profile("house", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Compile quickly in the default run; the slow tests run as users' programs do. Both processes keep what they have compiled."""
    if "not slow" in config.getoption("markexpr"):
        compile_quickly()
    jax.config.update("jax_compilation_cache_dir", str(config.rootpath / ".pytest_cache" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if (
        "PYTEST_XDIST_WORKER" in os.environ
    ):  # it has told all; to take thousands of programs apart one by one costs seconds
        atexit.register(os._exit, 0)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file all of whose tests have a mark that this run does not want: what it imports costs seconds."""
    if collection_path.suffix != ".py":
        return None
    marks = re.findall(r"^pytestmark = pytest\.mark\.(\w+)$", collection_path.read_text(), re.MULTILINE)
    return True if any(f"not {mark}" in config.getoption("markexpr") for mark in marks) else None


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that are listed as slow."""
    listed = set((config.rootpath / "tests" / "slow.txt").read_text().splitlines())
    for item in items:
        if item.nodeid in listed:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """No later search for cycles passes through what collecting has made, which stays."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before a fixture of the file or of the session compiles anything
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the backend's optimisations where programs run once; not of the slow tests, which run as users' programs do."""
    once = not any(item.get_closest_marker(each) for each in ("optimised", "site"))
    jax.config.update("jax_disable_most_optimizations", once and "not slow" in item.config.getoption("markexpr"))


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
