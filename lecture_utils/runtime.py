"""What a run depends on beside its code: seed, threads, device."""

import os
import random

import numpy as np
import torch
from threadpoolctl import threadpool_limits

DEVICE_VARIABLE = "LECTURE_DEVICE"


def seed(value: int = 0, threads: int = 1) -> np.random.Generator:
    """Seed Python, NumPy and PyTorch; returns a NumPy generator with the same seed.

    threads: how many PyTorch and NumPy use. One is the right number for the small models here: two gain
    nothing on an idle machine, and where the other core is busy (a browser is enough) the two
    wait for each other at every step, which made a small RNN 10 to 40 times slower.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}: it has to be at least 1")
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
    threads = min(threads, os.cpu_count() or 1)
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    return np.random.default_rng(value)


def device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU; the variable LECTURE_DEVICE overrides it."""
    wish = os.environ.get(DEVICE_VARIABLE)
    if wish:
        try:
            return torch.empty(0, device=wish).device
        except (RuntimeError, AssertionError) as error:
            raise RuntimeError(
                f"{DEVICE_VARIABLE}={wish!r} cannot be used here ({str(error).splitlines()[0]}). "
                "Unset it, or set it to 'cpu'."
            ) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
