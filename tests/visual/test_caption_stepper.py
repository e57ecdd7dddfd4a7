"""The caption stepper: greedy captions, words said instead, trees, what is refused and told."""

import base64
import io
import json
import math
import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from lecture_utils.models.decoding import beam_trees, greedy, hypotheses
from lecture_utils.visual.widgets import caption_stepper
from lecture_utils.visual.widgets.base import bundle
from lecture_utils.visual.widgets.caption_stepper import (
    END,
    LONGEST,
    PAD,
    START,
    UNK,
    CaptionStepper,
)

WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "red", "blue", "heart", "ring", "is", "<b>on",
         "grass", "two"]  # fmt: skip
V, NEVER = len(WORDS), (PAD, START, UNK)
IMAGES = np.random.default_rng(0).integers(256, size=(3, 6, 8, 3)).astype(np.uint8)


# ---- a captioner without a network --------------------------------------------------------------


@cache
def toy_next(k, said, likely_end=0.06):
    """(V,): some distribution after these words; the end gets likelier with every word."""
    p = np.random.default_rng([k, *said]).dirichlet(np.full(V, 0.5))
    p[list(NEVER)] = 0
    p[END] = 0
    end = min(0.9, likely_end * len(said))
    p *= (1 - end) / p.sum()
    p[END] = end
    return p


def toy_step(k, next_words=toy_next):
    """What beam_trees asks: the state is the words so far, of each row."""

    def step(words, state):
        said = torch.cat([state, words[:, None]], dim=1)
        p = [next_words(k, tuple(row[1:].tolist())) for row in said]
        return torch.tensor(np.array(p)).log(), said

    return step


@cache
def toy_tree(k, width, power=0.0, shown=2):
    state = torch.zeros(1, 0, dtype=torch.long)
    return beam_trees(toy_step(k), state, START, END, width, LONGEST, power, NEVER, shown)[0]


def toy_judge(k, words):
    return [(f"{len(words)} words", True), ("a <i>heart</i>", "heart" in words), ("art", None)]


def stepper(**changes):
    settings = {"images": IMAGES, "words": WORDS, "tree_of": toy_tree, "next_words": toy_next,
                "judge": toy_judge, "title": "Toys", "width": 3}  # fmt: skip
    return CaptionStepper(**(settings | changes))


def shown(widget, of="captions"):
    """What the browser was told of what it looks at now."""
    last = ",".join(map(str, widget.prefix)) if of == "captions" else widget.width
    return widget.answers[of][f"{widget.chosen}:{last}"]


# ---- captions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_the_caption_is_that_of_greedy_search(k):
    widget = stepper()
    widget.chosen = k
    state = torch.zeros(1, 0, dtype=torch.long)
    twin = greedy(toy_step(k), state, START, END, LONGEST, NEVER)
    assert widget.caption() == [WORDS[code] for code in twin.words[0]]
    assert widget.log_p() == pytest.approx(sum(twin.log_p[0]))
    sent = shown(widget)
    assert sent["said"] == twin.words[0] + [END] * twin.finished[0]
    for t, step in enumerate(sent["steps"]):
        p = toy_next(k, tuple(sent["said"][:t]))
        assert step["p"] == p[sent["said"][t]] == p.max()
        assert step["codes"] == sorted(range(V), key=lambda code: -p[code])[:5]
        assert step["shares"] == [p[code] for code in step["codes"]]
    assert sent["judged"]["facts"][0] == [f"{len(twin.words[0])} words", True]


def test_another_word_is_said_and_greedy_goes_on_from_there():
    widget = stepper()
    was = shown(widget)["said"]
    other = shown(widget)["steps"][2]["codes"][3]
    widget.prefix = [*was[:2], other]
    said = shown(widget)["said"]
    assert said[:3] == [*was[:2], other] and said != was
    for t in range(3, len(said)):
        assert said[t] == toy_next(0, tuple(said[:t])).argmax()
    expected = sum(math.log(toy_next(0, tuple(said[:t]))[word]) for t, word in enumerate(said))
    assert widget.log_p() == pytest.approx(expected)
    assert widget.answers["captions"]["0:"]["said"] == was  # to compare with
    widget.prefix = []
    assert shown(widget)["said"] == was


