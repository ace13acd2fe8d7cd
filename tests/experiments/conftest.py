"""An experiment that needs no JAX, in place of all others."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from experiments.corridor import catalogue
from tests.experiments import tiny


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> tiny.Install:
    """The made-up experiment, or one with another ``run``, in place of all others."""

    def put(run: Callable[[tiny.Config], dict[str, Any]] = tiny.run) -> None:
        monkeypatch.setitem(sys.modules, "experiments.tiny", tiny.module(run))

    monkeypatch.setattr(catalogue, "EXPERIMENTS", ("tiny",))
    monkeypatch.setattr(catalogue, "record", tiny.record)
    put()
    return put
