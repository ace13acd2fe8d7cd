"""The README's examples run as written, and what it names exists."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["README.md", "docs/diagnose.md", "docs/scale.md"])
def test_examples_run_as_written(name: str) -> None:
    failed, attempted = doctest.testfile(str(ROOT / name), module_relative=False)
    assert attempted > 5
    assert failed == 0


def test_links_and_targets_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"make (?:ACCEL=\w+ )?([a-z]+)", text):
        assert target in targets, target
