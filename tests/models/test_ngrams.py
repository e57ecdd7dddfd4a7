"""n-gram models: the equations once more with dictionaries, sources of known entropy, real text."""

import ast
import gzip
import lzma
import math
import random
import subprocess
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lecture_utils.datasets.text import Alphabet, story
from lecture_utils.models.ngrams import NGram, bits_per_character, compressed_bits

# The same with dictionaries ----------------------------------------------------------------------


class Slow:
    """The equations of the module, one n-gram at a time. n-grams are tuples."""

    def __init__(self, text, V, N, preceding=True):
        """preceding=False backs off to plain counts, as one might do by mistake."""
        text = tuple(int(w) for w in text)
        c = {n: Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(N + 2)}
        d = {n: Counter(g[1:] for g in c[n + 1]) if preceding else c[n] for n in range(1, N + 1)}
        self.V, self.N = V, N
        self.P = {n: self.table(c[n]) for n in range(1, N + 1)}
        self.Q = {n: self.table(d[n]) for n in range(1, N)}

    def table(self, counts):
        D = discounts_by_hand(list(counts.values()))
        total, set_aside = defaultdict(int), defaultdict(float)
        for g, k in counts.items():
            total[g[:-1]] += k
            set_aside[g[:-1]] += D[min(k, 3)]
        share = {g: (k - D[min(k, 3)]) / total[g[:-1]] for g, k in counts.items()}
        return share, {h: set_aside[h] / total[h] for h in total}

    def term(self, table, h, w):
        share, g = table
        return share.get(h + (w,), 0) + g.get(h, 1) * self.shorter(h, w)

    def shorter(self, h, w):
        return self.term(self.Q[len(h)], h[1:], w) if h else 1 / self.V

    def probabilities(self, context):
        h = tuple(int(w) for w in context)[max(0, len(context) - self.N + 1) :]
        return [self.term(self.P[len(h) + 1], h, w) for w in range(self.V)]


