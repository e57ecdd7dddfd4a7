"""Puzzles: every answer is recomputed here by other means."""

import numpy as np
import pytest

from lecture_utils.datasets.puzzles import (
    ADDING_TRIVIAL,
    QUOTED,
    adding,
    brackets,
    hello,
    quotes,
    recall,
    reversal,
    running_parity,
    switch,
    temporal_order,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_hello_predicts_each_next_letter():
    text, targets = hello()
    assert text[0] + targets == "hello"
    assert text[1:] == targets[:-1]


def test_running_parity_counts_the_ones_so_far():
    bits, odd = running_parity(50, 13, rng())
    assert bits.shape == odd.shape == (50, 13)
    assert set(np.unique(bits)) == {0, 1}
    for row, answers in zip(bits.tolist(), odd.tolist()):
        state = 0
        for bit, answer in zip(row, answers):
            state ^= bit
            assert answer == state
    assert 0.45 < odd.mean() < 0.55  # guessing is right half of the time


def test_reversal_reads_backwards():
    words, backwards = reversal(50, 7, 5, rng())
    assert words.shape == backwards.shape == (50, 7)
    for word, back in zip(words.tolist(), backwards.tolist()):
        assert [word[6 - t] for t in range(7)] == back
    assert set(np.unique(words)) == set(range(5))
    assert not np.shares_memory(words, backwards)  # changing one leaves the other


def test_recall_asks_for_the_first_symbol_only():
    inputs, kept = recall(600, 4, 3, rng())
    assert inputs.shape == (600, 5) and kept.shape == (600,)
    for row, answer in zip(inputs.tolist(), kept.tolist()):
        assert row[0] == answer and 0 <= answer < 3
        assert all(3 <= distractor < 6 for distractor in row[1:])
    assert np.bincount(kept, minlength=3).min() > 160  # 200 each: guessing is right 1 time in 3
    assert set(np.unique(inputs[:, 1:])) == {3, 4, 5}


def test_distractors_say_nothing_about_the_symbol():
    inputs, kept = recall(6000, 1, 2, rng())
    shares = [np.mean(inputs[kept == k, 1] == 2) for k in (0, 1)]
    assert shares == pytest.approx([0.5, 0.5], abs=0.04)


def test_recall_without_a_lag_is_the_symbol_itself():
    inputs, kept = recall(5, 0, 4, rng())
    assert np.array_equal(inputs, kept[:, None])


def test_switch_stands_as_it_was_last_set():
    inputs, stands = switch(100, 30, rng())
    assert inputs.shape == stands.shape == (100, 30)
    for row, answers in zip(inputs.tolist(), stands.tolist()):
        assert row[0] in (0, 1)
        now = None
        for value, answer in zip(row, answers):
            now = now if value == 2 else value
            assert answer == now
    assert np.mean(inputs[:, 1:] == 2) == pytest.approx(0.7, abs=0.03)
    assert np.mean(stands) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("nothing, later", [(0, {0, 1}), (1, {2})])
def test_switch_with_certain_odds(nothing, later):
    inputs, stands = switch(40, 20, rng(), nothing=float(nothing))
    assert set(np.unique(inputs[:, 1:])) == later
    expected = np.repeat(inputs[:, :1], 20, axis=1) if nothing else inputs
    assert np.array_equal(stands, expected)


MAKE = {
    "running_parity": lambda r: running_parity(9, 8, r),
    "reversal": lambda r: reversal(9, 8, 5, r),
    "recall": lambda r: recall(9, 8, 5, r),
    "switch": lambda r: switch(9, 8, r),
}


@pytest.mark.parametrize("name", MAKE)
def test_same_seed_same_puzzle(name):
    first, again, other = (MAKE[name](rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])
    assert all(np.issubdtype(a.dtype, np.integer) for a in first)


@pytest.mark.parametrize("name", MAKE)
def test_examples_differ_from_each_other(name):
    inputs, _ = MAKE[name](rng())
    assert len(np.unique(inputs, axis=0)) > 5


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: running_parity(0, 5, rng()), "examples is 0: it has to be at least 1"),
        (lambda: running_parity(5, 0, rng()), "length is 0: it has to be at least 1"),
        (lambda: reversal(5, -2, 3, rng()), "length is -2: it has to be at least 1"),
        (lambda: reversal(5, 4, 0, rng()), "symbols is 0: it has to be at least 1"),
        (lambda: recall(0, 4, 3, rng()), "examples is 0"),
        (lambda: recall(5, -1, 3, rng()), "lag is -1: it has to be at least 0"),
        (lambda: recall(5, 4, 0, rng()), "symbols is 0"),
        (lambda: switch(5, 0, rng()), "length is 0"),
        (lambda: switch(5, 4, rng(), nothing=1.5), r"nothing is 1\.5: .*between 0 and 1"),
        (lambda: switch(5, 4, rng(), nothing=-0.1), r"nothing is -0\.1: .*between 0 and 1"),
        (lambda: switch(5, 4, rng(), nothing=float("nan")), "nothing is nan: .*between 0 and 1"),
    ],
)
def test_bad_sizes_are_named_with_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_quotes_says_whether_the_text_is_inside():
    inputs, inside = quotes(60, 37, rng())
    assert inputs.shape == inside.shape == (60, 37)
    for row, answers in zip(inputs.tolist(), inside.tolist()):
        text = "".join(QUOTED[symbol] for symbol in row)
        for t, answer in enumerate(answers):
            assert answer == text[: t + 1].count('"') % 2
    assert len(set(QUOTED)) == len(QUOTED)
    assert set(np.unique(inputs)) == set(range(len(QUOTED)))


