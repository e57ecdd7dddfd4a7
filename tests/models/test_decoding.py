"""Decoding: exhaustive search on tiny vocabularies, made cases, and bugs that would be noticed."""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models import decoding
from lecture_utils.models.decoding import (
    beam_search,
    beam_trees,
    greedy,
    hypotheses,
    sampled,
    take_rows,
)

pytestmark = pytest.mark.usefixtures("float64")

START, END = 0, 1
V, LONGEST = 4, 5


class Network:
    """A random step function: what comes next depends on the state, the state on all before."""

    def __init__(self, seed, vocabulary=V, H=6, sharpness=3.0):
        rng = torch.Generator().manual_seed(seed)
        self.E, self.W = (torch.randn(n, H, generator=rng) for n in (vocabulary, H))
        self.O = sharpness * torch.randn(H, vocabulary, generator=rng)
        self.asked = []

    def __call__(self, words, state):
        h, (steps,) = state
        self.asked.append(len(words))
        h = torch.tanh(h @ self.W + self.E[words])
        return h @ self.O + 0.1 * steps, (h, (steps + 1,))

    def start(self, images=1, seed=0):
        h = torch.randn(images, 6, generator=torch.Generator().manual_seed(seed))
        return h, (torch.zeros(images, 1),)

    def log_p(self, words, state):
        """Of each of these words in a row, from START on, by itself."""
        found, before = [], START
        for word in words:
            logits, state = self(torch.tensor([before]), state)
            found.append(logits.log_softmax(1)[0, word].item())
            before = word
        return found


class Listed(NamedTuple):
    words: list
    score: float
    finished: bool


def every_caption(network, state, power, longest=LONGEST, vocabulary=V):
    """Exhaustive search, best first: all that end within `longest`, then all that do not."""
    others = [word for word in range(vocabulary) if word != END]
    found = []
    for length in range(1, longest + 1):
        for before in product(others, repeat=length - 1):
            for last in range(vocabulary):
                if last == END or length == longest:
                    log_p = network.log_p([*before, last], state)
                    words = list(before) if last == END else [*before, last]
                    found.append(Listed(words, sum(log_p) / length**power, last == END))
    return sorted(found, key=lambda c: (not c.finished, -c.score))


def table(probabilities, vocabulary):
    """A step function and its state from {words so far: {word: p}}; unknown pasts END."""

    def step(words, state):
        state = torch.cat([state, words[:, None]], dim=1)
        logits = torch.full((len(words), vocabulary), -math.inf)
        for row, past in zip(logits, state[:, 1:].tolist()):  # without START
            for word, p in probabilities.get(tuple(past), {END: 1.0}).items():
                row[word] = math.log(p)
        return logits, state

    return step, torch.zeros(1, 0, dtype=torch.long)


# Exhaustive search ------------------------------------------------------------------------------

POWERS = (0.0, 0.5, 1.0, 2.0)
EVERYTHING = 3 ** (LONGEST - 1) * V  # the candidates at the last depth


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_wide_enough_for_every_candidate_is_exhaustive_search(seed, power):
    network = Network(seed)
    state = network.start(seed=seed)
    wanted = every_caption(network, state, power)
    found = beam_search(network, state, START, END, EVERYTHING, LONGEST, power)
    assert found[0].words == wanted[0].words and found[0].finished
    scores = {tuple(c.words) + (c.finished,): c.score for c in wanted}
    for hypothesis in found:  # the others too are scored as they should be
        name = tuple(hypothesis.words) + (hypothesis.finished,)
        assert hypothesis.score == pytest.approx(scores[name], rel=1e-12)
        whole = hypothesis.words + [END] * hypothesis.finished
        assert hypothesis.log_p == pytest.approx(network.log_p(whole, state), abs=1e-12)
        assert hypothesis.score == pytest.approx(
            sum(hypothesis.log_p) / len(hypothesis.log_p) ** power
        )


