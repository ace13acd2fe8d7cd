"""Peak memory against depth: ``python -m benchmarks.memory [--depth 1000 10000] [--inputs 1 8]``.

Each measurement runs in a process of its own, whose largest resident size is what the operating system counted, JAX, compiler
and all; beside it what was planned for the arrays alone.
"""

import argparse
import json
import resource
import subprocess
import sys


def alone(keep: str, depth: int, width: int, nets: int, inputs: int) -> None:
    """Run one measurement and print its plan and this process's peak."""
    import jax

    from vgtheory import Dense, measure

    net = Dense("tanh", 1.5, 0.1)
    size = {"depth": depth, "width": width, "num_nets": nets, "num_inputs": inputs, "keep": keep}
    plan = measure.plan(net, **size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    logs = measure.samples(jax.random.key(0), net, **size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps({"needed": plan.needed, "before": before * 1024, "peak": peak * 1024, "bytes": logs.log_grad.nbytes})
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--inputs", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--nets", type=int, default=16)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        alone(options.alone, options.depth[0], options.width, options.nets, options.inputs[0])
        return
    for depth in options.depth:
        for inputs in options.inputs:
            for keep in ("activations", "segments"):
                asked = [
                    f"--{name}={value}"
                    for name, value in (("depth", depth), ("inputs", inputs), ("width", options.width))
                ]
                words = [sys.executable, "-m", "benchmarks.memory", f"--alone={keep}", f"--nets={options.nets}", *asked]
                done = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
                print(
                    f"depth {depth:6d}, width {options.width}, {options.nets} networks, {inputs:3d} inputs, {keep:11s}: peak "
                    f"{done['peak'] / 2**30:.2f} GiB, {done['before'] / 2**30:.2f} before the run, planned arrays {done['needed'] / 2**30:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
