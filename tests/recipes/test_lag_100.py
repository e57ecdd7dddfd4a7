"""The experiment of lesson 04: its starts, its data, and the shipped table."""

import hashlib
import json
from itertools import product

import numpy as np
import pytest
import torch

from lecture_utils import DATA
from lecture_utils.recipes import lag_100
from lecture_utils.training.checkpoints import experiment, experiment_card

CSV = DATA / "experiments" / "lag_100.csv"


def started(network):
    kept = []
    lag_100.learn(
        "adding",
        network,
        0.01,
        0,
        updates=1,
        watch=lambda _, layer: kept.append(
            {name: w.detach().clone() for name, w in layer.named_parameters()}
        ),
    )
    return kept[0]


def test_the_starts_are_what_their_names_say():
    eye = torch.eye(32)
    W = started("RNN, orthogonal start")["weight_hh_l0"]
    assert torch.allclose(W.T @ W, eye, atol=1e-5)
    assert torch.equal(started("ReLU RNN, identity start")["weight_hh_l0"], eye)
    for name, expected in (("LSTM, forget bias 1", (0.0, 1.0)), ("LSTM, long memory", (-4.0, 4.0))):
        weights = started(name)
        write, forget, others = (weights["bias_ih_l0"] + weights["bias_hh_l0"]).split([32, 32, 64])
        assert (write == expected[0]).all() and (forget == expected[1]).all()
        assert (others == 0).all()
    weights = started("LSTM, biases by lag")
    write, forget, _ = (weights["bias_ih_l0"] + weights["bias_hh_l0"]).split([32, 32, 64])
    assert torch.equal(write, -forget) and len(set(forget.tolist())) == 32
    assert 0 <= forget.min() and forget.max() <= np.log(99)


def test_all_networks_see_the_same_sequences():
    first, again = (next(lag_100.batches("adding", 3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert first[0].shape == (32, 100, 2)
    xs, answers = next(lag_100.batches("recall", 3))
    assert xs.shape == (32, 101, 8) and torch.equal(xs[:, 0].argmax(1), answers)


def test_scores_and_the_trivial_ones():
    error = lag_100.learn("adding", "RNN", 1e-9, 1, updates=3)
    answers = [batch[1] for batch, _ in zip(lag_100.batches("adding", 1), range(3))]
    assert error.trivial == pytest.approx([((1 - a) ** 2).mean().item() for a in answers])
    accuracy = lag_100.learn("recall", "RNN", 1e-9, 1, updates=3)
    assert ((0 <= accuracy.scores) & (accuracy.scores <= 1)).all()


def test_unknown_names_are_refused():
    for puzzle, network in (("sorting", "RNN"), ("adding", "GRU")):
        with pytest.raises(ValueError, match="the puzzles are adding, recall, the networks RNN; "):
            lag_100.learn(puzzle, network, 0.01, 0)


def test_the_shipped_table_is_whole_and_is_the_one_on_its_card():
    card, table = experiment_card("lag_100"), experiment("lag_100")
    assert hashlib.sha256(CSV.read_bytes()).hexdigest() == card["sha256"]
    rows = set(zip(*(table[k].tolist() for k in ("puzzle", "network", "rate", "run"))))
    settings = product(lag_100.PUZZLES, lag_100.NETWORKS, lag_100.RATES, card["seed"])
    assert rows == set(settings) and len(table["run"]) == len(rows) == 108
    for name, value in card["metrics"].items():
        puzzle, network = name.split(", ", 1)
        scores = [
            table["score"][(table["puzzle"] == puzzle) & (table["network"] == network)
                           & (table["rate"] == rate)].mean()
            for rate in lag_100.RATES
        ]  # fmt: skip
        best = max(scores) if puzzle == "recall" else min(scores)
        assert value == pytest.approx(best, abs=1e-5), name


def test_the_command_writes_table_and_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lag_100, "RATES", (0.01,))
    monkeypatch.setattr(lag_100, "NETWORKS", {"RNN": lag_100.NETWORKS["RNN"]})
    path = tmp_path / "small"
    lag_100.main(["--runs", "1", "--updates", "3", "--workers", "1", "--output", str(path)])
    card = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert card["steps"] == 3 and len(experiment(path)["run"]) == 2
    assert "recall, RNN" in capsys.readouterr().out
