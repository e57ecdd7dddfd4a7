"""The experiment of lesson 03: what it trains is what it says, and the shipped table is its."""

import hashlib
import json
from itertools import product

import numpy as np
import pytest
import torch

from lecture_utils import DATA
from lecture_utils.models.jacobians import spectral_radius
from lecture_utils.recipes import long_lags
from lecture_utils.training.checkpoints import experiment, experiment_card

CSV = DATA / "experiments" / "long_lags.csv"


def test_one_update_is_sgd_on_the_mean_loss():
    """The same batch, by PyTorch: the first update of the plain method."""
    after = long_lags.learn("order", 12, "plain", 0.1, run=1, steps=1).parameters
    before = long_lags.learn("order", 12, "plain", 0.0, run=1, steps=1).parameters
    rng = np.random.default_rng(1)
    for w in before:  # the weights are drawn first, then the batch; biases start at 0
        drawn = 0.1 * rng.standard_normal(w.shape) if w.ndim == 2 else np.zeros(w.shape)
        assert np.array_equal(w, drawn)
    rng.standard_normal((50, 50))  # for the other starts
    symbols, answers = long_lags.examples("order", 12, long_lags.BATCH, rng)
    W_xh, W_hh, W_hy, b_h, b_y = (torch.tensor(w, requires_grad=True) for w in before)
    h = torch.zeros(long_lags.BATCH, 50, dtype=torch.float64)
    for x in torch.tensor(symbols).unbind(1):
        h = torch.tanh(W_xh.T[x] + h @ W_hh.T + b_h)
    loss = torch.nn.functional.cross_entropy(h @ W_hy.T + b_y, torch.tensor(answers))
    gradients = torch.autograd.grad(loss, (W_xh, W_hh, W_hy, b_h, b_y))
    for w, start, g in zip(after, before, gradients):
        assert w == pytest.approx(start - 0.1 * g.numpy(), abs=1e-13)


def test_starts_and_clipping_are_those_of_the_method():
    def start(method):
        return long_lags.learn("recall", 10, method, 0.0, run=2, steps=1).parameters.W_hh

    assert np.array_equal(start("clipped, identity"), np.eye(50))
    assert start("clipped, orthogonal").T @ start("clipped, orthogonal") == pytest.approx(
        np.eye(50)
    )
    assert spectral_radius(start("clipped")) == pytest.approx(0.7, abs=0.1)
    assert spectral_radius(start("clipped, gain 1")) == pytest.approx(1.0, abs=0.15)
    assert np.array_equal(start("orthogonal"), start("clipped, orthogonal"))


def test_clipping_shortens_a_long_gradient_to_1_and_what_is_recorded_is_its_length(monkeypatch):
    monkeypatch.setattr(long_lags, "START", 1.0)  # large weights: a long first gradient
    moved, largest = {}, {}
    for method in ("plain", "clipped"):
        before, after = (
            long_lags.learn("order", 10, method, rate, run=2, steps=1) for rate in (0.0, 1.0)
        )
        differences = [a - b for a, b in zip(after.parameters, before.parameters)]
        moved[method] = np.sqrt(sum((d**2).sum() for d in differences))
        largest[method] = after.largest
    assert largest["plain"] == largest["clipped"] > 1.5
    assert moved["plain"] == pytest.approx(largest["plain"])  # one step of rate 1
    assert moved["clipped"] == pytest.approx(1.0)


def test_the_penalty_moves_only_the_recurrent_matrix():
    runs = [
        long_lags.learn("recall", 10, method, 1e-3, run=2, steps=1).parameters
        for method in ("clipped", "clipped, penalty")
    ]
    moved = [np.abs(a - b).max() for a, b in zip(*runs)]
    assert moved[1] > 10 * max(moved[0], moved[2], moved[3], moved[4])


def test_a_shipped_row_comes_out_again():
    """The first row that took few updates: the same digits on the machine that made it."""
    table = experiment("long_lags")
    row = int(np.argmax(table["steps"] == 100))
    keys = ("puzzle", "length", "method", "rate", "run")
    again = long_lags.learn(*(table[key][row].item() for key in keys))
    assert again.steps == 100
    assert again.accuracy == pytest.approx(table["accuracy"][row], abs=0.01)


def test_recall_over_ten_steps_is_learned_and_watched():
    seen = []
    outcome = long_lags.learn(
        "recall", 10, "clipped, orthogonal", 0.1, 0, watch=lambda *pair: seen.append(pair)
    )
    assert outcome.accuracy >= 0.995 and outcome.steps < 1000
    assert seen[-1] == (outcome.steps, outcome.validation)
    assert [step for step, _ in seen] == list(range(100, outcome.steps + 1, 100))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="no method 'clip': choose one of plain; clipped; "):
        long_lags.learn("recall", 10, "clip", 0.1, run=0)
    with pytest.raises(ValueError, match="no puzzle 'recal': choose one of recall; order"):
        long_lags.learn("recal", 10, "plain", 0.1, run=0)
    for rate, steps in ((-0.1, 1), (np.nan, 1), (0.1, 0)):
        with pytest.raises(ValueError, match=f"steps is {steps} and rate {rate}"):
            long_lags.learn("recall", 10, "plain", rate, run=0, steps=steps)


def test_the_shipped_table_is_whole_and_is_the_one_on_its_card():
    card, table = experiment_card("long_lags"), experiment("long_lags")
    assert hashlib.sha256(CSV.read_bytes()).hexdigest() == card["sha256"]
    rows = set(zip(*(table[k].tolist() for k in ("puzzle", "length", "method", "rate", "run"))))
    settings = product(
        ("recall", "order"), long_lags.LENGTHS, long_lags.METHODS, long_lags.RATES, card["seed"]
    )
    assert rows == set(settings) and len(table["run"]) == len(rows)
    assert ((table["steps"] == long_lags.STEPS) | (table["validation"] >= 0.995)).all()
    assert np.abs(table["validation"] - table["accuracy"]).max() < 0.1  # 1,000 sequences each
    for name, value in card["metrics"].items():
        case, method = name.split(", ", 1)
        puzzle, length = case.split()
        here = long_lags.chosen(table, puzzle, int(length), method)
        assert here.sum() == 3 and len(set(table["rate"][here])) == 1
        assert value == pytest.approx(table["accuracy"][here].mean(), abs=6e-4), name


def test_the_command_writes_table_and_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(long_lags, "LENGTHS", (10,))
    monkeypatch.setattr(long_lags, "RATES", (0.1,))
    only = {"clipped, orthogonal": long_lags.METHODS["clipped, orthogonal"]}
    monkeypatch.setattr(long_lags, "METHODS", only)
    path = tmp_path / "small"
    long_lags.main(["--runs", "1", "--workers", "1", "--output", str(path)])
    card = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert card["metrics"]["recall 10, clipped, orthogonal"] >= 0.995
    assert len(experiment(path)["run"]) == 2
    assert "order 10" in capsys.readouterr().out