def test_always_outside_is_right_as_often_as_the_docstring_says():
    _, inside = quotes(5000, 60, rng())
    assert np.mean(inside == 0) == pytest.approx(0.53, abs=0.01)


@pytest.mark.parametrize("length", [10, 11, 19, 100])
@pytest.mark.parametrize("keys", [2, 3])
def test_temporal_order_has_its_keys_where_they_belong(length, keys):
    inputs, answers = temporal_order(400, length, rng(), keys)
    assert inputs.shape == (400, length) and answers.shape == (400,)
    windows = [(0.1, 0.2), (0.5, 0.6), (0.7, 0.8)][:keys]
    for row, answer in zip(inputs.tolist(), answers.tolist()):
        places = [t for t, symbol in enumerate(row) if symbol < 2]
        assert len(places) == keys
        for t, (first, end) in zip(places, windows):
            assert first * length <= t < end * length
        assert int("".join(str(row[t]) for t in places), 2) == answer
    assert set(np.unique(inputs)) == set(range(6))


@pytest.mark.parametrize("keys", [2, 3])
def test_guessing_the_order_is_right_as_often_as_the_docstring_says(keys):
    inputs, answers = temporal_order(20_000, 20, rng(), keys)
    commonest = np.bincount(answers).max() / 20_000
    assert commonest == pytest.approx(2**-keys, rel=0.06)
    last_key = inputs[inputs < 2].reshape(-1, keys)[:, -1]
    guess = 2 * rng(1).integers(0, 2 ** (keys - 1), 20_000) + last_key  # knows the last key only
    assert np.mean(answers == guess) == pytest.approx(2 ** -(keys - 1), rel=0.06)


def test_adding_adds_the_two_marked_numbers():
    inputs, sums = adding(300, 9, rng())
    assert inputs.shape == (300, 9, 2) and sums.shape == (300,)
    for row, wanted in zip(inputs, sums):
        marked = np.flatnonzero(row[:, 1])
        assert len(marked) == 2 and marked[0] < 4 <= marked[1]
        assert row[marked, 0].sum() == pytest.approx(wanted, abs=1e-15)
    assert set(np.unique(inputs[..., 1])) == {0, 1}
    assert 0 <= inputs[..., 0].min() and inputs[..., 0].max() < 1


def test_always_answering_1_leaves_the_trivial_error():
    _, sums = adding(50_000, 10, rng())
    assert np.mean((sums - 1) ** 2) == pytest.approx(ADDING_TRIVIAL, rel=0.02)
    for other in (0.9, 1.1):
        assert np.mean((sums - other) ** 2) > np.mean((sums - 1) ** 2)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: temporal_order(5, 9, rng()), "length is 9"),
        (lambda: temporal_order(0, 20, rng()), "examples is 0"),
        (lambda: temporal_order(5, 20, rng(), keys=4), "keys is 4"),
        (lambda: adding(5, 1, rng()), "length is 1"),
        (lambda: quotes(5, 0, rng()), "length is 0"),
        (lambda: quotes(5, 9, rng(), marks=1.5), "marks is 1.5"),
    ],
)
def test_impossible_long_puzzles_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("kinds, depth", [(3, 4), (1, 1), (2, 8)])
def test_brackets_name_the_innermost_open_one(kinds, depth):
    inputs, answers = brackets(200, 40, np.random.default_rng(0), kinds, depth)
    deepest = 0
    for symbols, said in zip(inputs.tolist(), answers.tolist()):
        stack = []
        for symbol, answer in zip(symbols, said):
            if symbol < kinds:
                stack.append(symbol)
            else:
                assert stack.pop() == symbol - kinds
            assert answer == (stack[-1] + 1 if stack else 0)
            deepest = max(deepest, len(stack))
    assert deepest == depth


def test_brackets_are_worth_what_the_docstring_says_to_who_sees_one_symbol():
    inputs, answers = brackets(5000, 40, np.random.default_rng(1))
    right = sum(np.bincount(answers[inputs == s]).max() for s in range(6)) / answers.size
    assert right == pytest.approx(0.66, abs=0.01)
    assert all((answers[inputs == s] == s + 1).all() for s in range(3))
    for size in ({"kinds": 0}, {"depth": 0}):
        with pytest.raises(ValueError, match="it has to be at least 1"):
            brackets(2, 5, np.random.default_rng(0), **size)
