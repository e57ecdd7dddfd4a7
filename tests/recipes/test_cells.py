"""The bench of lesson 05: networks side by side train as they do alone; the shipped tables."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils import DATA
from lecture_utils.gradcheck import assert_close
from lecture_utils.models.cell_controller import menu
from lecture_utils.models.evolving_cells import check_equation, spelled
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.rnn import RNNCell
from lecture_utils.recipes import base_2, cells, evolution, found_cells
from lecture_utils.training.checkpoints import experiment, experiment_card
from lecture_utils.visual.cell_graph import read_cell

TINY = {"updates": 4, "length": 12, "hidden_size": 5, "batch": 3}


@pytest.mark.parametrize("cell", [RNNCell, GRUCell, partial(LSTMCell, forget_bias=1)])
def test_side_by_side_is_as_one_by_one_with_torchs_adam(cell):
    together = cells.train(cell, "brackets", rates=(0.01, 0.05), runs=(0, 3), **TINY)
    for k, (rate, run) in enumerate([(0.01, 0), (0.01, 3), (0.05, 0), (0.05, 3)]):
        assert together.rates[k] == rate and together.runs[k] == run
        alone = cells._network(cell, "brackets", run, 5)
        optimizer = torch.optim.Adam(alone.parameters(), rate)
        losses = []
        for _, (tokens, answers) in zip(range(4), cells.sequences("brackets", "train", 3, 12)):
            loss = nn.functional.cross_entropy(alone(tokens).flatten(0, 1), answers.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        assert losses == pytest.approx(together.losses[k].tolist(), rel=1e-4)
        for ours, theirs in zip(together.networks[k].parameters(), alone.parameters()):
            assert_close(ours, theirs, 1e-3)
        tokens, answers = next(cells.sequences("brackets", "test", cells.HELD_OUT, 12))
        right = (together.networks[k](tokens).argmax(2) == answers).float().mean().item()
        assert together.test[k] == pytest.approx(right, abs=1e-3)


def test_each_network_is_clipped_by_its_own_norm_and_has_its_own_rate():
    weights = {"w": torch.zeros(2, 3, requires_grad=True), "b": torch.zeros(2, requires_grad=True)}
    update = cells.adam(weights, torch.tensor([0.1, 0.2]))
    alone = [torch.zeros(4, requires_grad=True) for _ in range(2)]
    adams = [torch.optim.Adam([w], rate) for w, rate in zip(alone, (0.1, 0.2))]
    for scale in (1.0, 0.01):  # the first network's gradient is clipped at once, the other's never
        weights["w"].grad = torch.tensor([[30.0, 0, 0], [0.3, 0, 0]]) * scale
        weights["b"].grad = torch.tensor([40.0, 0.4]) * scale
        update()
        for w, adam, length in zip(alone, adams, (1, 0.01)):
            w.grad = torch.tensor([30.0, 0, 0, 40.0]) * length * scale
            nn.utils.clip_grad_norm_([w], 1.0)
            adam.step()
    for k, w in enumerate(alone):
        assert torch.allclose(weights["w"][k], w[:3], atol=1e-5)
        assert weights["b"][k].item() == pytest.approx(w[3].item(), abs=1e-5)


def test_a_network_that_breaks_leaves_the_others_alone():
    weights = {"w": torch.ones(2, 2, requires_grad=True)}
    update = cells.adam(weights, torch.tensor([0.1, 0.1]))
    for broken in (1.0, float("nan"), float("inf")):  # momentum must not move it either
        before = weights["w"].detach().clone()
        weights["w"].grad = torch.tensor([[broken, 1.0], [1.0, 1.0]])
        update()
        assert torch.equal(weights["w"][0], before[0]) == (broken != 1)
        assert (weights["w"][1] < before[1]).all()
    assert weights["w"].isfinite().all()


def test_the_start_does_not_depend_on_the_callers_number_type():
    first = cells._network(GRUCell, "order", 0, 4)
    torch.set_default_dtype(torch.float64)
    try:
        again = cells._network(GRUCell, "order", 0, 4)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    for a, b in zip(first.parameters(), again.parameters()):
        assert a.dtype == torch.float32 and torch.equal(a, b)


@pytest.mark.parametrize("task", cells.TASKS)
def test_parts_are_always_the_same_and_differ(task):
    one, again, other = (
        next(cells.sequences(task, part, 8))[0] for part in ("train", "train", "test")
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    tokens, answers = next(cells.sequences(task, "validation", 8))
    assert tokens.max() < cells.TASKS[task].tokens and answers.max() < cells.TASKS[task].answers


def test_prose_asks_for_the_next_character_and_keeps_its_parts_apart():
    alphabet, whole = cells._story()
    for part, start, end in (("train", 0, 0.8), ("validation", 0.8, 0.9), ("test", 0.9, 1)):
        tokens, answers = next(cells.sequences("prose", part, 50, 30))
        assert torch.equal(tokens[:, 1:], answers[:, :-1])
        piece = whole[int(start * len(whole)) : int(end * len(whole))]
        for row, last in zip(tokens.tolist(), answers[:, -1].tolist()):
            assert alphabet.decode([*row, last]) in piece


def test_depth_counts_what_is_open():
    tokens, depth = next(cells.sequences("depth", "train", 50))
    again, kinds = next(cells.sequences("brackets", "train", 50))
    assert torch.equal(tokens, again) and torch.equal(depth == 0, kinds == 0)
    assert depth.min() == 0 and depth.max() == 8
    assert (depth.diff(dim=1) == torch.where(tokens[:, 1:] < 3, 1, -1)).all()


def test_order_is_asked_at_the_end_only():
    tokens, answers = next(cells.sequences("order", "train", 50))
    assert (answers[:, :-1] == -1).all() and (answers[:, -1] >= 0).all()


def test_a_bad_task_is_refused():
    with pytest.raises(ValueError, match="no task 'sums': choose from order, .*, depth"):
        cells.train(GRUCell, "sums")
    with pytest.raises(ValueError, match="no 'GRUX'"):
        cells.best_rate(experiment("cells"), "GRUX", "order")


@pytest.mark.parametrize("name", cells.CELLS)
def test_every_cell_has_its_equations_and_keeps_its_promise(name):
    lines = cells.equations(name)
    assert lines[-1].startswith("h_t = ") and all(" = " in line for line in lines)
    cell = cells.CELLS[name](6, 6)
    assert read_cell(lines).lines[-1].name == "h_t"
    bias_at_1 = (cell.b == 1).sum().item() if hasattr(cell, "b") else 0
    assert bias_at_1 == (6 if "bias 1" in name else 0)


# the shipped tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cells", "evolution", "base_2", "found_cells", "buried"])
def test_tables_belong_to_their_cards(name):
    card = experiment_card(name)
    csv = DATA / "experiments" / f"{name}.csv"
    assert card["command"] == f"python -m lecture_utils.recipes {name}"
    assert card["sha256"] == hashlib.sha256(csv.read_bytes()).hexdigest()


def test_the_bench_is_whole_and_its_card_tells_its_numbers():
    table, metrics = experiment("cells"), experiment_card("cells")["metrics"]
    settings = set(zip(table["cell"], table["task"], table["rate"], table["run"]))
    assert len(settings) == len(table["cell"]) == 21 * 3 * 5 * 4
    for setting, shown in metrics.items():
        cell, task = setting.rsplit(", ", 1)
        rate, rows = cells.best_rate(table, cell, task)
        assert rows.sum() == 4 and table["test"][rows].mean() == pytest.approx(shown, abs=1e-4)
        others = {
            r: table["validation"][
                (table["cell"] == cell) & (table["task"] == task) & (table["rate"] == r)
            ].mean()
            for r in cells.RATES
        }
        assert others[rate] == max(others.values())


def test_evolutions_table_is_a_real_family():
    table = experiment("evolution")
    for selection in ("yes", "no"):
        for run in range(5):
            rows = (table["selection"] == selection) & (table["run"] == run)
            assert rows.sum() == 121 and len(set(table["equation"][rows])) == 121
            assert table["spelled"][rows][0] == "tanh(a1)"
            assert np.isfinite(table["fresh"][rows]).sum() == 1
    for equation, text in zip(table["equation"][::50], table["spelled"][::50]):
        check_equation(evolution.read(equation))
        assert spelled(evolution.read(equation)) == text


def test_the_whole_menu_was_tried():
    table = experiment("base_2")
    assert [base_2.read(text) for text in table["choices"]] == menu()


def test_the_found_cells_are_todays_winners():
    table = experiment("found_cells")
    winners = found_cells.winners()
    assert list(dict.fromkeys(table["cell"])) == list(winners)
    for name, make in winners.items():
        weights = sum(w.numel() for w in make(cells.HIDDEN, cells.HIDDEN).parameters())
        assert set(table["weights"][table["cell"] == name]) == {weights}


def test_the_score_of_the_vanilla_rnn_is_made_again():
    """About the shipped one: other processors round otherwise, and 60 updates amplify it."""
    table = experiment("evolution")
    assert evolution.score(evolution.RNN) == pytest.approx(float(table["score"][0]), abs=0.1)


def test_short_versions_of_the_searches_write_the_same_columns(tmp_path, monkeypatch):
    monkeypatch.setitem(evolution.SMALL, "updates", 2)
    base_2.main(["--cells", "2", "--workers", "1", "--output", str(tmp_path / "b")])
    evolution.main(["--runs", "1", "--children", "1", "--workers", "1", "--output",
                    str(tmp_path / "e")])  # fmt: skip
    for short, name in (("b", "base_2"), ("e", "evolution")):
        shipped = (DATA / "experiments" / f"{name}.csv").read_text().splitlines()[0]
        assert (tmp_path / f"{short}.csv").read_text().splitlines()[0] == shipped
        assert json.loads((tmp_path / f"{short}.json").read_text())["metrics"]
