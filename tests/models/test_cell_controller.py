"""Cells from ten choices, and the controller that learns which ones pay."""

from itertools import product

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.cell_controller import (
    OPTIONS,
    Choices,
    ChosenCell,
    Controller,
    menu,
    reinforce,
    same_cell,
    spelled,
)
from lecture_utils.models.recurrent import unroll

B, T, D, H = 2, 5, 3, 7
EXAMPLE = Choices("+", "tanh", "*", "relu", "*", "sigma", "+", "relu", "1", "0")

pytestmark = pytest.mark.usefixtures("float64")


def test_the_worked_example_of_the_paper():
    """Zoph and Le (2017), section 3.4: Add Tanh, ElemMult ReLU, ElemMult Sigmoid; inject Add ReLU
    into tree index 0; the new cell state is tree index 1 before its activation."""
    cell, x, (h, c) = ChosenCell(D, H, EXAMPLE), torch.randn(B, D), torch.randn(2, B, H)
    (W1, W3), (W2, W4) = cell.W.split(H), cell.U.split(H)
    a0 = torch.tanh(x @ W1.T + h @ W2.T)
    a1 = torch.relu((x @ W3.T) * (h @ W4.T))
    a0_new = torch.relu(a0 + c)
    new_h, new_c = cell(x, (h, c))
    assert_close(new_h, torch.sigmoid(a0_new * a1), 1e-12)
    assert_close(new_c, (x @ W3.T) * (h @ W4.T), 1e-12)
    assert_causal(lambda xs: unroll(cell, xs)[0], torch.randn(B, T, D))


@pytest.mark.parametrize("change", Choices._fields)
def test_every_choice_changes_the_cell(change):
    base = Choices("+", "tanh", "*", "sigma", "+", "tanh", "*", "identity", "0", "1")
    other = {"+": "*", "*": "+", "tanh": "sigma", "sigma": "tanh", "identity": "tanh",
             "0": "2", "1": "0"}[getattr(base, change)]  # fmt: skip
    x, state = torch.randn(B, D), (torch.randn(B, H), torch.randn(B, H))
    results = []
    for choices in (base, base._replace(**{change: other})):
        torch.manual_seed(3)
        results.append(torch.cat(ChosenCell(D, H, choices)(x, state)))
    assert (results[0] - results[1]).abs().max() > 0.01


def test_every_cell_is_spelled_as_it_computes():
    x, (h, c) = torch.randn(B, D), torch.randn(2, B, H)
    for choices in menu()[::7]:
        cell = ChosenCell(D, H, choices)
        (W0, W1), (U0, U1) = cell.W.chunk(2), cell.U.chunk(2)
        names = {"tanh": torch.tanh, "sigma": torch.sigmoid, "relu": torch.relu, "c": c}
        names |= {"W0x": x @ W0.T, "W1x": x @ W1.T, "U0h": h @ U0.T, "U1h": h @ U1.T}
        text = spelled(choices)
        for k in "01":
            text = text.replace(f"W{k} x", f"W{k}x").replace(f"U{k} h", f"U{k}h")
        new_h, new_c = (eval(part.split("= ")[1], names) for part in text.split(", c' "))
        for ours, read in zip(cell(x, (h, c)), (new_h, new_c)):
            assert_close(ours, read, 1e-12, str(choices))
    assert spelled(EXAMPLE) == (
        "h' = sigma(relu(tanh(W0 x + U0 h) + c) * relu(W1 x * U1 h)), c' = W1 x * U1 h"
    )


def test_mirror_images_are_one_cell():
    choices = Choices("*", "sigma", "+", "tanh", "*", "identity", "+", "tanh", "0", "0")
    mirror = same_cell(choices)
    assert mirror == Choices("+", "tanh", "*", "sigma", "*", "identity", "+", "tanh", "1", "1")
    assert same_cell(mirror) == mirror
    one, two = ChosenCell(D, H, choices), ChosenCell(D, H, mirror)
    for name in ("W", "U"):
        getattr(two, name).data = torch.cat(getattr(one, name).data.split(H)[::-1])
    xs = torch.randn(B, T, D)
    assert_close(unroll(one, xs)[0], unroll(two, xs)[0], 1e-12)


