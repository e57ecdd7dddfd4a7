"""BLEU: sacrebleu's numbers made again from our own pieces, and examples counted by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest

from lecture_utils.training.scores import bleu, brevity_penalty, clipped_counts, nearest_length

SAT = "the cat sat on the mat".split()
IS = "the cat is on the mat".split()


def by_hand(candidates, references, clip=True, nearest=nearest_length):
    """The equations of the module, from its pieces. clip, nearest: as one might do by mistake."""
    pairs = list(zip(candidates, references))
    c = sum(len(candidate) for candidate in candidates)
    r = sum(nearest(candidate, own) for candidate, own in pairs)
    log_p, found = 0.0, []
    for n in (1, 2, 3, 4):
        if clip:
            counts = [clipped_counts(candidate, own, n) for candidate, own in pairs]
        else:
            counts = [unclipped_counts(candidate, own, n) for candidate, own in pairs]
        matched, total = (sum(count) for count in zip(*counts))
        log_p += math.log(matched / total) if matched else -math.inf
        found.append(brevity_penalty(c, r) * math.exp(log_p / n))
    return tuple(found)


def unclipped_counts(candidate, references, n):
    grams = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
    known = {tuple(words[i : i + n]) for words in references for i in range(len(words) - n + 1)}
    return sum(gram in known for gram in grams), len(grams)


def corpus(seed, captions=12):
    """Random captions of 0 to 12 words out of 5, each with 1 to 5 references."""
    rng = np.random.default_rng(seed)

    def caption(least):
        return list(rng.choice(["a", "red", "square", "<unk>", "."], rng.integers(least, 13)))

    references = [[caption(1) for _ in range(rng.integers(1, 6))] for _ in range(captions)]
    return [caption(0) for _ in range(captions)], references


# The worked example ------------------------------------------------------------------------------


def test_the_worked_example():
    assert [clipped_counts(SAT, [IS], n) for n in (1, 2, 3, 4)] == [(5, 6), (3, 5), (1, 4), (0, 3)]
    assert nearest_length(SAT, [IS]) == 6 and brevity_penalty(6, 6) == 1
    found = bleu([SAT], [[IS]])
    assert found[1] == pytest.approx(0.7071, abs=1e-4)
    assert found == pytest.approx((5 / 6, 0.5**0.5, (5 / 6 * 3 / 5 / 4) ** (1 / 3), 0), abs=1e-12)
    assert found[3] == 0.0


def test_a_word_said_seven_times_is_right_at_most_as_often_as_in_one_reference():
    the = ["the"] * 7
    references = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    assert clipped_counts(the, references, 1) == (2, 7)
    assert clipped_counts(["the"], references, 2) == (0, 0)


def test_saying_little_does_not_pay():
    assert bleu([["the", "cat"]], [[IS]])[1] == pytest.approx(math.exp(1 - 6 / 2))
    assert brevity_penalty(10, 9) == brevity_penalty(9, 9) == brevity_penalty(0, 0) == 1
    assert brevity_penalty(8, 9) == pytest.approx(math.exp(-1 / 8))
    assert brevity_penalty(0, 9) == 0


def test_the_nearest_reference_counts_and_of_two_the_shorter():
    def lengths(*numbers):
        return [["x"] * number for number in numbers]

    assert nearest_length(["x"] * 6, lengths(9, 2, 7)) == 7
    assert nearest_length(["x"] * 6, lengths(7, 5)) == nearest_length(["x"] * 6, lengths(5, 7)) == 5


# Equal to sacrebleu ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_make_sacrebleus_number(seed):
    candidates, references = corpus(seed)
    assert bleu(candidates, references) == pytest.approx(by_hand(candidates, references), rel=1e-12)
    one = bleu(candidates[:1], references[:1])  # single captions, with p_n of 0
    assert one == pytest.approx(by_hand(candidates[:1], references[:1]), rel=1e-12)


def test_mistakes_in_the_pieces_would_be_noticed():
    def shortest(candidate, references):
        return min(len(words) for words in references)

    def nearest_and_longer(candidate, references):
        return min(map(len, references), key=lambda r: (abs(r - len(candidate)), -r))

    def differ(**mistake):
        return sum(
            by_hand(*corpus(seed), **mistake) != pytest.approx(bleu(*corpus(seed)), rel=1e-6)
            for seed in range(20)
        )

    assert differ() == 0
    assert differ(clip=False) == 20
    assert differ(nearest=shortest) > 0
    assert differ(nearest=nearest_and_longer) > 0


def test_references_missing_for_some_are_no_empty_references():
    """A candidate with fewer references scores as if its last were given several times."""
    candidates, references = corpus(3)
    assert len({len(own) for own in references}) > 1
    most = max(len(own) for own in references)
    repeated = [own + [own[-1]] * (most - len(own)) for own in references]
    assert bleu(candidates, references) == bleu(candidates, repeated)
    extra = [own + [["a"]] for own in references]  # whereas one more can change it
    assert bleu(candidates, references) != bleu(candidates, extra)


# Laws --------------------------------------------------------------------------------------------


def test_a_caption_equal_to_a_reference_scores_1_and_a_strange_one_0():
    assert bleu([IS, SAT], [[SAT, IS], [SAT]]) == pytest.approx((1, 1, 1, 1))
    assert bleu([["dog"] * 6], [[IS]]) == (0, 0, 0, 0)
    assert bleu([[]], [[IS]]) == (0, 0, 0, 0)
    assert bleu([["The"] + IS[1:]], [[IS]])[0] == pytest.approx(5 / 6)  # case counts


def test_it_is_of_the_corpus_and_not_a_mean():
    both = bleu([SAT, IS], [[IS], [IS]])
    assert both[3] == pytest.approx(by_hand([SAT, IS], [[IS], [IS]])[3])
    assert both[3] > (bleu([SAT], [[IS]])[3] + bleu([IS], [[IS]])[3]) / 2
    assert both == bleu([IS, SAT], [[IS], [IS]])


def test_captions_too_short_for_any_4_words_in_a_row():
    assert bleu([["a", "cat"]], [[["a", "cat"]]]) == pytest.approx((1, 1, 0, 0))


def test_full_stops_set_apart_bring_no_warning(caplog):
    candidates = [[*IS, "."]] * 150
    assert bleu(candidates, [[words] for words in candidates]) == pytest.approx((1, 1, 1, 1))
    assert not caplog.records


def test_importing_the_module_does_not_import_sacrebleu():
    code = "import sys, lecture_utils.training.scores; sys.exit('sacrebleu' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: bleu([SAT], []), "1 candidates and references for 0"),
        (lambda: bleu([SAT, SAT], [[IS]]), "2 candidates and references for 1"),
        (lambda: bleu([], []), "no candidates"),
        (lambda: bleu([SAT], [[]]), r"candidate 0 are \[\]: give a list of at least one"),
        (lambda: bleu([SAT], [[IS, []]]), "reference 1 of candidate 0 is empty: leave it out"),
        (lambda: bleu(["the cat"], [[IS]]), r"candidate 0 is the string 'the cat': .*\['the', 'ca"),
        (lambda: bleu([SAT], ["the cat"]), "references of candidate 0 are 'the cat'"),
        (lambda: bleu([SAT], [IS]), "reference 0 of candidate 0 is the string 'the'"),
        (lambda: bleu([["the cat"]], [[IS]]), "candidate 0 holds 'the cat'"),
        (lambda: bleu([[""]], [[IS]]), "candidate 0 holds ''"),
        (lambda: bleu([[3, 4]], [[IS]]), "candidate 0 holds 3: .* decode codes"),
        (lambda: bleu([SAT], [[[3]]]), "reference 0 of candidate 0 holds 3"),
        (lambda: clipped_counts(SAT, [IS], 0), "n is 0"),
        (lambda: clipped_counts(SAT, [], 1), "at least one reference"),
        (lambda: clipped_counts("the cat", [IS], 1), "is the string 'the cat'"),
        (lambda: nearest_length(SAT, []), "at least one reference"),
        (lambda: brevity_penalty(-1, 3), "c is -1"),
    ],
)
def test_bad_input_is_refused(as_a_reader_runs_it, call, said):
    with pytest.raises(ValueError, match=said):
        call()