def test_a_search_that_cannot_stop_early_lists_every_caption(monkeypatch):
    monkeypatch.setattr(decoding, "_at_best", lambda total, longest, power: 1.0)
    network = Network(1)
    wanted = every_caption(network, network.start(), 0.7)
    found = beam_search(network, network.start(), START, END, EVERYTHING, LONGEST, 0.7)
    assert len(found) == len(wanted) == 1 + 3 + 9 + 27 + 81 + 243
    assert [c.words for c in found] == [c.words for c in wanted]
    assert [c.finished for c in found] == [True] * 121 + [False] * 243


def mistaken(network, width):
    """Is a hypothesis scored otherwise than the network scores its words?"""
    state = network.start()
    for hypothesis in beam_search(network, state, START, END, width, LONGEST, 1.0):
        words = hypothesis.words + [END] * hypothesis.finished
        if not np.allclose(hypothesis.log_p, network.log_p(words, state)):
            return True
    return False


def test_a_state_that_stays_behind_its_words_would_be_noticed(monkeypatch):
    """The classic bug: the words are put in the order of the beam, the states are not."""
    networks = [Network(seed, vocabulary=7) for seed in range(20)]
    assert not any(mistaken(network, 3) for network in networks)

    def left_behind(state, rows):
        if isinstance(state, tuple):
            return tuple(left_behind(part, rows) for part in state)
        return state[torch.arange(len(rows)) % len(state)]

    monkeypatch.setattr(decoding, "take_rows", left_behind)
    assert sum(mistaken(network, 3) for network in networks) > 5
    assert not any(mistaken(network, 1) for network in networks)  # greedy does not show it


def long_way():
    """A caption of 2 words, and one of 15 that is hardly less likely from its second on."""
    p = {(): {2: 0.9, END: 0.1}, (2,): {END: 0.8, 3: 0.2}}
    for length in range(2, 15):
        p[(2,) + (3,) * (length - 1)] = {3: 0.999, END: 0.001}
    return table(p, V)  # log .72 / 2 = -.164 against (log .18 + 13 log .999) / 16 = -.108


@pytest.mark.parametrize(
    "wrong",
    [
        lambda total, longest, power: total,  # forgets that a longer caption is divided by more
        lambda total, longest, power: total / 4**power,  # as if it could not get much longer
        lambda total, longest, power: -math.inf,  # stops at the first that ends
    ],
)
def test_a_search_that_stops_too_early_would_be_noticed(monkeypatch, wrong):
    step, state = long_way()
    won = [2] + [3] * 14
    assert beam_search(step, state, START, END, 3, 20, 1.0)[0].words == won
    monkeypatch.setattr(decoding, "_at_best", wrong)
    assert beam_search(step, state, START, END, 3, 20, 1.0)[0].words != won


def test_the_search_stops_as_soon_as_it_is_decided_and_no_sooner():
    p = {(): {2: 0.9, END: 0.1}, (2,): {END: 0.8, 3: 0.2}, (2, 3): {2: 0.9, END: 0.1}}
    step, state = table(p, V)

    def depth(power, longest=20):
        tree = beam_trees(step, state, START, END, 3, longest, power)[0]
        return max(node.depth for node in tree)

    assert depth(0.0) == 2  # .72 has ended, .18 is open
    # log .72 / 2 = -.164 against log .18 / 20 = -.086: a long and certain rest would win
    assert depth(1.0) > 2
    assert depth(1.0, longest=10) == 2  # against log .18 / 10 = -.171: none can
    beaten = [n for n in beam_trees(step, state, START, END, 3, 10, 1.0)[0] if n.fate == "beaten"]
    assert [n.word for n in beaten] == [3]


# Greedy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_greedy_is_a_beam_of_width_1(seed):
    network = Network(seed, vocabulary=7)
    state = network.start()
    ours = greedy(network, state, START, END, 6)
    for power in (0.0, 1.0):
        (only,) = beam_search(network, state, START, END, 1, 6, power)
        assert ours.words == [only.words] and ours.finished == [only.finished]
        assert_close(torch.tensor(ours.log_p[0]), torch.tensor(only.log_p), 1e-12)


