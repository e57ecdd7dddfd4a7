"""What the tests of models share."""

import pytest
import torch
from jaxtyping import config


@pytest.fixture
def as_a_reader_runs_it():
    """Without the run-time shape checks of pytest: what is left is what a reader gets."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def float64():
    """Modules are built in float64, from the same random numbers each time."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
