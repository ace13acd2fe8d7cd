"""How command lines and tests compile: where programs are kept, and what XLA leaves out where they run once."""

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


_QUICK = "--xla_llvm_disable_expensive_passes=true --xla_cpu_parallel_codegen_split_count=1"
_QUICKEST = (
    " --xla_cpu_use_fusion_emitters=false --xla_disable_hlo_passes=tree_reduction_rewriter"
    " --xla_backend_optimization_level=1"
)
"""Programs compile a third faster. XLA knows the first flag up to JAX 0.10, and dies of flags that it does not know.

Without the emitters, LLVM unrolls the windows of 32 by 32 into which the rewriter cuts a sum, which
takes half a minute for each such sum; at its level 2 the twin of an LSTM takes a minute, at level 1 seven seconds.
"""
_LAST_WITH_EMITTERS = (0, 10)


def compile_quickly() -> None:
    """Have XLA leave out optimisations for the CPU, for tests and small runs; called before anything is computed."""
    import jax

    quick = _QUICK + (_QUICKEST if jax.__version_info__[:2] <= _LAST_WITH_EMITTERS else "")
    os.environ["XLA_FLAGS"] = f"{quick} {os.environ.get('XLA_FLAGS', '')}"


__all__ = ["cache_folder", "compile_quickly", "keep_programs"]