def test_a_word_that_is_none_of_the_likeliest_is_listed_too():
    widget = stepper()
    last = int(np.argsort(-toy_next(0, ()), kind="stable")[6])
    widget.prefix = [last]
    step = shown(widget)["steps"][0]
    assert len(step["codes"]) == 6 and step["codes"][5] == last
    assert step["p"] == step["shares"][5] == toy_next(0, ())[last]


def test_a_caption_that_does_not_end_is_cut_off():
    widget = stepper(next_words=lambda k, said: toy_next(k, said, likely_end=0))
    assert len(widget.caption()) == LONGEST and END not in shown(widget)["said"]


@pytest.mark.parametrize("prefix, said", [
    ([4, V], "prefix is [4, 13]: give up to 20 codes from 0 to 12, END (2) only as the last"),
    ([4, END, 5], "END (2) only as the last"),
    ([4] * 21, "give up to 20 codes"),
    ([PAD], "prefix says '<pad>' as word 1: it has probability 0 there, say another word"),
])
def test_a_beginning_that_cannot_be_is_told(prefix, said):
    widget = stepper()
    widget.prefix = prefix
    assert said in shown(widget)["error"]
    with pytest.raises(ValueError, match="image 0 has no caption: prefix"):
        widget.caption()
    assert f"No caption: {shown(widget)['error']}" in widget.poster().alt


def test_each_question_is_asked_once():
    asked = []

    def next_words(k, said):
        asked.append((k, said))
        return toy_next(k, said)

    def tree_of(k, width):
        asked.append(("tree", k, width))
        return toy_tree(k, width)

    widget = stepper(next_words=next_words, tree_of=tree_of)
    assert ("tree", 0, 3) in asked and not any(one[0] == 1 for one in asked)  # no other image yet
    widget.chosen, widget.width, widget.prefix = 1, 5, [4]
    widget.chosen, widget.width, widget.prefix = 0, 3, []
    widget.poster(), widget.static_html()
    assert len(asked) == len(set(asked))
    assert {one for one in asked if one[0] == "tree"} == {
        ("tree", k, width) for k in range(3) for width in range(1, 6)}


# ---- trees --------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_tree_is_that_of_beam_search(width, power):
    widget = stepper(tree_of=lambda k, width: toy_tree(k, width, power))
    widget.width = width
    nodes, sent = toy_tree(0, width, power), shown(widget, "trees")
    for name in ("parent", "word", "log_p", "score", "fate"):
        assert sent[name] == [getattr(node, name) for node in nodes]
    found = hypotheses(nodes)
    assert len(sent["ranked"]) == len(found) > 0
    for i, hypothesis in zip(sent["ranked"], found):
        way = caption_stepper._path_of(sent, i)
        assert [code for code in way if code != END] == hypothesis.words
        assert sent["score"][i] == hypothesis.score
        assert sent["judged"][str(i)]["facts"][0][0] == f"{len(hypothesis.words)} words"


def test_a_beam_of_one_is_the_caption_word_by_word():
    widget = stepper(width=1)
    tree = shown(widget, "trees")
    assert caption_stepper._path_of(tree, tree["ranked"][0]) == shown(widget)["said"]


# ---- what the functions may do wrong ------------------------------------------------------------


def fails(*_):
    raise KeyError("<b>weights</b>")


def changed(**changes):
    """The toy tree with another value in its last node."""
    def tree_of(k, width):
        nodes = toy_tree(k, width)
        return [*nodes[:-1], nodes[-1]._replace(**changes)]
    return tree_of


class Bare(NamedTuple):
    parent: int = -1
    depth: int = 0
    word: int = START
    log_p: float = 0.0
    total: float = 0.0


