"""The laws from a shell."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vgtheory import Dense, theory
from vgtheory.__main__ import main, run


def said(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert not err
    return out


def test_a_law(capsys: pytest.CaptureFixture) -> None:
    words = ("chi_1", "tanh", "--sigma-w", "1.5", "--sigma-b", "0.1")
    value = float(theory.chi_1(Dense("tanh", 1.5, 0.1)))
    assert said(capsys, *words) == f"chi_1  {value:.6g}\n"
    assert json.loads(said(capsys, *words, "--json")) == {"chi_1": value}


def test_the_installed_command_is_this_one(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"vgtheory": "vgtheory.__main__:run"}
    monkeypatch.setattr(sys, "argv", ["vgtheory", "--version"])
    assert run() == 0
    assert capsys.readouterr().out.strip() == project["version"]


def test_a_phase_is_a_word(capsys: pytest.CaptureFixture) -> None:
    assert said(capsys, "phase", "tanh", "--sigma-w", "1.5").split() == ["phase", "chaotic"]
    assert said(capsys, "phase", "tanh", "--sigma-w", "0.5").split() == ["phase", "ordered"]


def test_critical_lines(capsys: pytest.CaptureFixture) -> None:
    (row,) = json.loads(said(capsys, "critical", "tanh", "--sigma-b", "0.1", "--json"))
    assert (round(row["sigma_w"], 4), row["is_stable"]) == (1.1934, True)


def test_depth_limit(capsys: pytest.CaptureFixture) -> None:
    assert said(capsys, "depth_limit", "0.25").split() == ["subnormal", "8", "zero", "13", "overflow", "-"]


def test_log_grad(capsys: pytest.CaptureFixture) -> None:
    law = theory.log_grad_layers(Dense("linear", 1.5), depth=20, width=64)
    words = ("log_grad", "linear", "--sigma-w", "1.5", "--depth", "20", "--width", "64", "--json")
    assert json.loads(said(capsys, *words)) == {"mean": law.mean[0], "std": law.std[0]}


@pytest.mark.slow
def test_audit(capsys: pytest.CaptureFixture) -> None:
    lines = said(capsys, "audit", "relu").splitlines()
    assert lines[0].split()[:3] == ["activation", "initialiser", "sigma_w"]
    assert [line.split()[1] for line in lines[1:]][-2:] == ["he", "calculate_gain"]
    rows = json.loads(said(capsys, "audit", "relu", "--json"))
    assert rows[0]["critical_sigma_w"] == "nan"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chi_1", "tanhh", "--sigma-w", "1"], "Did you mean 'tanh'?"),
        (["chi_1", "tanh"], "vgtheory: the following arguments are required: --sigma-w."),
        (["chi_1", "tanh", "--sigma-w", "-1"], "got sigma_w=-1.0."),
        (["depth_limit", "0.5", "--dtype", "float8"], "Did you mean"),
        (["chi"], "vgtheory: argument COMMAND: invalid choice: 'chi'"),
        (["audit", "relu", "--width", "many"], "vgtheory: argument --width: invalid int value: 'many'."),
    ],
)
def test_refuses_in_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert sentence in err
    assert err.count("\n") == 1


def test_it_runs_as_a_module() -> None:
    run = [sys.executable, "-m", "vgtheory", "depth_limit", "0.5", "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"subnormal": 15, "zero": 25, "overflow": None}
