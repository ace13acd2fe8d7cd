"""Shares of a job array: disjoint, together everything, refused when they make no sense."""

from collections import Counter
from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.corridor import shard, sweep
from tests.experiments import tiny


@pytest.mark.parametrize("count", [1, 2, 5, 12, 20])
def test_shards_are_disjoint_and_together_everything(count: int, tmp_path: Path) -> None:
    tasks = sweep.tasks_of({"tiny": tiny.Config()}, tmp_path)
    shares = [shard.Shard(index, count).of(tasks) for index in range(count)]
    assert sorted(task.path for share in shares for task in share) == sorted(task.path for task in tasks)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_shard_does_not_follow_an_axis(tmp_path: Path) -> None:
    """Were cells dealt in their order, each of two shares would have half of b's values only."""
    tasks = sweep.tasks_of({"tiny": tiny.Config(a=tuple(range(50)), b=(0, 1))}, tmp_path)
    counts = Counter(task.cell.b for task in shard.Shard(0, 2).of(tasks))
    assert min(counts[(0,)], counts[(1,)]) > 10


def test_shards_run_one_by_one_do_the_whole(install: tiny.Install, tmp_path: Path) -> None:
    for name in ("tiny", "all"):
        for index in range(14):
            assert main([name, "--shard", f"{index}/14", "--out", str(tmp_path / name)]) == 0
        assert len(tiny.results(tmp_path / name)) == 12


@pytest.mark.parametrize("text", ["3/3", "a/b", "-1/4", "1/0", "1", "", "0/2/4"])
def test_wrong_shards_get_one_sentence(
    text: str, install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--shard", text, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (f"experiments: expected a share i/n with 0 <= i < n, got shard={text!r}.\n")


@pytest.mark.parametrize("words", [[], ["--shard", "auto"]])
def test_a_job_array_says_which_share(
    words: list[str],
    install: tiny.Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"ID": "4", "COUNT": "3", "MIN": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert main(["tiny", *words, "--out", str(tmp_path)]) == 0
    assert len(tiny.results(tmp_path)) == 4
    assert "share 2/3, from SLURM_ARRAY_TASK_ID: 4 of 12 cells" in capsys.readouterr().err


def test_job_arrays_that_make_no_shares_are_refused() -> None:
    assert shard.chosen(None, {}) == shard.WHOLE
    assert shard.chosen("1/2", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "9"}) == (1, 2)
    steps = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "3", "SLURM_ARRAY_TASK_COUNT": "4"}
    assert [shard.array_shard(steps | {"SLURM_ARRAY_TASK_ID": str(i)}) for i in (1, 4, 7, 10)] == [
        (i, 4) for i in range(4)
    ]
    with pytest.raises(ValueError, match=r"^experiments: expected an array of ids without gaps, got .*'9' of 2 from 5"):
        shard.array_shard({"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "5"})
    with pytest.raises(ValueError, match=r"^experiments: expected a job array around this process, got shard='auto'"):
        shard.chosen("auto", {})