def test_greedy_by_hand():
    step, state = table({(): {2: 0.6, 3: 0.4}, (2,): {3: 0.5, END: 0.5}, (2, 3): {2: 1.0}}, V)
    found = greedy(step, state, START, END, 9)
    assert found.words == [[2]] and found.finished == [True]  # of equal ones the smaller code
    assert np.exp(found.log_p[0]) == pytest.approx([0.6, 0.5])
    cut = greedy(step, state, START, END, 1)
    assert cut.words == [[2]] and cut.finished == [False] and len(cut.log_p[0]) == 1
    nothing = greedy(*table({}, V), START, END, 9)
    assert nothing.words == [[]] and nothing.log_p == [[0.0]] and nothing.finished == [True]


def test_each_image_of_a_batch_is_captioned_as_if_alone():
    network = Network(2, vocabulary=7)
    state = network.start(5)
    uniforms = torch.rand(5, 6)
    together = greedy(network, state, START, END, 6), sampled(network, state, START, END, uniforms)
    trees = beam_trees(network, state, START, END, 3, 6, 0.7, shown=2)
    assert len({len(words) for words in together[0].words}) > 1  # some end before others
    for b in range(5):
        own = take_rows(state, [b])
        alone = (
            greedy(network, own, START, END, 6),
            sampled(network, own, START, END, uniforms[b : b + 1]),
        )
        for one, all_of_them in zip(alone, together):
            assert one.words[0] == all_of_them.words[b]
            assert one.finished[0] == all_of_them.finished[b]
            assert one.log_p[0] == pytest.approx(all_of_them.log_p[b], abs=1e-12)
        (tree,) = beam_trees(network, own, START, END, 3, 6, 0.7, shown=2)
        assert [n[:3] + n[6:] for n in tree] == [n[:3] + n[6:] for n in trees[b]]
        assert [n.score for n in tree] == pytest.approx([n.score for n in trees[b]], abs=1e-12)


# Wider beams -------------------------------------------------------------------------------------

BETTER = {
    (): {2: 0.6, 3: 0.4},
    (2,): {2: 0.34, 3: 0.33, END: 0.33},  # a likely word that leads nowhere in particular
    (3,): {END: 0.9, 2: 0.1},
}
LOST = {
    (): {2: 0.55, 3: 0.45},
    (2,): {2: 0.34, 3: 0.33, 4: 0.33},  # at most .187, and then END for certain
    (3,): {2: 0.5, 3: 0.5},  # .225 twice, which fills a beam of 2
    (3, 2): {2: 0.3, 3: 0.3, END: 0.4},
    (3, 3): {2: 0.3, 3: 0.3, END: 0.4},
}


def best(probabilities, width, vocabulary=5):
    step, state = table(probabilities, vocabulary)
    found = beam_search(step, state, START, END, width, 6)[0]
    return found.words, round(math.exp(found.score), 4)


def test_a_beam_of_2_finds_what_greedy_misses():
    assert best(BETTER, 1) == ([2, 2], 0.204)
    assert best(BETTER, 2) == ([3], 0.36)


def test_a_beam_of_2_can_lose_what_greedy_finds():
    assert best(LOST, 1) == ([2, 2], 0.187)
    assert best(LOST, 2) == ([3, 2], 0.09)
    assert best(LOST, 3) == ([2, 2], 0.187)


def test_wider_is_better_as_a_rule():
    def score(seed, width):
        network = Network(seed, vocabulary=5, sharpness=0.5)
        found = beam_search(network, network.start(), START, END, width, 12, never=(START,))[0]
        return found.score if found.finished else math.nan

    scores = np.array([[score(seed, width) for width in (1, 2, 3)] for seed in range(40)])
    scores = scores[~np.isnan(scores).any(axis=1)]
    assert len(scores) > 20
    change = np.diff(scores, axis=1)
    assert (change.mean(axis=0) > 0).all()
    assert ((change > 1e-9).sum(axis=0) > (change < -1e-9).sum(axis=0)).all()