def discounts_by_hand(counts):
    n = [counts.count(k) for k in range(5)]
    if 0 in n[1:4]:
        return 0, 0.5, 1, 1.5
    y = n[1] / (n[1] + 2 * n[2])
    D = [0] + [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    return D if min(D[1:]) > 0 else (0, 0.5, 1, 1.5)


@cache
def tale(start=2000, length=3000):
    """A passage of the story as codes, and the size of an alphabet with characters it lacks."""
    return Alphabet(story()).encode(story())[start : start + length], len(Alphabet(story())) + 3


def contexts_of(codes, V, longest):
    """Contexts that occur, that end or begin as one that occurs, and that do not; of any length."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        length, i = rng.integers(0, longest + 1), rng.integers(longest, len(codes))
        seen, unseen = codes[i - length : i], rng.integers(0, V, length)
        half = length // 2
        yield from (seen, unseen)
        yield np.concatenate([unseen[:half], seen[half:]])
        yield np.concatenate([seen[:half], unseen[half:]])
    yield codes[-longest:]  # nothing follows the end


# Order 12: no number of 64 bits could name one of 60 ** 12 n-grams by its characters.
@pytest.mark.parametrize("order", [1, 2, 3, 5, 12])
def test_the_model_is_its_slow_twin(order):
    codes, V = tale()
    fast, slow = NGram(codes, V, order), Slow(codes, V, order)
    for context in contexts_of(codes, V, order + 1):
        p = fast.probabilities(context)
        np.testing.assert_allclose(p, slow.probabilities(context), rtol=1e-11)


@pytest.mark.parametrize("text", ["a", "ab", "aaaaaaa", "abcabcabcabcabcabc", "abracadabra"])
def test_the_smallest_texts_are_those_of_the_twin_too(text):
    codes = Alphabet("abcdr").encode(text)
    for order in {1, min(2, len(text)), len(text)}:
        fast, slow = NGram(codes, 6, order), Slow(codes, 6, order)
        for context in contexts_of(codes, 6, min(order, len(text) - 1)):
            p = fast.probabilities(context)
            np.testing.assert_allclose(p, slow.probabilities(context), rtol=1e-12)
            assert p.sum() == pytest.approx(1, abs=1e-12) and p.min() > 0


def test_a_twin_that_backs_off_to_plain_counts_is_another_model():
    codes, V = tale()
    fast, wrong = NGram(codes, V, 3), Slow(codes, V, 3, preceding=False)
    context = codes[100:102]
    assert np.abs(fast.probabilities(context) - wrong.probabilities(context)).max() > 1e-4


# Laws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", range(1, 9))
def test_probabilities_sum_to_1_and_none_is_0(order):
    codes, V = tale()
    model = NGram(codes, V, order)
    for context in contexts_of(codes, V, order + 1):
        p = model.probabilities(context)
        assert p.shape == (V,)
        assert p.sum() == pytest.approx(1, abs=1e-12)
        assert p.min() > 0


def test_only_the_last_characters_count():
    codes, V = tale()
    model = NGram(codes, V, 4)
    context = codes[50:60]
    assert np.array_equal(model.probabilities(context), model.probabilities(context[-3:]))
    assert not np.array_equal(model.probabilities(context), model.probabilities(context[-2:]))


def test_one_fit_holds_the_models_of_all_lower_orders():
    codes, V = tale()
    new = tale(9000, 400)[0]
    log_p = NGram(codes, V, 6).log_probabilities(new)
    assert log_p.shape == (6, 400)
    for order in range(1, 7):
        own = NGram(codes, V, order).log_probabilities(new)
        assert np.array_equal(own, log_p[:order])
    assert all(np.abs(a - b).max() > 0.1 for a, b in zip(log_p, log_p[1:]))


def test_the_three_ways_to_ask_agree_at_every_position():
    codes, V = tale()
    model = NGram(codes, V, 5)
    new = np.append(tale(9000, 120)[0], [V - 1, V - 2, 0, 1])  # two that the text has not
    log_p = model.log_probabilities(new)[-1]
    p = model.distributions(new, np.arange(len(new) + 1))
    assert p.shape == (len(new) + 1, V)
    np.testing.assert_allclose(np.log(p[np.arange(len(new)), new]), log_p, rtol=1e-13)
    for t in range(len(new) + 1):
        assert np.array_equal(model.probabilities(new[:t]), p[t])
    some = np.array([7, len(new), 0, 7])  # in any order, and twice
    assert np.array_equal(model.distributions(new, some), p[some])


def test_no_probability_looks_ahead():
    codes, V = tale()
    model, new = NGram(codes, V, 5), tale(9000, 60)[0]
    changed = new.copy()
    changed[30:] = (changed[30:] + 1) % V
    before, after = model.log_probabilities(new), model.log_probabilities(changed)
    assert np.array_equal(before[:, :30], after[:, :30])
    assert (before[:, 30] != after[:, 30]).all()


def test_small_integers_will_do_and_the_text_is_left_alone():
    codes, V = tale()
    small, kept = codes.astype(np.int8), codes.copy()
    log_p = NGram(codes, V, 4).log_probabilities(codes[:50])
    assert np.array_equal(NGram(small, V, 4).log_probabilities(small[:50]), log_p)
    assert np.array_equal(codes, kept)


def test_no_text_has_no_log_probabilities():
    assert NGram(np.array([0, 1]), 2, 2).log_probabilities(np.array([], int)).shape == (2, 0)


# By hand -----------------------------------------------------------------------------------------


def test_the_unigram_is_the_counts_less_their_discounts():
    codes = np.repeat(np.arange(7), [1, 1, 1, 2, 2, 3, 4])  # 14 characters, and two more in V
    # n_1 = 3, n_2 = 2, n_3 = n_4 = 1: y = 3/7, D(1) = 3/7, D(2) = 19/14, D(3) = 9/7
    set_aside = (3 * 3 / 7 + 2 * 19 / 14 + 2 * 9 / 7) / 14
    expected = np.full(9, set_aside / 9)
    expected[:3] += (1 - 3 / 7) / 14
    expected[3:5] += (2 - 19 / 14) / 14
    expected[5:7] += (np.array([3, 4]) - 9 / 7) / 14
    p = NGram(codes, 9, 1).probabilities(np.array([], int))
    np.testing.assert_allclose(p, expected, rtol=1e-14)


def test_the_unigram_of_a_tiny_text_has_the_fixed_discounts():
    p = NGram(np.array([0, 0, 0, 0, 0, 1]), 3, 1).probabilities(np.array([2]))
    set_aside = (1.5 + 0.5) / 6
    expected = [3.5 / 6 + set_aside / 3, 0.5 / 6 + set_aside / 3, set_aside / 3]
    np.testing.assert_allclose(p, expected, rtol=1e-14)


def test_what_always_follows_the_same_character_is_not_expected_elsewhere():
    """u is frequent but only behind q, x is rare but behind many: a new context expects x."""
    a = Alphabet("abcdequx!")
    codes = a.encode("qu" * 40 + "axbxcxdxex")
    u, x = a.encode("ux")
    model = NGram(codes, len(a), 2)
    after_new = model.probabilities(a.encode("!"))
    assert after_new[x] > 2 * after_new[u]
    unigram = model.probabilities(a.encode(""))
    assert unigram[u] > 5 * unigram[x]
    assert model.probabilities(a.encode("q"))[u] > 0.9


# Sources of known entropy ------------------------------------------------------------------------


def markov_text(k, V, length, rng):
    """A text whose characters depend on the k before, and its entropy rate in bits."""
    table = rng.dirichlet(np.full(V, 0.4), V**k)
    rate_after = -(table * np.log2(table)).sum(axis=1)
    state, draws, table = 0, rng.random(length), table.cumsum(axis=1)
    codes, states = np.empty(length, np.int64), np.empty(length, np.int64)
    for t in range(length):
        states[t] = state
        codes[t] = min(np.searchsorted(table[state], draws[t]), V - 1)
        state = (state * V + codes[t]) % V**k
    return codes, rate_after[states].mean()


@pytest.mark.parametrize("k", [1, 2])
def test_a_markov_source_takes_its_entropy_rate(k):
    codes, rate = markov_text(k, 6, 120_000, np.random.default_rng(k))
    model = NGram(codes[:100_000], 6, k + 2)
    bits = bits_per_character(model.log_probabilities(codes[100_000:]))
    assert bits[k] == pytest.approx(rate, rel=0.02)
    assert bits[k - 1] > 1.1 * rate  # one character less is not enough
    assert bits[k] <= bits[k + 1] < 1.02 * rate  # one more does not help, and harms little


def test_noise_takes_the_bits_of_its_alphabet():
    codes = np.random.default_rng(0).integers(0, 8, 60_000)
    bits = bits_per_character(NGram(codes[:50_000], 8, 3).log_probabilities(codes[50_000:]))
    assert bits == pytest.approx([3, 3, 3], abs=0.02)


# Real text ---------------------------------------------------------------------------------------


def test_a_text_known_by_heart_takes_few_bits_at_high_order():
    codes, V = tale(0, 60_000)
    bits = bits_per_character(NGram(codes, V, 8).log_probabilities(codes))
    assert (np.diff(bits) < 0).all()
    assert bits[0] > 4 and bits[-1] < 1


def test_prose_that_is_held_out():
    codes, V = tale(0, 60_000)
    bits = bits_per_character(NGram(codes[:54_000], V, 8).log_probabilities(codes[54_000:]))
    assert (np.diff(bits[:5]) < 0).all()  # up to order 5 each character more helps
    assert bits[4] < 2.5
    assert bits[7] < bits[4] + 0.03  # and beyond it does not harm


def test_source_code_that_is_held_out_is_better_than_with_plain_counts():
    """Trained on a few modules of the standard library, tested on another one's beginning."""
    modules = random, subprocess, lzma
    train = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in modules)
    test = Path(ast.__file__).read_text(encoding="utf-8")[:3000]
    a = Alphabet(train + test)
    model = NGram(a.encode(train), len(a), 6)
    bits = bits_per_character(model.log_probabilities(a.encode(test)))
    assert (np.diff(bits[:4]) < 0).all() and bits[-1] < 3
    slow, codes = Slow(a.encode(train), len(a), 6, preceding=False), tuple(a.encode(test).tolist())
    plain = [slow.term(slow.P[6], codes[t - 5 : t], codes[t]) for t in range(5, len(codes))]
    assert bits[-1] < -np.log2(plain).mean() - 0.02


