"""Folder in which a command line keeps compiled programs, so that the next call finds them."""

import hashlib
import os
import platform
from pathlib import Path
from typing import Any

_LEAST_SECONDS = 0.02
"""Programs that compile faster are not worth a file."""


def _processor() -> str:
    """Name of this kind of processor: a program compiled for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = [
        platform.machine(),
        *(next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags")),
    ]
    return hashlib.sha256("".join(told).encode()).hexdigest()[:12]


def cache_folder() -> Path:
    """Return ``vgtheory/programs`` in the user's cache directory, by kind of processor."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vgtheory" / "programs" / _processor()


def keep_programs() -> None:
    """Turn on JAX's persistent compilation cache, unless a user has configured it."""
    import jax

    known: Any = jax.config
    if known.jax_compilation_cache_dir is None and known.jax_enable_compilation_cache:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)


__all__ = ["cache_folder", "keep_programs"]