@pytest.mark.parametrize("changes, of, said", [
    ({"next_words": fails}, "captions", "KeyError: '<b>weights</b>'"),
    ({"tree_of": fails}, "trees", "KeyError: '<b>weights</b>'"),
    ({"next_words": lambda k, said: np.ones(V - 1)}, "captions",
     r"what next_words returned for image 0 after \[\] has shape \(12,\): it must be \(13,\)"),
    ({"next_words": lambda k, said: np.ones(V)}, "captions", "adds up to 13, .*softmax"),
    ({"next_words": lambda k, said: np.full(V, np.nan)}, "captions", "adds up to nan"),
    ({"next_words": lambda k, said: "p"}, "captions", "is not an array of numbers"),
    ({"tree_of": lambda k, width: []}, "trees", "tree_of returned no nodes"),
    ({"tree_of": lambda k, width: [Bare()]}, "trees", "node 0: .*fate.*; give nodes as models"),
    ({"tree_of": changed(parent=10_000)}, "trees", "has parent 10000: START"),
    ({"tree_of": changed(fate="lost")}, "trees", "has fate 'lost': it is one of kept, finished"),
    ({"tree_of": changed(word=V)}, "trees", "has word 13: give a code from 0 to 12"),
    ({"tree_of": changed(log_p=-math.inf)}, "trees", "give finite numbers"),
    ({"tree_of": changed(total=5.0)}, "trees", "and total 5: with its parent's"),
    ({"tree_of": changed(depth=0)}, "trees", "has depth 0 and total"),
])
def test_what_goes_wrong_is_told_to_the_reader(changes, of, said):
    widget = stepper(**changes)
    assert re.search(said, shown(widget, of)["error"])
    other = {"captions": "trees", "trees": "captions"}[of]
    assert "error" not in shown(widget, other)
    assert ("No caption" if of == "captions" else "No tree") in widget.poster().alt
    assert "</b>" not in widget.static_html()  # only in a script, where < is \u003c


@pytest.mark.parametrize("judge, said", [
    (fails, "KeyError"),
    (lambda k, words: ["true"], "judge returned 'true': return pairs such as"),
    (lambda k, words: [("a heart", 1)], "judge says 1 of 'a heart': say True, False or None"),
    (lambda k, words: None, "TypeError"),
])
def test_a_judge_that_fails_costs_no_caption(judge, said):
    widget = stepper(judge=judge)
    assert said in shown(widget)["judged"]["error"] and widget.caption()


def test_an_error_is_not_remembered():
    broken = [True]

    def next_words(k, said):
        if broken:
            raise RuntimeError("not trained")
        return toy_next(k, said)

    widget = stepper(next_words=next_words)
    before = widget.answers["count"]
    assert shown(widget)["error"] == "RuntimeError: not trained"
    broken.clear()
    widget.chosen = 1
    widget.chosen = 0
    assert shown(widget)["said"] and widget.answers["count"] == before + 2


def test_verdicts_of_numpy_are_verdicts():
    widget = stepper(judge=lambda k, words: [("a", np.True_), ("b", np.bool_(False))])
    assert json.dumps(shown(widget)["judged"]) == '{"facts": [["a", true], ["b", false]]}'
    assert shown(stepper(judge=None))["judged"] == {"facts": []}


# ---- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("changes, said", [
    ({"images": []}, "images holds 0 images: give 1 to 12"),
    ({"images": [IMAGES[0]] * 13}, "images holds 13 images: give 1 to 12"),
    ({"images": 3}, "images is a int: give a sequence of images"),
    ({"images": IMAGES[0]}, r"images\[0\] has shape \(8, 3\): it must be \(H, W, 3\)"),
    ({"images": IMAGES.transpose(0, 3, 1, 2)}, r"has shape \(3, 6, 8\): .* x.permute\(1, 2, 0\)"),
    ({"images": [IMAGES[0], IMAGES[1] / 255]}, r"images\[1\] is of float64: give uint8, 0 to 255"),
    ({"images": [IMAGES[0][:0]]}, r"\(0, 8, 3\): it has no pixels"),
    ({"words": "abc"}, "words is a str: give a list of words"),
    ({"words": WORDS[4:]}, r"words begins with \['a', 'red'.*: codes 0 to 3 are <pad>, <start>"),
    ({"words": WORDS[:4]}, "words has 4 entries: give 5 to"),
    ({"words": [*WORDS, "a"]}, "words holds 'a' more than once"),
    ({"words": [*WORDS, ""]}, "'' cannot name a word"),
    ({"tree_of": None}, "tree_of is None: give a function"),
    ({"next_words": "model"}, "next_words is 'model': give a function"),
    ({"judge": True}, "judge is True: give a function, or None"),
    ({"title": None}, "title is None: give a text"),
    ({"title": "x" * 121}, "at most 120 characters"),
    ({"width": 0}, "width is 0: choose a whole number from 1 to 5"),
    ({"width": 6}, "width is 6"),
])
def test_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        stepper(**{"tree_of": pytest.fail, "next_words": pytest.fail} | changes)