# Bits, and compressors ---------------------------------------------------------------------------


def test_bits_are_the_mean_of_minus_log_2():
    assert bits_per_character(np.log([0.5, 0.125])) == pytest.approx(2, abs=1e-15)
    rows = bits_per_character(np.log([[0.5, 0.125, 0.25], [1, 1, 0.125]]))
    np.testing.assert_allclose(rows, [2, 1], atol=1e-15)


def test_compressed_bits_are_the_bytes_that_the_test_text_adds():
    train, test = story()[:20_000], story()[20_000:24_000]
    bits = compressed_bits(train, test)
    t, both = train.encode(), (train + test).encode()
    by_gzip = len(gzip.compress(both, 9)) - len(gzip.compress(t, 9))
    hard = 9 | lzma.PRESET_EXTREME
    by_lzma = len(lzma.compress(both, preset=hard)) - len(lzma.compress(t, preset=hard))
    assert bits == {"gzip": by_gzip * 8 / 4000, "lzma": by_lzma * 8 / 4000}
    assert 2 < bits["lzma"] < 4 and 2 < bits["gzip"] < 4


def test_text_counts_in_characters_and_bytes_in_bytes():
    written = "äöü" * 50 + "abc" * 50
    assert compressed_bits("ab", written[:300]) == compressed_bits(b"ab", written[:300]) != 0
    as_bytes = compressed_bits(b"ab", written.encode())
    for name, bits in compressed_bits("ab", written).items():
        assert bits == pytest.approx(as_bytes[name] * 450 / 300, rel=1e-12)


