"""How long it takes to score every cell against every feature, in one run.

    python tests/benchmarks/bench_probes.py [--characters 100000] [--cells 1024] [--draws 99]

Slow noise as cells, float32; 12 features. Not collected by pytest: what it prints depends on the
machine. Target at the sizes above, on 2 processors: AUC and Spearman's r under 10 s each. CPU time
stands beside it for machines that do something else meanwhile. Exit code 1 when missed, with
--strict.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from lecture_utils.runtime import seed
from lecture_utils.training.probes import auc, correlation, find_cells, linear_probe


def seconds(name, call):
    start, start_cpu = perf_counter(), process_time()
    call()
    took = perf_counter() - start
    print(f"{name:32} {took:6.1f} s   {process_time() - start_cpu:6.1f} s of CPU", flush=True)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--cells", type=int, default=1024)
    parser.add_argument("--draws", type=int, default=99)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    rng = seed(0, threads=options.threads)

    values = rng.standard_normal((options.characters, options.cells), dtype=np.float32)
    for t in range(1, len(values)):
        values[t] += 0.95 * values[t - 1]
    speech = np.repeat(rng.random((options.characters // 50 + 1, 9)) < 0.3, 50, axis=0)
    labels = speech[: options.characters]
    numbers = rng.integers(0, 80, (options.characters, 3))
    features = {f"label {f}": column for f, column in enumerate(labels.T)}
    features |= {f"number {f}": column for f, column in enumerate(numbers.T)}
    twelve = np.concatenate([labels, numbers > 40], axis=1)

    slowest = max(
        seconds("auc, 12 features", lambda: auc(values, twelve)),
        seconds("Spearman's r, 12 features", lambda: correlation(values, twelve * 1, rank=True)),
    )
    seconds("Pearson's r, 12 features", lambda: correlation(values, twelve * 1))
    seconds(
        f"find_cells with {options.draws} draws",
        lambda: find_cells(values, features, rng, draws=options.draws),
    )
    seconds("linear_probe, one label", lambda: linear_probe(values, labels[:, 0]))
    seconds("linear_probe, one number", lambda: linear_probe(values, numbers[:, 0]))
    print("target met" if slowest < 10 else f"target missed: {slowest:.1f} s are above 10 s")
    return slowest >= 10 and options.strict


if __name__ == "__main__":
    sys.exit(main())
