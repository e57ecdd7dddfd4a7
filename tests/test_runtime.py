"""The same seed gives the same run; the device is the one that is there, or the one asked for."""

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


@pytest.mark.parametrize("wrong", ["gpu", "cuda:99", "CPU!"])
def test_a_device_that_is_not_there_is_named_with_the_remedy(monkeypatch, wrong):
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, wrong)
    with pytest.raises(RuntimeError, match=rf"LECTURE_DEVICE='{wrong}'.*Unset it"):
        runtime.device()