def test_gzip_has_forgotten_what_lies_32_kib_back_and_lzma_has_not():
    noise = np.random.default_rng(0).bytes(100_000)
    again = {"end": noise[-5000:], "start": noise[:5000]}
    bits = {name: compressed_bits(noise, text) for name, text in again.items()}
    assert bits["end"]["gzip"] < 0.2
    assert bits["start"]["gzip"] == pytest.approx(8, abs=0.1)
    assert max(bits["end"]["lzma"], bits["start"]["lzma"]) < 1


# Bad input ---------------------------------------------------------------------------------------

AB = np.array([0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: NGram(AB[:0], 2, 1), "the text is empty: give at least one character"),
        (lambda: NGram(AB, 2, 0), "order is 0: it has to be at least 1"),
        (lambda: NGram(AB, 0, 1), "vocab_size is 0: it has to be at least 1"),
        (lambda: NGram(AB, 2, 6), "5 characters, too few for order 6: .* order of at most 5"),
        (lambda: NGram(AB + 1, 2, 1), r"character 2 at step 1 is outside the vocabulary 0\.\.1"),
        (lambda: NGram(AB - 1, 2, 1), r"character -1 at step 0 is outside"),
        (lambda: NGram(AB, 2**61, 2), f"vocab_size is {2**61}: .* at most {(2**63 - 1) // 5}"),
        (lambda: NGram(AB, 2, 2).log_probabilities(AB * 3), "character 3 at step 1 is outside"),
        (lambda: NGram(AB, 2, 2).probabilities(np.array([0, 7])), "character 7 at step 0 is out"),
        (lambda: NGram(AB, 2, 2).distributions(AB, np.array([0, 6])), r"position 6 .* 0\.\.5"),
        (lambda: NGram(AB, 2, 2).distributions(AB, np.array([-1])), r"position -1 .* 0\.\.5"),
        (lambda: bits_per_character(np.array([])), "no log-probabilities: give those of at least"),
        (lambda: compressed_bits(b"abc", b""), "the test text is empty: give at least one"),
    ],
)
def test_bad_input_is_named_with_the_remedy(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_two_texts_at_once_are_refused(as_a_reader_runs_it):
    with pytest.raises(ValueError, match=r"the text has shape \(2, 5\): give one row"):
        NGram(np.stack([AB, AB]), 2, 1)


def test_the_widest_alphabet_that_fits_still_counts():
    model = NGram(AB, (2**63 - 1) // 5, 3)
    assert math.exp(model.log_probabilities(AB)[-1, 4]) > 0.1
