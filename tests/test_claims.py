"""A changed result must fail, whichever way it changes."""

import inspect

import numpy as np
import pytest
import torch

from lecture_utils.claims import FindingChanged, claim


def test_prints_number_statement_and_measurement(capsys):
    claim("03.2", "gradients shrink", measured="0.12 a step", holds=True)
    assert capsys.readouterr().out == (
        "Claim 03.2: gradients shrink\n  measured: 0.12 a step  ->  reproduced\n"
    )


def test_an_honest_negative_stands(capsys):
    claim("12.1", "more heads are better", measured=0, holds=False, finding="not reproduced")
    assert capsys.readouterr().out.endswith("->  not reproduced\n")


@pytest.mark.parametrize("holds, finding", [(False, "reproduced"), (True, "not reproduced")])
def test_a_changed_finding_raises_either_way(holds, finding, capsys):
    with pytest.raises(FindingChanged, match=rf"03\.2 is recorded as '{finding}'.*measured 7"):
        claim("03.2", "s", measured=7, holds=holds, finding=finding)
    assert "measured: 7" in capsys.readouterr().out  # the reader sees the number all the same


@pytest.mark.parametrize("finding", ["reproduced", "not reproduced"])
@pytest.mark.parametrize("holds", [True, False])
def test_speed_never_raises(holds, finding, capsys):
    claim("15.1", "faster", measured="2.9x", holds=holds, finding=finding, kind="speed")
    answer = "yes" if holds else "no"
    assert capsys.readouterr().out.endswith(f"2.9x  ->  on this machine: {answer}\n")


@pytest.mark.parametrize("wrong", [{"finding": "maybe"}, {"kind": "sped"}])
def test_misspelt_options_are_named(wrong, capsys):
    unchecked = inspect.unwrap(claim)  # as in a notebook, where nothing checks types first
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        unchecked("1", "s", measured=1, holds=True, **wrong)
    assert capsys.readouterr().out == ""


def test_numpy_truth_values_are_taken(capsys):
    claim("1", "s", measured=1, holds=np.float64(0.5) < 1)
    claim("1", "s", measured=1, holds=np.False_, finding="not reproduced")
    assert capsys.readouterr().out.count("reproduced") == 2


@pytest.mark.parametrize("wrong", [1, 0.2, "no", None, np.array([True]), torch.tensor(True)])
def test_what_is_neither_true_nor_false_is_refused(wrong, capsys):
    with pytest.raises(TypeError, match=r"holds is .*write a comparison"):
        inspect.unwrap(claim)("1", "s", measured=1, holds=wrong)
    assert capsys.readouterr().out == ""