def test_length_normalisation_turns_a_short_caption_into_a_long_one():
    p = {(): {END: 0.4, 2: 0.35, 3: 0.25}, (2,): {3: 0.9, END: 0.1}, (2, 3): {END: 0.9, 2: 0.1}}
    step, state = table(p, V)
    assert beam_search(step, state, START, END, 3, 6)[0].words == []  # .4 > .35 .9 .9 = .28
    longer = beam_search(step, state, START, END, 3, 6, length_power=1.0)[0]
    assert longer.words == [2, 3]
    assert longer.score == pytest.approx(math.log(0.35 * 0.9 * 0.9) / 3)


def test_equal_candidates_are_taken_in_a_fixed_order():
    step, state = table({(): {4: 0.25, 3: 0.25, 2: 0.25, END: 0.25}}, 5)
    (tree,) = beam_trees(step, state, START, END, 3, 4, 0.0)
    first = [(n.word, n.fate) for n in tree if n.depth == 1]
    assert first == [(END, "finished"), (2, "beaten"), (3, "beaten")]
    step, state = table({(): {3: 0.5, 2: 0.5}, (2,): {4: 0.5, END: 0.5}, (3,): {4: 1.0}}, 5)
    assert [h.words for h in beam_search(step, state, START, END, 3, 4)] == [[3, 4], [2], [2, 4]]


# Sampling ----------------------------------------------------------------------------------------


def test_a_uniform_number_falls_into_a_words_share():
    p = {(): {END: 0.1, 2: 0.2, 3: 0.7}, (3,): {2: 0.5, 3: 0.5}}
    step, one = table(p, V)
    state = one.expand(5, 0)
    first = torch.tensor([0.0, 0.09, 0.11, 0.29, 0.31])
    uniforms = torch.stack([first, torch.full((5,), 0.75), torch.zeros(5)], dim=1)
    found = sampled(step, state, START, END, uniforms)
    assert found.words == [[], [], [2], [2], [3, 3]]
    assert found.finished == [True] * 5
    assert np.exp(found.log_p[4]) == pytest.approx([0.7, 0.5, 1.0])
    assert sampled(step, one, START, END, uniforms[4:, :2]).finished == [False]


def test_sampling_follows_the_distribution_at_each_temperature():
    step, one = table({(): {END: 0.2, 2: 0.3, 3: 0.5}}, V)
    N = 20_000
    uniforms = (torch.arange(N) + 0.5)[:, None] / N
    for temperature in (0.5, 1.0, 2.0):
        found = sampled(step, one.expand(N, 0), START, END, uniforms, temperature)
        shares = np.array([0.2, 0.3, 0.5]) ** (1 / temperature)
        counts = [sum(words == w for words in found.words) for w in ([], [2], [3])]
        assert np.array(counts) / N == pytest.approx(shares / shares.sum(), abs=1e-4)
        # log p is the model's own, whatever the temperature
        assert {round(math.exp(row[0]), 9) for row in found.log_p} == {0.2, 0.3, 0.5}


def test_a_low_temperature_is_greedy_and_the_same_numbers_give_the_same_words():
    network = Network(3, vocabulary=7)
    state, uniforms = network.start(20), torch.rand(20, 6)
    cold = sampled(network, state, START, END, uniforms, temperature=1e-6)
    assert cold.words == greedy(network, state, START, END, 6).words
    warm = [sampled(network, state, START, END, uniforms) for _ in range(2)]
    assert warm[0] == warm[1]
    assert warm[0].words != cold.words


# Words that are never said -----------------------------------------------------------------------


def test_never_takes_words_away_and_the_others_share_what_they_had():
    step, state = table({(): {START: 0.5, 3: 0.2, 2: 0.3}}, V)
    found = greedy(step, state, START, END, 4, never=(START, 3))
    assert found.words == [[2]] and found.log_p == [[0.0, 0.0]]
    N = 1000
    uniforms = torch.linspace(0, 1, N + 1)[:-1, None].expand(N, 2)
    found = sampled(step, state.expand(N, 0), START, END, uniforms, never=(START,))
    assert sum(words == [3] for words in found.words) == pytest.approx(400, abs=1)
    for tree in beam_trees(step, state, START, END, 8, 4, never=(START,), shown=8):
        assert {node.word for node in tree[1:]} <= {END, 2, 3}
        assert all(math.isfinite(node.score) for node in tree)


