"""What the recipes make: the network that says hello, and the shipped spread of min-char-rnn."""

import csv
import hashlib
import json
import math
import statistics

import numpy as np
import pytest

from lecture_utils import DATA
from lecture_utils.datasets.puzzles import hello
from lecture_utils.models.rnn import bptt, one_hot, rnn_parameters
from lecture_utils.recipes import hello as hello_recipe
from lecture_utils.recipes import min_char_rnn
from lecture_utils.recipes.hello import ALPHABET, hello_network, say
from lecture_utils.training import checkpoints

# hello -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    text, wanted = hello()
    return one_hot([ALPHABET.index(c) for c in text], 4), np.array([*map(ALPHABET.index, wanted)])


@pytest.fixture(scope="module")
def network():
    return hello_network()


def test_the_network_says_hello_and_is_sure_of_it(network, pair):
    assert say(network) == "hello"
    assert bptt(network, *pair)[0] / 4 == pytest.approx(0.016, abs=0.001)
    assert network.W_hh.shape == (3, 3)


def test_after_60_steps_it_has_learned_the_table_of_pairs_only(pair):
    network = hello_network(steps=60)
    assert say(network) == "helll"
    assert bptt(network, *pair)[0] / 4 > math.log(2) / 2


def test_without_memory_no_network_gets_below_half_of_ln_2(pair):
    """The bound from counting: after l comes l once and o once, everything else is certain."""
    network, lowest = rnn_parameters(4, 3, 4, np.random.default_rng(0), scale=0.5), math.inf
    for _ in range(600):
        network.W_hh[:] = 0
        loss, gradient = bptt(network, *pair)
        lowest = min(lowest, loss / 4)
        for w, dw in zip(network, gradient):
            w -= 0.3 * dw
    assert math.log(2) / 2 <= lowest < math.log(2) / 2 + 0.01


def test_breaking_the_recurrence_of_a_trained_network_breaks_the_word(network, pair):
    broken = network._replace(W_hh=np.zeros((3, 3)))
    assert say(broken) != "hello"
    assert bptt(broken, *pair)[0] / 4 > math.log(2) / 2


def test_the_recipe_prints_the_three_stages(capsys):
    hello_recipe.main([])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["after", "60", "steps", "it", "says", "helll"]
    assert lines[2].split() == ["after", "600", "steps", "it", "says", "hello"]


# min-char-rnn, as shipped ------------------------------------------------------------------------

CSV, CARD = (DATA / "experiments" / f"min_char_rnn.{end}" for end in ("csv", "json"))


@pytest.fixture(scope="module")
def rows():
    with CSV.open(encoding="utf-8", newline="") as file:
        return [
            (int(r["seed"]), int(r["iteration"]), float(r["smooth_loss"]))
            for r in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def shipped_card():
    return json.loads(CARD.read_text(encoding="utf-8"))


def test_the_shipped_file_is_the_one_that_its_card_describes(rows, shipped_card):
    assert hashlib.sha256(CSV.read_bytes()).hexdigest() == shipped_card["sha256"]
    table = checkpoints.experiment("min_char_rnn")
    assert [*table] == ["seed", "iteration", "smooth_loss"]
    assert [*zip(*(table[key].tolist() for key in table))] == rows


def test_it_holds_24_seeds_at_every_hundredth_of_17400_iterations(rows, shipped_card):
    assert len({seed for seed, _, _ in rows}) == 24 >= 20
    expected = [(seed, n) for seed in range(24) for n in range(100, 17_401, 100)]
    assert [row[:2] for row in rows] == expected  # 174 points each
    assert shipped_card["seed"] == list(range(24)) and shipped_card["steps"] == 17_400


def test_the_cards_numbers_are_those_of_the_file(rows, shipped_card):
    final = [loss for _, iteration, loss in rows if iteration == 17_400]
    assert shipped_card["metrics"] == {
        "final smooth loss, min": min(final),
        "final smooth loss, median": pytest.approx(statistics.median(final), abs=6e-4),
        "final smooth loss, max": max(final),
    }


def test_every_run_starts_at_a_uniform_guess_and_ends_far_below(rows):
    final = [loss for _, iteration, loss in rows if iteration == 17_400]
    first = [loss for _, iteration, loss in rows if iteration == 100]
    assert 3 < min(final) and max(final) < 40
    assert len(set(final)) == 24
    uniform = 25 * math.log(39)
    assert all(uniform - 3 < loss < uniform + 3 for loss in first)


def test_no_run_jumps(rows):
    """smooth moves by a thousandth of a loss per iteration: 100 of them bound each difference."""
    for (seed, _, before), (same, _, after) in zip(rows, rows[1:]):
        if seed == same:
            assert after > before * 0.999**100 - 0.002
            assert after - before < 15


def test_the_card_says_how_to_make_it_again(shipped_card):
    assert shipped_card["command"] == "python -m lecture_utils.recipes min_char_rnn"
    assert "5140 characters, 39 distinct" in shipped_card["data"]


def rerun(tmp_path, *options):
    path = tmp_path / "again"
    min_char_rnn.main(["--output", str(path), *options])
    return checkpoints.experiment(path), checkpoints.experiment_card(path)


def test_a_small_rerun_writes_the_same_kind_of_file(tmp_path, capsys, shipped_card):
    table, card = rerun(tmp_path, "--seeds", "2", "--iterations", "130")
    assert table["seed"].tolist() == [0, 0, 1, 1]
    assert table["iteration"].tolist() == [100, 130, 100, 130]
    final = table["smooth_loss"][[1, 3]].tolist()
    assert card["metrics"] == {
        "final smooth loss, min": min(final),
        "final smooth loss, median": pytest.approx(sum(final) / 2, abs=6e-4),
        "final smooth loss, max": max(final),
    }
    assert card["seed"] == [0, 1] and card["steps"] == 130
    assert "--seeds 2 --iterations 130" in card["command"]
    assert set(card) == set(shipped_card)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.csv", "again.json"]
    assert str(min(final)) in capsys.readouterr().out


def test_the_rerun_begins_as_the_shipped_runs_did(tmp_path, rows):
    """Later the runs are chaotic; after 100 iterations rounding has not grown that far."""
    table, _ = rerun(tmp_path, "--seeds", "2", "--iterations", "100")
    shipped = [loss for seed, iteration, loss in rows if iteration == 100 and seed < 2]
    assert table["smooth_loss"] == pytest.approx(shipped, abs=0.3)


@pytest.mark.parametrize("options", [["--seeds", "0"], ["--iterations", "0"], ["--seeds", "-1"]])
def test_nothing_to_run_is_refused_and_nothing_is_written(tmp_path, options, capsys):
    with pytest.raises((ValueError, SystemExit)) as error:
        rerun(tmp_path, *options)
    said = str(error.value) + capsys.readouterr().err
    assert options[0].strip("-") in said and options[1] in said
    assert not list(tmp_path.iterdir())