def test_images_arrive_as_they_are_and_large_ones_smaller():
    large = np.zeros((300, 900, 3), np.uint8)
    widget = stepper(images=[IMAGES[0], torch.from_numpy(IMAGES[1]), large])
    back = [np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))
            for url in widget.images]
    assert (back[0] == IMAGES[0]).all() and (back[1] == IMAGES[1]).all()
    assert back[2].shape == (149, 448, 3)
    assert widget.pixels == [[8, 6], [8, 6], [900, 300]]


def test_values_of_the_browser_stay_inside():
    widget = stepper()
    for name, value, kept in (("chosen", 9, 2), ("chosen", -1, 0), ("width", 9, 5), ("width", 0, 1),
                              ("step", 0, 1), ("step", 99, LONGEST)):  # fmt: skip
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    widget.set_state({"chosen": 1, "prefix": [4], "width": 2, "beam": True})
    assert shown(widget)["said"][0] == 4 and shown(widget, "trees")["ranked"]
    assert repr(widget) == (f"CaptionStepper(3 images, 13 words; image 1: "
                            f"{' '.join(widget.caption())!r}, width 2)")


# ---- where no widget runs -----------------------------------------------------------------------


def test_a_page_takes_everything_along():
    widget = stepper()
    widget.prefix = [4]
    taken = widget._shared_state()["answers"]
    assert set(taken["captions"]) == {"0:", "1:", "2:", "0:4"}
    assert set(taken["trees"]) == {f"{k}:{width}" for k in range(3) for width in range(1, 6)}
    assert set(widget.answers["captions"]) == {"0:", "0:4"}  # a notebook asks when it needs more


def test_poster_tells_the_caption_and_what_the_beam_found():
    widget = stepper(width=2)
    alt = widget.poster().alt
    assert f"word by word: {' '.join(widget.caption())!r}" in alt
    assert caption_stepper._probability_in_words(widget.log_p()) in alt
    best = hypotheses(toy_tree(0, 2))[0]
    assert f"width 2; it found {' '.join(WORDS[code] for code in best.words)!r}" in alt
    assert widget._repr_mimebundle_()[1]["image/png"]["alt"] == alt
    bars = widget.poster().axes[1].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars],
                               [step["p"] for step in shown(widget)["steps"]])


def test_poster_frames_a_word_that_was_not_the_likeliest():
    widget = stepper()
    second = shown(widget)["steps"][1]["codes"][1]
    widget.prefix = [shown(widget)["said"][0], second]
    frames = [bar.get_edgecolor()[3] for bar in widget.poster().axes[1].patches]
    assert frames[:3] == [0, 1, 0]


@pytest.mark.parametrize("p, said", [
    (1, "1.0: as good as certain"), (0.5, "0.50: one in 2.0"),
    (0.26, "0.26: one in 3.8"), (0.012, "0.012: one in 83"),
    (1 / 12_345, "8.1 × 10⁻⁵: one in 12,300"), (2e-4, "0.00020: one in 5,000"),
    (8e-5, "8.0 × 10⁻⁵: one in 12,500"),
    (1.1e-7, "1.1 × 10⁻⁷: one in 9.09 million"), (1e-12, "1.0 × 10⁻¹²: one in 10¹²"),
])  # fmt: skip
def test_probabilities_in_plain_words(p, said):
    told = caption_stepper._probability_in_words(math.log(p))
    assert told == f"This caption has probability {said}."


def test_a_probability_that_float64_does_not_know():
    told = caption_stepper._probability_in_words(-1500.0)
    assert told == "This caption has probability 10⁻⁶⁵¹: one in 10⁶⁵¹."


def test_the_browser_module_asks_nobody():
    esm, css = bundle("caption_stepper")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    assert set(re.findall(r"https?://[^\s\"'`]+", esm + css)) == {"http://www.w3.org/2000/svg"}


def test_the_page_cannot_be_broken_by_a_word_or_an_error():
    def next_words(k, said):
        raise ValueError("</script>")

    page = stepper(words=[*WORDS[:-1], "</script><!-"], title="</script>").static_html()
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)
    assert stepper(next_words=next_words).static_html().count("</script>") == 1