def test_nothing_of_the_models_is_changed():
    logits, state = torch.randn(1, V), torch.zeros(1, 2)
    before = logits.clone()

    def step(words, state):
        return logits.expand(len(words), V), state

    greedy(step, state, START, END, 3, never=(2,))
    beam_search(step, state, START, END, 2, 3, never=(2,))
    assert torch.equal(logits, before) and torch.equal(state, torch.zeros(1, 2))


def test_no_gradient_is_kept():
    network = Network(0)
    network.O.requires_grad_()
    seen = []

    def step(words, state):
        logits, state = network(words, state)
        seen.append(logits.requires_grad)
        return logits, state

    greedy(step, network.start(), START, END, 3)
    beam_search(step, network.start(), START, END, 2, 3)
    assert not any(seen)


# The tree ----------------------------------------------------------------------------------------


def test_the_tree_by_hand():
    step, state = table(LOST, 5)
    (tree,) = beam_trees(step, state, START, END, 2, 3, shown=1)
    seen = [(n.parent, n.depth, n.word, round(math.exp(n.total), 4), n.fate) for n in tree]
    assert seen == [
        (-1, 0, START, 1.0, "kept"),
        (0, 1, 2, 0.55, "kept"),
        (0, 1, 3, 0.45, "kept"),
        (2, 2, 2, 0.225, "kept"),
        (2, 2, 3, 0.225, "kept"),
        (1, 2, 2, 0.187, "dropped"),  # what greedy would have found
        (3, 3, END, 0.09, "finished"),
        (4, 3, END, 0.09, "finished"),
        (3, 3, 2, 0.0675, "dropped"),
        (4, 3, 2, 0.0675, "dropped"),
    ]
    assert [round(math.exp(n.log_p), 4) for n in tree[1:6]] == [0.55, 0.45, 0.5, 0.5, 0.34]


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_obeys_its_laws(seed):
    network, width, power = Network(seed, vocabulary=7), 3, 0.7
    (tree,) = beam_trees(network, network.start(), START, END, width, 6, power, shown=2)
    parents = {node.parent for node in tree}
    for place, node in enumerate(tree[1:], 1):
        parent = tree[node.parent]
        assert node.parent < place and parent.fate == "kept" and node.depth == parent.depth + 1
        assert node.total == pytest.approx(parent.total + node.log_p)
        assert node.score == pytest.approx(node.total / node.depth**power)
        assert (node.fate == "finished") <= (node.word == END)
        assert (node.fate == "kept") == (place in parents)
    for depth in range(1, max(node.depth for node in tree) + 1):
        level = [node for node in tree if node.depth == depth]
        taken = [node.total for node in level if node.fate != "dropped"]
        dropped = [node.total for node in level if node.fate == "dropped"]
        assert len(taken) <= width and taken == sorted(taken, reverse=True)
        assert not dropped or min(taken) >= max(dropped)
    for node_of_two in parents - {-1}:
        assert sum(n.parent == node_of_two and n.fate == "dropped" for n in tree) == 2


def test_what_is_shown_does_not_change_the_search():
    network = Network(4, vocabulary=7)
    plain, with_others = (
        beam_trees(network, network.start(), START, END, 3, 6, 0.7, shown=shown)[0]
        for shown in (0, 5)
    )
    assert hypotheses(plain) == hypotheses(with_others)
    assert [n.fate for n in plain] == [n.fate for n in with_others if n.fate != "dropped"]


def test_the_state_is_asked_for_live_rows_only():
    network = Network(0)
    beam_trees(network, network.start(3), START, END, 2, LONGEST, 1.0)
    assert network.asked[0] == 3 and max(network.asked) <= 6 and len(network.asked) <= LONGEST