def test_the_menu_has_every_cell_once():
    cells = menu()
    assert len(cells) == len(set(cells)) == 1728
    every = set(map(Choices._make, product(*OPTIONS)))
    assert {same_cell(c) for c in every} == set(cells) and len(every) == 2 * 1728


def test_log_p_is_that_of_the_choices():
    torch.manual_seed(0)
    controller = Controller(8)
    numbers, log_p = controller.sample(4000, torch.Generator().manual_seed(0))
    assert numbers.shape == (4000, 10)
    assert (numbers.amax(0) + 1).tolist() == [len(options) for options in OPTIONS]
    first = numbers[:, 0] == 0
    p = controller.readout[0](controller.cell(controller.start[None], controller.cell.start(1))[0])
    assert first.double().mean() == pytest.approx(p.softmax(1)[0, 0].item(), abs=0.03)
    # 1 / p, averaged over what was written, counts the cells there are
    few, log_q = controller.sample(20_000, torch.Generator().manual_seed(1))
    assert (-log_q).exp().mean().item() == pytest.approx(2 * 1728, rel=0.05)


def likes_sums(choices):
    return sum(word == "+" for word in choices) / 4


def test_it_learns_what_pays_and_a_constant_reward_teaches_nothing():
    torch.manual_seed(0)
    written = list(reinforce(Controller(16), likes_sums, 300))
    rewards = np.array([one.reward for one in written])
    assert len(written) == 300 and rewards[:40].mean() < 0.7 and rewards[-40:].mean() > 0.95
    assert written[0].baseline == pytest.approx(rewards[:4].mean())
    assert written[4].baseline == pytest.approx(rewards[:4].mean())
    b = 0.8 * rewards[:4].mean() + 0.2 * rewards[4:8].mean()
    assert written[8].baseline == pytest.approx(b)
    torch.manual_seed(0)
    controller = Controller(16)
    before = [w.detach().clone() for w in controller.parameters()]
    list(reinforce(controller, lambda choices: 0.5, 20))
    assert all(torch.equal(a, b) for a, b in zip(before, controller.parameters()))


def test_the_gradient_is_that_of_the_docstring():
    """One batch: the step's direction against -1/m sum (R - b) d log p, by autograd."""
    torch.manual_seed(1)
    controller = Controller(4)
    numbers, log_p = controller.sample(4, torch.Generator().manual_seed(7))
    found = [Choices(*(OPTIONS[k][n] for k, n in enumerate(row))) for row in numbers.tolist()]
    rewards = torch.tensor([likes_sums(c) for c in found])
    expected = torch.autograd.grad(
        -((rewards - rewards.mean()) * log_p).sum() / 4, controller.parameters()
    )
    list(reinforce(controller, likes_sums, 4, seed=7))
    for w, g in zip(controller.parameters(), expected):
        assert_close(w.grad, g, 1e-9)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: ChosenCell(D, H, EXAMPLE[:9]), "is no cell: a cell takes 10 choices"),
        (lambda: ChosenCell(D, H, None), "None is no cell"),
        (lambda: same_cell(EXAMPLE), "F_2 is 'sigma': choose from tanh, identity"),
        (lambda: next(reinforce(Controller(4), likes_sums, 4, forget=7)), "forget is 7"),
        (lambda: ChosenCell(D, H, EXAMPLE._replace(s_1="-")), r"s_1 is '-': choose from \+, \*"),
        (lambda: ChosenCell(D, H, EXAMPLE._replace(F_2="gelu")), "F_2 is 'gelu'"),
        (lambda: ChosenCell(D, H, EXAMPLE._replace(into="2")), "into is '2'"),
        (lambda: ChosenCell(D, H, EXAMPLE._replace(new=1)), "new is 1"),
        (lambda: ChosenCell(D, 0, EXAMPLE), "hidden_size is 0"),
        (lambda: ChosenCell(D, H, EXAMPLE)(torch.zeros(B, D), torch.zeros(B, H)), "ChosenCell"),
        (lambda: next(reinforce(Controller(4), likes_sums, 0)), "cells is 0"),
        (lambda: next(reinforce(Controller(4), lambda c: float("nan"), 4)), "reward is nan"),
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()
