"""The course's LSTM and GRU layers against the naive loop and PyTorch's, in one run.

    python tests/benchmarks/bench_layers.py [--threads 2] [--repeats 7]

Forward and backward, float32, at three sizes (B, T, H) with D = H. Not collected by pytest: what it
prints depends on the machine. The versions take turns, so that a busy moment hits all of them; the
fastest repeat of each counts. Targets: LSTM at most 1.5 times `nn.LSTM` at the two larger sizes,
GRU at most 1.25 times `nn.GRU` at all three, each faster than the naive loop. It prints by how much
a target is missed; exit code 1 then with --strict.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import nn

from lecture_utils.models.fast_layers import GRULayer, LSTMLayer
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import unroll
from lecture_utils.runtime import seed

SIZES = [(8, 100, 64), (32, 64, 256), (32, 64, 512)]
TARGETS = {"LSTM": {SIZES[1]: 1.5, SIZES[2]: 1.5}, "GRU": dict.fromkeys(SIZES, 1.25)}


def versions(kind, H):
    """name -> function of xs that returns h of all steps; each with its own parameters."""
    cell_type, layer_type, torch_type = {
        "LSTM": (LSTMCell, LSTMLayer, nn.LSTM),
        "GRU": (GRUCell, GRULayer, nn.GRU),
    }[kind]
    cell, layer, theirs = cell_type(H, H), layer_type(H, H), torch_type(H, H, batch_first=True)
    return {
        "naive": lambda xs: unroll(cell, xs)[0],
        "ours": lambda xs: layer(xs)[0],
        "torch": lambda xs: theirs(xs)[0],
    }


def milliseconds(forward, xs):
    start = perf_counter()
    forward(xs).sum().backward()
    return 1000 * (perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    seed(0, threads=options.threads)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}; milliseconds, and ratios")
    missed = []
    for kind, targets in TARGETS.items():
        for B, T, H in SIZES:
            xs = torch.randn(B, T, H, requires_grad=True)
            forwards = versions(kind, H)
            times = {name: [] for name in forwards}
            for _ in range(options.repeats + 2):  # two to warm up
                for name, forward in forwards.items():
                    times[name].append(milliseconds(forward, xs))
            best = {name: min(measured[2:]) for name, measured in times.items()}
            ratio, limit = best["ours"] / best["torch"], targets.get((B, T, H))
            row = "  ".join(f"{name} {ms:7.1f}" for name, ms in best.items())
            goal = f" (target {limit})" if limit else ""
            gain = best["naive"] / best["ours"]
            row += f"  ours/torch {ratio:.2f}{goal}, naive/ours {gain:.2f}"
            print(f"{kind:5}{(B, T, H)!s:14} {row}")
            if limit and ratio > limit:
                missed.append(
                    f"{kind} {(B, T, H)}: {ratio:.2f} is {ratio / limit - 1:.0%} above {limit}"
                )
            if best["ours"] >= best["naive"]:
                missed.append(f"{kind} {(B, T, H)}: not faster than the naive loop")
    print("all targets met" if not missed else "missed: " + "; ".join(missed))
    return bool(missed) and options.strict


if __name__ == "__main__":
    sys.exit(main())
