"""A changed result must fail, whichever way it changes."""

import inspect

import pytest

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
