"""Decoders by position: gradient and stream of every block and position, by the law and in many real networks.

    python -m benchmarks.positions --nets 400

Twelve blocks of width 512 with eight heads, under a causal mask over 256 positions, with learned positions and layer norm, and with
rotary ones and RMS norm. The first positions scatter most between networks, by about a fifth of their mean square each, and alike: few
networks are off together at all of them.
"""

import argparse
import time

import jax
import numpy as np

from vgtheory import Transformer, measure, theory

SIZE = {"depth": 12, "width": 512, "positions": 256}
AT = (1, 2, 3, 4, 8, 16, 64, 256)
KINDS = {
    "learned positions": Transformer("gelu", is_causal=True),
    "rotary positions": Transformer("gelu", is_causal=True, norm="rms", is_rotary=True),
}


def table(name: str, nets: int) -> str:
    """Departures of real networks from the law of one quantity, in per cent, for the worst block at each position."""
    lines = []
    for kind, net in KINDS.items():
        start = time.perf_counter()
        seen = getattr(measure.decoders, name)(jax.random.key(1), net, num_nets=nets, **SIZE)
        off = 100 * (seen.value - getattr(theory.decoders, name)(net, **SIZE).mean)
        at_top = -1 if name == "log_grad_tokens" else None
        off, err = off[:at_top], 100 * seen.err[:at_top]
        worst = np.abs(off).argmax(axis=0)
        rows = [f"{off[worst[t - 1], t - 1]:.1f} ({err[worst[t - 1], t - 1]:.1f})" for t in AT]
        seconds = time.perf_counter() - start
        lines.append(f"| {kind} | {' | '.join(rows)} | {np.abs(off).max():.1f} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=int, default=400)
    nets = parser.parse_args().nets
    for name in ("log_grad_tokens", "log_q_tokens"):
        print(f"\n`{name}`, {nets} networks: per cent of the worst block (standard error) at position\n")
        print(f"| | {' | '.join(map(str, AT))} | worst of all | seconds |")
        print("|" + "---|" * (len(AT) + 3))
        print(table(name, nets))


if __name__ == "__main__":
    main()
