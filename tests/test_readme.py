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


def test_the_count_and_the_calibration_are_those_of_the_committed_results() -> None:
    from experiments.corridor import catalogue
    from experiments.report import agreement, baselines

    text = " ".join((ROOT / "README.md").read_text().split())
    assert agreement.closing(agreement.compared(catalogue.RESULTS)) in text
    numbers = catalogue.module("rates").findings(catalogue.load("rates")).numbers
    for law in ("law", "leading", "infinite"):
        mean, std, one, two, beyond = (
            numbers[f"{law}/{each}"] for each in ("mean", "std", "within/1", "within/2", "beyond")
        )
        assert f"| {mean} | {std} | {one} % | {two} % | {beyond} % |" in text
    assert f"{numbers['known']} rates" in text
    assert f"{numbers['power/shift']} +- {numbers['power/shift_err']} %" in text
    assert f"{numbers['power/spread']} +- {numbers['power/spread_err']}" in text
    assert ", ".join(numbers[f"power/sigma_w/{100 * off:g}"] for off in baselines.OFFSETS[:2]) in text
