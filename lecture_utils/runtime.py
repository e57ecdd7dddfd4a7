"""What a run depends on beside its code: seed, threads, device."""

import importlib.metadata
import os
import random
import re
import sys
import tomllib

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lecture_utils import DATA

DEVICE_VARIABLE = "LECTURE_DEVICE"


def seed(value: int = 0, threads: int = 1) -> np.random.Generator:
    """Seed Python, NumPy and PyTorch; returns a NumPy generator with the same seed.

    threads: how many PyTorch and NumPy use. One is right for the small models here: two gain
    nothing on an idle machine, and where the other core is busy (a browser is enough) the two
    wait for each other at every step: 400 steps of a small network took 18 s instead of 0.3 s.
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
            probe = torch.zeros(1, device=wish)
            probe.item()  # "meta" makes tensors, but they hold no numbers
            return probe.device
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


def report() -> list[str]:
    """Print what a run here would use; returns the problems, each with its remedy."""
    problems = []
    versions = {"Python": sys.version.split()[0]} | {p: _installed(p) for p in _SHOWN}
    for package, smallest in _needed().items():
        version = _installed(package)
        if version == "missing" or _numbers(version) < _numbers(smallest):
            problems.append(
                f"{package} {version}, needed {smallest} or newer. Install the course as the "
                "README says: python3 course.py lab"
            )
    story = DATA / "story.txt"
    if not story.is_file():
        problems.append("data/story.txt is missing: restore it with  git checkout -- data")
    print(*(f"{name:14} {version}" for name, version in versions.items()), sep="\n")
    print(f"{'device':14} {device().type}, {os.cpu_count()} processors (small models use one)")
    print(f"{'data folder':14} {'found' if story.is_file() else 'incomplete'}")
    print(*([f"PROBLEM: {p}" for p in problems] or ["Everything is in place."]), sep="\n")
    return problems


_SHOWN = ("torch", "numpy", "matplotlib", "anywidget", "ipywidgets")


def _needed():
    """Package -> smallest version, as pyproject.toml declares them."""
    try:
        lines = importlib.metadata.requires("lecture-utils")
    except importlib.metadata.PackageNotFoundError:  # run from a copy that is not installed
        lines = None
    if lines is None:
        text = (DATA.parent / "pyproject.toml").read_text(encoding="utf-8")
        lines = tomllib.loads(text)["project"]["dependencies"]
    always = [line for line in lines if "extra ==" not in line]
    matches = [re.match(r"([\w.-]+)\s*(?:>=\s*([\w.]+))?", line) for line in always]
    return {match[1]: match[2] or "0" for match in matches}


def _installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _numbers(version):
    return [
        int("".join(filter(str.isdigit, part)) or 0)
        for part in version.split("+")[0].split(".")[:3]
    ]
