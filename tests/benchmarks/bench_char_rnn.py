"""How much faster `batched` is than `step_by_step`, in one run on one thread.

    python tests/benchmarks/bench_char_rnn.py [--iterations 2000] [--repeats 3] [--threads 1]

Not collected by pytest: what it prints depends on the machine. The two versions take turns, so that
a busy moment hits both, and the fastest repeat of each counts. Exit code 1 below --least.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from threadpoolctl import threadpool_info

from lecture_utils.datasets.text import Alphabet, latin1_chart
from lecture_utils.models.char_rnn import batched, step_by_step, train
from lecture_utils.runtime import seed


def milliseconds(version, iterations):
    """Time per iteration of a training run with the lecture's sizes, update included."""
    chart = latin1_chart()
    alphabet = Alphabet(chart)
    text = alphabet.encode(chart)
    start = perf_counter()
    for _ in train(text, len(alphabet), iterations=iterations, gradients=version):
        pass
    return 1000 * (perf_counter() - start) / iterations


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()

    seed(0, threads=options.threads)
    blas = sorted({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
    times = {step_by_step: [], batched: []}
    for _ in range(options.repeats):
        for version, measured in times.items():
            measured.append(milliseconds(version, options.iterations))
    slow, fast = (min(measured) for measured in times.values())
    print(f"BLAS threads    {', '.join(map(str, blas)) or 'unknown'}")
    for version, measured in times.items():
        print(f"{version.__name__:15} {min(measured):.3f} ms per iteration")
    print(f"ratio           {slow / fast:.2f}")
    return slow / fast < options.least


if __name__ == "__main__":
    sys.exit(main())
