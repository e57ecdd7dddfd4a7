"""The same seed gives the same run; the device is the one that is there, or the one asked for."""

import importlib.metadata
import random

import numpy as np
import pytest
import torch

from lecture_utils import runtime


@pytest.fixture(autouse=True)
def threads_as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv(runtime.DEVICE_VARIABLE, raising=False)


def draws(value):
    generator = runtime.seed(value)
    return random.random(), np.random.rand(), torch.rand(()).item(), generator.random()


def test_seed_fixes_all_four_generators():
    first, again, other = draws(3), draws(3), draws(4)
    assert first == again
    assert all(a != b for a, b in zip(first, other))


def test_seed_leaves_at_most_two_threads():
    torch.set_num_threads(4)
    runtime.seed(0)
    assert 1 <= torch.get_num_threads() <= 2


@pytest.mark.parametrize(
    "cuda, mps, best",
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_device_prefers_cuda_then_mps(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device().type == best


def test_variable_overrides(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize("wrong", ["gpu", "cuda:99", "CPU!", "meta"])
def test_a_device_that_is_not_there_is_named_with_the_remedy(monkeypatch, wrong):
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, wrong)
    with pytest.raises(RuntimeError, match=rf"LECTURE_DEVICE='{wrong}'.*Unset it"):
        runtime.device()


def bounds():
    return {name: smallest for name, smallest in runtime._needed().items() if smallest != "0"}


def test_versions_needed_are_those_of_pyproject(monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", not_installed)
    from_file = bounds()
    assert {"torch", "numpy", "anywidget"} <= set(from_file)
    assert "pytest" not in from_file

    lines = ["torch>=2.6", "tqdm", 'pytest>=8; extra == "test"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert runtime._needed() == {"torch": "2.6", "tqdm": "0"}


def test_report_finds_nothing_amiss_here(capsys):
    assert runtime.report() == []
    said = capsys.readouterr().out
    assert "Everything is in place." in said and f"torch          {torch.__version__}" in said


def test_report_names_what_is_missing_or_too_old(monkeypatch, capsys):
    lines = ["torch>=999.1", "not-there-at-all>=1"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    old, missing = runtime.report()
    assert "torch" in old and "needed 999.1 or newer" in old and "course.py lab" in old
    assert "not-there-at-all missing, needed 1 or newer" in missing
    assert "PROBLEM: torch" in capsys.readouterr().out