def test_unfinished_captions_are_marked_and_come_last():
    step, state = table({(): {2: 0.9, END: 0.1}, (2,): {2: 0.99, END: 0.01}}, V)
    found = beam_search(step, state, START, END, 2, 2)
    assert [(h.words, h.finished) for h in found] == [([], True), ([2], True), ([2, 2], False)]
    assert np.exp([h.score for h in found]) == pytest.approx([0.1, 0.009, 0.891])
    found = beam_search(step, state, START, END, 1, 2)
    assert [(h.words, h.finished, len(h.log_p)) for h in found] == [([2, 2], False, 2)]


# States and bad input ----------------------------------------------------------------------------


class Memory(NamedTuple):
    h: torch.Tensor
    layers: list


def test_a_state_may_be_nested_in_any_way():
    state = Memory(torch.tensor([[1.0], [2.0]]), [(torch.tensor([3, 4]),), torch.zeros(2, 3, 5)])
    taken = take_rows(state, [1, 1, 0])
    assert type(taken) is Memory and type(taken.layers) is list and type(taken.layers[0]) is tuple
    assert taken.h.tolist() == [[2.0], [2.0], [1.0]] and taken.layers[0][0].tolist() == [4, 4, 3]
    assert taken.layers[1].shape == (3, 3, 5)


def constant(logits):
    return lambda words, state: (torch.as_tensor(logits).expand(len(words), -1), state)


FLAT = constant([0.0] * V)
ONE = torch.zeros(1, 2)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: greedy(FLAT, ONE, START, END, 0), "longest is 0"),
        (lambda: greedy(FLAT, ONE, 4, END, 3), r"start holds the code 4: .* 0\.\.3"),
        (lambda: greedy(FLAT, ONE, START, -1, 3), "end holds the code -1"),
        (lambda: greedy(FLAT, ONE, START, END, 3, (7,)), "never holds the code 7"),
        (lambda: greedy(FLAT, ONE, START, END, 3, (2, END)), "never holds end, 1"),
        (lambda: greedy(FLAT, (ONE, torch.zeros(2, 3)), START, END, 3), r"\[\(1, 2\), \(2, 3\)\]"),
        (lambda: greedy(FLAT, (ONE, torch.tensor(3.0)), START, END, 3), "a constant belongs"),
        (lambda: greedy(FLAT, (), START, END, 3), r"shapes \[\]"),
        (lambda: greedy(FLAT, torch.zeros(0, 2), START, END, 3), "one row per image"),
        (lambda: greedy(constant([0.0, torch.nan]), ONE, START, END, 3), "hold nan"),
        (lambda: greedy(constant([0.0, torch.inf]), ONE, START, END, 3), r"\+inf"),
        (lambda: greedy(constant([0.0, -torch.inf]), ONE, START, END, 3, (0,)), "above -inf"),
        (
            lambda: greedy(lambda w, s: (torch.zeros(V), s), ONE, START, END, 3),
            r"shape \(4,\) for 1 words",
        ),
        (lambda: sampled(FLAT, ONE, START, END, torch.rand(2, 3)), r"shape \(2, 3\): .* \(1, lon"),
        (lambda: sampled(FLAT, ONE, START, END, torch.rand(1, 0)), "longest is 0"),
        (lambda: sampled(FLAT, ONE, START, END, torch.ones(1, 3)), "uniform number 1"),
        (lambda: sampled(FLAT, ONE, START, END, torch.rand(1, 3), 0.0), "temperature is 0"),
        (lambda: beam_search(FLAT, ONE, START, END, 0, 3), "width is 0"),
        (lambda: beam_search(FLAT, ONE, START, END, 2, 0), "longest is 0"),
        (lambda: beam_search(FLAT, ONE, START, END, 2, 3, -0.5), "length_power is -0.5"),
        (lambda: beam_search(FLAT, ONE, START, END, 2, 3, math.nan), "length_power is nan"),
        (lambda: beam_search(FLAT, ONE.expand(3, 2), START, END, 2, 3), "of 3 images"),
        (lambda: beam_trees(FLAT, ONE, START, END, 2, 3, shown=-1), "shown is -1"),
    ],
)
def test_bad_input_is_refused(as_a_reader_runs_it, call, said):
    with pytest.raises(ValueError, match=said):
        call()
