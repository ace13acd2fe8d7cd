"""What lies on the disk: files that are whole or absent, cells that one process at a time has in hand, and what the dead left.

A file is written under a temporary name that says whose it is (`.NAME.HOST.PID.tmp`), flushed, and renamed into place. A
cell in hand is a lock (`.HASH.lock`) that the kernel drops when its holder dies, however it dies.
"""

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path


class WriteError(OSError):
    """A file or folder that cannot be written, in one sentence."""


def _host() -> str:
    """Name of the machine, and the namespace of its process numbers, which containers may have of their own."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += f"-{os.stat('/proc/self/ns/pid').st_ino}"
    return re.sub(r"[^A-Za-z0-9-]", "_", name)


HOST = _host()


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def temporary(path: Path) -> Path:
    """A name beside the path that no other process on any host uses."""
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all; ``WriteError`` if it cannot be, with nothing left behind."""
    unfinished = temporary(path)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        got = f"path={str(path)!r} ({_reason(error)})"
        remedy = "Finished cells are kept; once that is mended, the same command goes on from here."
        raise WriteError(f"save: expected a file that can be written, got {got}. {remedy}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def check_folder(folder: Path) -> float:
    """The time by the folder's own clock; ``WriteError`` if nothing can be written there, before anything is computed for it."""
    probe = temporary(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"probe")
        return probe.stat().st_mtime
    except OSError as error:
        got = f"out={str(folder)!r} ({_reason(error)})"
        raise WriteError(
            f"run: expected a folder that can be written, got {got}. Choose another by `--out DIR`."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def lock_path(path: Path) -> Path:
    """The lock of a cell's result."""
    return path.with_name(f".{path.stem}.lock")


def _held(name: Path) -> int | None:
    """Descriptor of a lock now ours; None if another process has it."""
    import fcntl  # here, for those that only read results run where there is none

    while True:
        descriptor = os.open(name, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            return descriptor  # a file system without locks: a cell may then be computed twice, never torn
        with contextlib.suppress(FileNotFoundError):
            if os.stat(name).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # its last holder removed it between our two calls


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether this process has the cell in hand; while it has, no other does, and no lock file stays behind it."""
    name = lock_path(path)
    try:
        descriptor = _held(name)
    except OSError as error:
        got = f"path={str(name)!r} ({_reason(error)})"
        raise WriteError(f"run: expected a lock that can be made, got {got}.") from error
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)  # while it is ours, or another's new one would go
            os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _is_stray(path: Path) -> bool:
    """Whether a temporary file was left by a process of this host that is gone."""
    *_, host, pid, _ = path.name.rsplit(".", 3)
    return host == HOST and pid.isdigit() and not _alive(int(pid))


def sweep_up(folder: Path) -> int:
    """Remove the temporary files and locks of processes that are gone; returns how many temporary files."""
    strays = [path for path in folder.glob(".*.tmp") if _is_stray(path)]
    for path in strays:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    for path in folder.glob(".*.lock"):
        with contextlib.suppress(OSError), claim(path.with_name(f"{path.stem[1:]}.parquet")):
            pass  # a dead holder's lock can be had, and goes when it is let go
    return len(strays)
