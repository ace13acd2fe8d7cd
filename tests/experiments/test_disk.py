"""Disks that are full, folders that cannot be written, what the dead left, and locks."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.__main__ import main
from experiments.corridor import catalogue, disk
from tests.experiments import tiny


def check_stopped(out: Path, before: int, reason: str, said: Any) -> None:
    """One sentence, what was there is whole, nothing half-written lies about."""
    assert said.err.count("save: expected a file that can be written, got path=") == 1
    assert reason in said.err
    assert "Traceback" not in said.err
    assert len(tiny.results(out)) == before
    assert all(len(catalogue.load_cell(path)[0]) == 2 for path in tiny.results(out))
    assert not tiny.leftovers(out)
    assert not tiny.errors(out)


def test_a_full_disk_stops_the_sweep(
    install: tiny.Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert len(synced) == 6  # at once: no seventh cell was tried
    check_stopped(tmp_path, 5, "No space left on device", capsys.readouterr())
    monkeypatch.undo()


def test_a_write_that_the_system_cuts_short_stops_the_sweep(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real limit, on the size of files, that the second cell exceeds."""
    install(lambda config: {"x": [f"{config.a[0]}"] * 2 if config.b == (0,) else [os.urandom(60_000).hex()] * 2})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        assert main(["tiny", "--out", str(tmp_path)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_stopped(tmp_path, 1, "File too large", capsys.readouterr())


@pytest.mark.parametrize("out", ["a file", "/proc/nowhere", "readonly"])
def test_a_folder_that_cannot_be_written_is_said_before_any_computing(
    out: str,
    install: tiny.Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a file").write_text("")
    install(lambda config: pytest.fail("computed"))
    if out == "readonly":

        def refuse(self: Path, content: bytes) -> int:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, "write_bytes", refuse)
    assert main(["tiny", "--out", str(tmp_path / out)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("run: expected a folder that can be written, got out=")
    assert len(said.err.splitlines()) == 1
    assert not said.out


def test_a_finished_sweep_needs_no_folder_that_can_be_written(
    install: tiny.Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["tiny", "--out", str(tmp_path)])
    monkeypatch.setattr(disk, "check_folder", lambda folder: pytest.fail("written"))
    assert main(["tiny", "--out", str(tmp_path)]) == 0


def test_what_the_dead_left_is_swept_up_and_nothing_of_the_living(install: tiny.Install, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = tmp_path / "tiny"
    folder.mkdir()
    here, elsewhere = f".x.parquet.{disk.HOST}", ".x.parquet.other-host"
    names = [f"{here}.{dead.pid}.tmp", f"{here}.{os.getppid()}.tmp", f"{elsewhere}.{dead.pid}.tmp", ".x.lock"]
    for name in names:
        (folder / name).write_text("")
    log = tmp_path / "log"
    assert main(["tiny", "--out", str(tmp_path), "--log", str(log)]) == 0
    assert {path.name for path in tiny.leftovers(folder)} == {names[1], names[2]}
    assert tiny.events(log)[0]["swept_up"] == 1
