"""Probes: scores against scikit-learn and SciPy, controls against what is known to be noise."""

from functools import partial

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import roc_auc_score

from lecture_utils.training import probes
from lecture_utils.training.probes import (
    Found,
    Survey,
    auc,
    bootstrap_interval,
    correlation,
    find_cells,
    interpretable_cells,
    linear_probe,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def slow_noise(generator, *shape):
    """Noise that forgets in about 50 characters: knows nothing, and changes as slowly as a cell."""
    return lfilter([0.2], [1, -0.98], generator.standard_normal(shape), axis=0)


SLOW_DEVIATION = 0.2 / np.sqrt(1 - 0.98**2)
"""Standard deviation of `slow_noise`, a first-order recursion."""


def runs(generator, length, mean_run=40, share=0.3):
    """A feature that comes in runs, as quoted speech does."""
    inside, states = False, []
    while len(states) < length:
        mean = mean_run if inside else mean_run * (1 - share) / share
        states += [inside] * int(generator.geometric(1 / mean))
        inside = not inside
    return np.array(states[:length])


def text_with_known_cells(length=6000, cells=30):
    """Cell 7 is high inside the quotes, 11 low, 19 rises with the column; the rest is noise."""
    generator = rng()
    quotes = runs(generator, length)
    column = np.concatenate([np.arange(n) for n in generator.integers(30, 70, length)])[:length]
    values = slow_noise(generator, length, cells)
    values[:, 7] = 2.5 * quotes + generator.standard_normal(length)
    values[:, 11] = -2 * quotes + generator.standard_normal(length)
    values[:, 19] = np.tanh(column / 40) + 0.05 * generator.standard_normal(length)
    return values.astype(np.float32), {"quotes": quotes, "column": column}


SMALL = {"block": 100, "draws": 19, "resamples": 50}


# ------------------------------------------------------------------------------- the two scores


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_scikit_learns(dtype, ties):
    values = rng().standard_normal((301, 66)) * (2 if ties else 30)  # 66: more than one block
    values = (np.round(values) if ties else values).astype(dtype)
    labels = rng(1).random((301, 3)) < [0.1, 0.5, 0.9]
    scores = auc(values, labels)
    theirs = [[roc_auc_score(y, x.astype(float)) for y in labels.T] for x in values.T]
    assert scores.shape == (66, 3)
    np.testing.assert_allclose(scores, theirs, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(auc(values, labels[:, 1]), scores[:, 1])


def test_auc_counts_pairs_and_half_of_the_ties():
    values = rng().integers(0, 4, (23, 5))
    labels = np.arange(23) % 3 == 0
    for x, score in zip(values.T, auc(values, labels)):
        pairs = [(a > b) + (a == b) / 2 for a in x[labels] for b in x[~labels]]
        assert score == pytest.approx(np.mean(pairs), abs=1e-14)
    assert auc(np.zeros((6, 1)), np.arange(6) < 2) == 0.5
    assert auc(np.arange(6.0)[:, None], np.arange(6) >= 4) == 1


def test_auc_sees_only_the_order():
    values, labels = rng().standard_normal((300, 4)), rng(1).random(300) < 0.3
    np.testing.assert_array_equal(auc(np.exp(3 * values), labels), auc(values, labels))
    np.testing.assert_allclose(auc(-values, labels), 1 - auc(values, labels), atol=1e-15)
    np.testing.assert_allclose(auc(values, ~labels), 1 - auc(values, labels), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minus_zero_ties_with_zero(dtype):
    values = np.array([[-0.0], [0.0], [-1e-40], [1e-40]], dtype)
    assert auc(values[:2], np.array([False, True])) == 0.5
    assert auc(values, np.array([True, False, False, True])) == (1 + 0.5 + 1 + 1) / 4


def test_float32_is_sorted_by_its_bits():
    x = rng().integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    x = np.append(x[np.isfinite(x)], np.float32([0, -0.0, 1, -1, 3e38, -3e38]))
    np.testing.assert_array_equal(x[probes._order_of_float32(x)], np.sort(x))
    np.testing.assert_array_equal(probes._ranks(x), probes._ranks(x.astype(float)))


def test_ties_ranked_in_order_of_appearance_would_be_noticed(monkeypatch):
    values, labels = rng().integers(0, 4, (200, 3)), np.arange(200) < 90
    right = auc(values, labels)
    monkeypatch.setattr(
        probes, "_ranks", lambda x: np.argsort(np.argsort(x, kind="stable")) - (len(x) - 1) / 2
    )
    assert np.abs(auc(values, labels) - right).min() > 0.05


@pytest.mark.parametrize("rank, theirs", [(False, pearsonr), (True, spearmanr)])
def test_correlation_is_scipys(rank, theirs):
    values = rng().standard_normal((211, 70)).astype(np.float32)
    values[:, ::2] = np.round(values[:, ::2])
    numbers = rng(1).integers(0, 9, (211, 3)) ** 2
    r = correlation(values, numbers, rank=rank)
    expected = [[theirs(x.astype(float), n).statistic for n in numbers.T] for x in values.T]
    np.testing.assert_allclose(r, expected, rtol=0, atol=1e-12)
    one = correlation(values, numbers[:, 2], rank=rank)
    np.testing.assert_allclose(one, r[:, 2], rtol=0, atol=1e-14)


def test_rank_correlation_asks_for_a_rise_not_for_a_line():
    numbers = np.arange(50)
    values = np.exp(numbers / 4)[:, None]
    assert correlation(values, numbers, rank=True)[0] == pytest.approx(1, abs=1e-14)
    assert correlation(values, numbers)[0] < 0.8


@pytest.mark.parametrize("rank", [False, True])
def test_what_never_changes_has_correlation_0(rank):
    values = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    assert correlation(values, np.arange(7), rank=rank).tolist() == [0, pytest.approx(1)]
    assert correlation(values, np.full(7, 0.1), rank=rank).tolist() == [0, 0]


# ------------------------------------------------------------------------------- finding cells


def test_planted_cells_are_found_with_sign_and_held_out_score():
    values, features = text_with_known_cells()
    quotes, column = (features[name][3000:] for name in ("quotes", "column"))
    of_quotes, of_column = find_cells(values, features, rng(), **SMALL).found
    assert (of_quotes.feature, of_quotes.kind) == ("quotes", "AUC")
    assert (of_quotes.cell, of_quotes.direction) == (7, 1)
    assert of_quotes.score == pytest.approx(roc_auc_score(quotes, values[3000:, 7]), abs=1e-12)
    assert of_quotes.chosen == pytest.approx(
        roc_auc_score(features["quotes"][:3000], values[:3000, 7]), abs=1e-12
    )
    assert of_quotes.base_rate == quotes.mean()
    assert of_quotes.low < of_quotes.score < of_quotes.high
    assert of_quotes.shuffled < of_quotes.control < 0.9 < of_quotes.low
    assert (of_column.kind, of_column.cell, of_column.direction) == ("r", 19, 1)
    expected = spearmanr(values[3000:, 19], column).statistic
    assert of_column.score == pytest.approx(expected, abs=1e-12)
    assert np.isnan(of_column.base_rate)
    assert of_column.control < 0.9 < of_column.low < of_column.score < of_column.high


def test_effects_are_those_of_the_halves():
    values, features = text_with_known_cells()
    survey = find_cells(values, features, rng(), **SMALL)
    for half, effects in (slice(3000), survey.first), (slice(3000, None), survey.second):
        x, quotes, column = values[half], features["quotes"][half], features["column"][half]
        np.testing.assert_allclose(effects[:, 0], 2 * auc(x, quotes) - 1, atol=1e-12)
        np.testing.assert_allclose(effects[:, 1], correlation(x, column, rank=True), atol=1e-12)


def test_a_cell_upside_down_only_turns_its_direction():
    values, features = text_with_known_cells()
    found = find_cells(values, features, rng(), **SMALL).found
    turned = find_cells(-values, features, rng(), **SMALL).found
    for a, b in zip(found, turned):
        assert (a.feature, a.cell, a.direction) == (b.feature, b.cell, -b.direction)
        assert [a.score, *a[5:10]] == pytest.approx([b.score, *b[5:10]], abs=1e-6)


def test_the_first_half_chooses_and_the_second_reports():
    values, features = text_with_known_cells()
    quotes = features["quotes"]
    values[:3000, 2] = quotes[:3000]  # perfect where cells are chosen, noise where they are scored
    found = find_cells(values, {"quotes": quotes}, rng(), **SMALL).found[0]
    assert found.cell == 2 and found.chosen == 1
    assert found.score < found.control
    values[:, 2] = np.where(np.arange(6000) < 3000, quotes, ~quotes)  # turns round
    found = find_cells(values, {"quotes": quotes}, rng(), **SMALL).found[0]
    assert (found.cell, found.direction, found.chosen, found.score) == (2, 1, 1, 0)


def test_same_seed_same_survey():
    values, features = text_with_known_cells()
    first, again, other = (find_cells(values, features, rng(seed), **SMALL) for seed in (1, 1, 2))
    assert repr(first) == repr(again) != repr(other)
    assert first.found[0].control == again.found[0].control != other.found[0].control


def test_a_survey_prints_as_a_table():
    quotes = Found("in quotes", 118, 0.975, "AUC", -1, 0.57, 0.96, 0.985, 0.98, 0.51, 0.17)
    column = Found("column", 6, 0.71, "r", 1, 0.2, 0.65, 0.75, 0.7, 0.1, np.nan)
    assert repr(Survey((quotes, column), np.zeros((2, 2)), np.zeros((2, 2)))) == (
        "feature                 cell       held out    95 % interval  control  base rate\n"
        "in quotes                118 low   AUC 0.975   0.960 to 0.985    0.570      0.170\n"
        "column                     6 high    r 0.710   0.650 to 0.750    0.200"
    )


# ------------------------------------------------------------------------------- the controls


@pytest.mark.parametrize("kind", ["label", "number"])
def test_the_control_is_that_of_a_slow_loop(kind):
    values = slow_noise(rng(), 400, 70)
    values[:, 5] = 1  # never changes: must not make nan
    feature = runs(rng(1), 400) if kind == "label" else np.round(slow_noise(rng(1), 400), 1)
    shifts = rng(2).integers(50, 350, 39)
    best = []
    for shift in shifts:
        moved = np.concatenate([feature[400 - shift :], feature[: 400 - shift]])
        if kind == "label":
            best.append(np.abs(2 * auc(values, moved) - 1).max())
        else:
            best.append(np.abs(correlation(values, moved, rank=True)).max())
    ranks = probes._ranks(feature)
    fast = probes._best_of_all(
        list(probes._rank_blocks(values)), [np.roll(ranks, s) for s in shifts], kind == "label"
    )
    # The 38th of 39: a 40th lies above it in 2 of 40 cases.
    assert fast == pytest.approx(sorted(best)[37], abs=1e-6)


@pytest.fixture(scope="module")
def surveys_of_noise():
    surveys = []
    for seed in range(100):
        generator = rng(seed)
        values, feature = slow_noise(generator, 4000, 12), slow_noise(generator, 4000) > 0
        surveys.append(
            find_cells(values, {"noise": feature}, generator, draws=19, block=200, resamples=1)
        )
    return surveys


def beaten(surveys, control):
    """How often the best of all cells on the second half beats this control."""
    best = [(1 + np.abs(s.second).max()) / 2 for s in surveys]
    return np.mean([b > getattr(s.found[0], control) for b, s in zip(best, surveys)])


def test_noise_beats_circular_shifts_in_5_percent_of_cases(surveys_of_noise):
    assert beaten(surveys_of_noise, "control") <= 0.12  # 0.05 and three standard errors
    # The one cell that the first half chose has not been searched for on the second.
    assert np.mean([s.found[0].score > s.found[0].control for s in surveys_of_noise]) <= 0.05


def test_noise_in_runs_beats_shuffled_labels_nearly_always(surveys_of_noise):
    """Why the control shifts: slow noise and a feature in runs agree by accident."""
    assert beaten(surveys_of_noise, "shuffled") >= 0.95
    assert np.mean([s.found[0].score > s.found[0].shuffled for s in surveys_of_noise]) >= 0.2


def test_no_cell_of_noise_is_interpretable(surveys_of_noise):
    assert all(interpretable_cells(survey) == {} for survey in surveys_of_noise)


def test_without_runs_both_controls_agree():
    """Where neighbours are independent there is nothing that a shuffle could break."""
    values, feature = rng().standard_normal((8000, 20)), rng(1).random(8000) < 0.3
    found = find_cells(values, {"noise": feature}, rng(2), draws=199, resamples=1, block=100).found
    assert found[0].control - 0.5 == pytest.approx(found[0].shuffled - 0.5, rel=0.1)


# ------------------------------------------------------------------------------- the interval


@pytest.mark.parametrize("kind", ["label", "number"])
def test_weights_are_copies_of_the_text(kind):
    """The fast bootstrap weighs characters; the slow one writes the drawn blocks out."""
    generator = rng()
    x = np.round(generator.standard_normal(200), 1)  # with ties
    feature = x + generator.standard_normal(200) > 0.4
    feature = feature if kind == "label" else np.round(x + generator.standard_normal(200))
    groups, kinds = (np.unique(a, return_inverse=True)[1] for a in (x, feature))
    for weights in (np.ones(200, int), np.repeat(generator.integers(0, 4, 20), 10)):
        effect = probes._weighted_effect(groups, kinds, kind == "label", weights)
        copies, truth = np.repeat(x, weights)[:, None], np.repeat(feature, weights)
        if kind == "label":
            assert effect == pytest.approx(2 * auc(copies, truth)[0] - 1, abs=1e-12)
        else:
            assert effect == pytest.approx(correlation(copies, truth, rank=True)[0], abs=1e-12)


@pytest.mark.parametrize("kind", ["label", "number"])
def test_the_interval_covers_and_that_of_single_characters_does_not(kind):
    """The truth comes from independent pairs of normal numbers: slowness changes no true score."""

    def pairs(noise):
        truth, rest = noise(), noise()
        return truth + rest, (truth > 0.5 if kind == "label" else truth)

    normal = rng()
    x, feature = pairs(lambda: SLOW_DEVIATION * normal.standard_normal(1_000_000))
    if kind == "label":
        known = auc(x[:, None], feature)[0]
    else:
        known = correlation(x[:, None], feature, rank=True)[0]
        assert known == pytest.approx(6 / np.pi * np.arcsin(0.5**1.5), abs=0.003)
    covered = {1: [], 200: []}
    for seed in range(80):
        generator = rng(1 + seed)
        x, feature = pairs(partial(slow_noise, generator, 5000))
        for block in covered if seed < 20 else [200]:
            low, high = bootstrap_interval(x, feature, rng(seed), block=block, resamples=100)
            covered[block].append(low <= known <= high)
    assert np.mean(covered[200]) >= 0.85
    assert np.mean(covered[1]) <= 0.5


def test_pieces_are_drawn_whole(as_a_reader_runs_it):
    """Ten files, in each of which the cell is right or wrong throughout: ten things are known."""
    generator = rng()
    inside = generator.random(4000) < 0.5
    files = np.repeat(np.arange(10) * 7, 400)
    x = np.where(files % 2, ~inside, inside).astype(float)
    whole = bootstrap_interval(x, inside, rng(), pieces=files, resamples=400)
    apart = bootstrap_interval(x, inside, rng(), block=1, resamples=400)
    assert whole[0] < 0.25 and whole[1] > 0.75  # of 5 of 10: 0.5 +- 1.96 * 0.16
    assert apart[0] > 0.47 and apart[1] < 0.53
    same = np.arange(4000) // 100
    assert bootstrap_interval(x, inside, rng(), pieces=same) == bootstrap_interval(
        x, inside, rng(), block=100
    )
    with pytest.raises(ValueError, match="pieces has 3 entries, and there are 4,000"):
        bootstrap_interval(x, inside, rng(), pieces=same[:3])


def test_what_the_character_itself_says():
    codes = rng().integers(0, 5, 2000)
    vowel, noise = codes < 2, rng().random(2000) < 0.3
    assert probes.from_symbols(codes, vowel) == 1
    assert probes.from_symbols(codes, 3 - codes) == pytest.approx(1)
    assert 0.4 < probes.from_symbols(codes, noise) < 0.6
    assert 0.4 < probes.from_symbols(codes, np.roll(vowel, 1)) < 0.6  # the one before: memory


def test_the_interval_of_a_perfect_cell_is_a_point():
    inside = runs(rng(), 2000)
    assert bootstrap_interval(inside.astype(float), inside, rng(), block=50) == (1, 1)
    assert bootstrap_interval(-1.0 * inside, inside, rng(), block=50) == (0, 0)
    assert bootstrap_interval(np.exp(np.arange(9.0)), np.arange(9), rng(), block=1) == (
        pytest.approx((1, 1))
    )


def test_a_feature_in_fewer_than_5_blocks_gets_no_interval():
    cell, places = rng().standard_normal(1000), np.arange(1000)
    for blocks in (4, 5):
        rare = (places % 100 == 0) & (places < 100 * blocks)
        for feature in (rare, ~rare):
            low, high = bootstrap_interval(cell, feature, rng(), block=100)
            assert np.isnan([low, high]).all() == (blocks == 4)


# ------------------------------------------------------------------------------- cells with a role


def survey_by_hand(first, second):
    quotes = Found("quotes", 0, 0.9, "AUC", 1, 0.95, 0.9, 0.9, 0.9, 0.6, 0.3)
    column = Found("column", 0, 0.9, "r", 1, 0.2, 0.9, 0.9, 0.9, 0.1, np.nan)
    return Survey((quotes, column), np.array([first]), np.array([second]))


@pytest.mark.parametrize(
    "first, second, role",
    [
        ([0.99, 0.0], [0.96, 0.0], "quotes"),
        ([0.99, 0.0], [0.86, 0.0], None),  # AUC 0.93: above 0.9, below the control of 0.95
        ([-0.99, 0.0], [-0.96, 0.0], "quotes"),  # low inside
        ([-0.99, 0.0], [0.96, 0.0], None),  # turned round
        ([0.0, 0.75], [0.0, 0.75], "column"),
        ([0.0, 0.75], [0.0, 0.69], None),  # below 0.7
        ([0.78, 0.75], [0.96, 0.75], "column"),  # 0.75 / 0.7 exceeds 0.78 / 0.8
        ([0.95, 0.75], [0.85, 0.75], None),  # only the feature chosen on the first half counts
    ],
)
def test_a_cell_is_interpretable_where_the_held_out_score_says_so(first, second, role):
    survey = survey_by_hand(first, second)
    assert interpretable_cells(survey) == ({0: role} if role else {})


def test_the_planted_cells_are_interpretable():
    values, features = text_with_known_cells()
    survey = find_cells(values, features, rng(), **SMALL)
    assert interpretable_cells(survey) == {7: "quotes", 11: "quotes", 19: "column"}
    assert interpretable_cells(survey, least_auc=0.94) == {7: "quotes", 19: "column"}
    assert interpretable_cells(survey, least_r=0.99) == {7: "quotes", 11: "quotes"}


# ------------------------------------------------------------------------------- the probe


def test_the_probe_reads_what_is_spread_over_all_cells():
    values = rng().standard_normal((8000, 40)).astype(np.float32)
    total = values.sum(axis=1)
    feature = total > 5
    assert auc(values, feature).max() < 0.7
    assert linear_probe(values, feature) > 0.99
    assert correlation(values, total, rank=True).max() < 0.3
    assert linear_probe(values, total) > 0.99


def test_the_probe_is_scored_on_text_that_it_was_not_fitted_to():
    """40 cells tell any 15 characters apart, and none of the next ones."""
    values = rng().standard_normal((2 * 15, 40))
    scores = [linear_probe(values, rng(seed).random(30) < 0.5) for seed in range(20)]
    assert 0.4 < np.mean(scores) < 0.6
    scores = [linear_probe(values, rng(seed).standard_normal(30)) for seed in range(20)]
    assert -0.2 < np.mean(scores) < 0.2


def test_the_probe_does_not_mind_the_scale_of_a_cell():
    values = rng().standard_normal((2000, 5))
    feature = values @ [1.0, 2, 3, 4, 5] > 3
    scaled = values * [1e-3, 1, 1e3, 1, 1] + 7
    assert linear_probe(scaled, feature) == pytest.approx(linear_probe(values, feature), abs=1e-6)


# ------------------------------------------------------------------------------- bad input

VALUES, INSIDE = np.random.default_rng(0).standard_normal((400, 3)), np.arange(400) % 7 < 3
NUMBERS = np.arange(400.0)


def with_one(array, value):
    changed = array.copy()
    changed[5] = value
    return changed


def search(values=VALUES, features=None, **options):
    features = {"quotes": INSIDE} if features is None else features
    return find_cells(values, features, rng(), **{"block": 20, "draws": 19, **options})


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: auc(VALUES, INSIDE[1:]), "values has 400 rows and labels 399"),
        (lambda: auc(VALUES, INSIDE * 1), "labels are int64: give True and False, say labels > 0"),
        (lambda: auc(VALUES, INSIDE < 2), "labels are True at every character"),
        (lambda: auc(VALUES, INSIDE > 2), "labels are False at every character"),
        (lambda: auc(VALUES, np.stack([INSIDE, INSIDE > 2], 1)), r"labels\[:, 1\] are False"),
        (lambda: auc(with_one(VALUES, np.nan), INSIDE), "values holds nan"),
        (lambda: auc(with_one(VALUES, -np.inf), INSIDE), "values holds -inf"),
        (lambda: auc(VALUES[:1], INSIDE[:1]), "values has 1 rows: .* at least 2 characters"),
        (lambda: correlation(VALUES, with_one(NUMBERS, np.inf)), "numbers holds inf"),
        (lambda: correlation(VALUES[3:], NUMBERS), "values has 397 rows and numbers 400"),
        (lambda: search(VALUES[:, :1]), "values has 1 cells: at least 2"),
        (lambda: search(features={}), "features is empty"),
        (lambda: search(draws=18), "draws is 18: fewer than 19 have no 95th percentile"),
        (lambda: search(block=0), "block is 0"),
        (lambda: search(resamples=0), "resamples 0"),
        (lambda: search(block=21), "values has 400 rows: 420 are needed for 10 blocks of 21"),
        (lambda: search(with_one(VALUES, np.nan)), "values holds nan"),
        (lambda: search(features={"x": NUMBERS[1:]}), r"400 rows and features\['x'\] 399"),
        (lambda: search(features={"x": with_one(NUMBERS, np.nan)}), r"features\['x'\] holds nan"),
        (lambda: search(features={"x": np.array(["a"] * 400)}), r"features\['x'\] holds <U1"),
        (lambda: search(features={"x": VALUES}), r"features\['x'\] has shape \(400, 3\)"),
        (lambda: search(features={"x": NUMBERS < 100}), r"\['x'\] is False throughout the second"),
        (lambda: search(features={"x": NUMBERS < 300}), r"\['x'\] is True throughout the first"),
        (lambda: search(features={"x": NUMBERS.clip(250)}), r"\['x'\] is 250.0 throughout the fi"),
        (lambda: linear_probe(VALUES, NUMBERS < 100), "feature is False throughout the second"),
        (lambda: linear_probe(VALUES, INSIDE[1:]), "values has 400 rows and feature 399"),
        (lambda: bootstrap_interval(NUMBERS, INSIDE[1:], rng()), "400 rows and feature 399"),
        (lambda: bootstrap_interval(NUMBERS, INSIDE, rng(), block=0), "block is 0"),
        (lambda: interpretable_cells(search(), least_auc=0.5), "least_auc is 0.5"),
        (lambda: interpretable_cells(search(), least_r=0), "least_r 0"),
    ],
)
def test_bad_input_is_named_with_the_remedy(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()
