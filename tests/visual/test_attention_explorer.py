"""The attention explorer without a browser: its numbers, its checks, what it asks, its poster."""

import re
from typing import NamedTuple

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets.attention_explorer import AttentionExplorer, Looked, Share
from lecture_utils.visual.widgets.base import bundle, unpack

# ---- a toy that paints squares, and looks at what it names --------------------------------------

H, W, ROWS, COLUMNS = 30, 40, 4, 5  # cells of 7.5 x 8 pixels
PALETTE = {"red": (0.8, 0.1, 0.1), "blue": "#2060d0", "green": "green"}


class Toy(NamedTuple):
    x: float
    y: float
    radius: float
    shape: str
    colour: str
    turn: float = 0.0  # the explorer knows nothing of it

    @property
    def size(self):
        return "large" if self.radius > 4 else "small"


TOYS = (Toy(9, 10, 3, "heart", "red", 0.5), Toy(29, 18, 6, "ring", "blue"),
        Toy(33, 24, 4, "heart", "green"))  # fmt: skip


def box_of(x, y, radius):
    low, high = (np.rint([x - radius, y - radius]), np.rint([x + radius, y + radius]))
    return [*low.clip(0).astype(int), *np.minimum(high, (W, H)).astype(int)]


def toy_look(things):
    """a red heart and a blue ring <end>; "and" speaks of both."""
    image = np.full((H, W, 3), 200) - np.arange(H)[:, None, None]
    boxes = [box_of(thing.x, thing.y, thing.radius) for thing in things]
    for thing, (x0, y0, x1, y1) in zip(things, boxes):
        image[y0:y1, x0:x1] = {"red": (205, 25, 25), "blue": (32, 96, 208),
                               "green": (0, 128, 0)}[thing.colour]
    words, about = [], []
    for k, thing in enumerate(things[:2]):
        words += ["and"] * k + ["a", thing.colour, thing.shape]
        about += [(0, 1)] * k + [(), (k,), (k,)]
    words, about = [*words, "<end>"], [*about, ()]
    down, across = np.mgrid[:ROWS, :COLUMNS]
    maps = np.full((len(words), ROWS, COLUMNS), 0.02)
    for t, those in enumerate(about):
        for k in those:
            far = np.hypot(down - things[k].y / 7.5 + 0.5, across - things[k].x / 8 + 0.5)
            maps[t] += np.exp(-far)
        maps[t, 0, t % COLUMNS] += 0.1
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    p = np.linspace(0.95, 0.35, len(words))
    beta = np.array([0.8 if those else 0.3 for those in about]) + 0.01 * np.arange(len(words))
    facts = [(f"there is a {things[0].shape}", True), ("it is on the grass", False),
             ("it is old", None)]  # fmt: skip
    return Looked(image, words, p, maps, beta, boxes, about, facts)


def explorer(look=toy_look, things=TOYS, **changes):
    return AttentionExplorer(things, look, PALETTE, **changes)


def where(thing, k):
    return {"thing": k, "x": thing.x, "y": thing.y, "colour": thing.colour}


def arrangement(*changes, without=()):
    """The toys as they were, but for these (place, changes), and without some."""
    found = [where(thing, k) for k, thing in enumerate(TOYS)]
    for k, change in changes:
        found[k] |= change
    return [one for one in found if one["thing"] not in without]


def ask(widget, things):
    widget.asked = {"run": widget.asked["run"] + 1, "things": things}


# ---- numbers ------------------------------------------------------------------------------------


def share_slowly(attention, boxes):
    """By half pixels, of which 15 x 16 make a cell: each once, if it is in any of the boxes."""
    inside = count = 0
    for i, j in np.ndindex(2 * H, 2 * W):
        if any(x0 <= j / 2 < x1 and y0 <= i / 2 < y1 for x0, y0, x1, y1 in boxes):
            inside += attention[i // 15, j // 16] / (15 * 16)
            count += 1
    return Share(inside, count / (4 * H * W))


def test_shares_are_those_counted_by_half_pixels():
    widget, looked = explorer(), toy_look(TOYS)
    found = [widget.share(t) for t in range(8)]
    for t, those in enumerate(looked.about):
        if those:
            wanted = share_slowly(looked.maps[t], [looked.boxes[k] for k in those])
            assert found[t] == pytest.approx(wanted, abs=1e-7)
        else:
            assert found[t] is None
    assert [t for t in range(8) if found[t]] == [1, 2, 3, 5, 6]
    with pytest.raises(ValueError, match="word is 8: choose a whole number from 0 to 7"):
        widget.share(8)


def test_shares_would_notice_turned_axes_and_boxes_counted_twice():
    looked, both = toy_look(TOYS), [[10, 5, 30, 20], [20, 10, 40, 25]]
    wanted = share_slowly(looked.maps[3], both)

    def turned(things):
        maps = looked.maps.transpose(0, 2, 1).reshape(looked.maps.shape)
        return looked._replace(maps=maps, boxes=[*both, looked.boxes[2]])

    plain = explorer(lambda things: looked._replace(boxes=[*both, looked.boxes[2]]))
    assert plain.share(3) == pytest.approx(wanted, abs=1e-7)
    assert wanted.chance == (20 * 15 + 20 * 15 - 10 * 10) / (H * W)
    assert explorer(turned).share(3).inside != pytest.approx(wanted.inside, abs=0.01)


def test_an_even_map_gets_what_chance_gets():
    even = np.full((8, 3, 7), 1 / 21)  # 40 pixels in 7 columns: no border falls on a pixel's
    widget = explorer(lambda things: toy_look(things)._replace(maps=even))
    for t in (1, 3, 5):
        assert widget.share(t).inside == pytest.approx(widget.share(t).chance, abs=1e-7)


def test_what_cannot_be_seen_has_no_share():
    hidden = [[0, 0, 0, 0]] * 3
    widget = explorer(lambda things: toy_look(things)._replace(boxes=hidden))
    assert widget.share(1) is None and "inside" not in widget.poster().alt


def test_the_image_is_sent_exactly_and_tensors_are_taken():
    looked = toy_look(TOYS)
    sent = explorer().seen
    assert (unpack(sent["image"]) == looked.image).all()
    np.testing.assert_allclose(unpack(sent["maps"]), looked.maps, atol=1e-7)
    tensors = looked._replace(
        image=torch.tensor(looked.image), maps=torch.tensor(looked.maps, requires_grad=True),
        probabilities=torch.tensor(looked.probabilities), beta=torch.tensor(looked.beta),
        about=[[np.int64(k) for k in those] for those in looked.about],
    )  # fmt: skip
    again = explorer(lambda things: tensors).seen
    assert again["image"]["data"] == sent["image"]["data"]
    assert again["maps"]["data"] == sent["maps"]["data"] and again["p"] == sent["p"]
    assert again["about"] == sent["about"] == [[], [0], [0], [0, 1], [], [1], [1], []]


def test_it_begins_at_the_first_word_that_speaks_of_a_thing():
    assert explorer().step == 3 * 1 + 2
    mute = explorer(lambda things: toy_look(things)._replace(about=[()] * 8))
    assert mute.step == 2


# ---- what look is asked -------------------------------------------------------------------------


def test_things_come_back_as_they_were_given_but_for_what_was_changed():
    asked = []

    def look(things):
        asked.append(list(things))
        looked = toy_look(things)
        things.clear()  # may do with the list what it likes
        return looked

    widget = explorer(look)
    assert asked == [list(TOYS)]
    ask(widget, arrangement((1, {"x": 12.5, "y": 7.0}), (0, {"colour": "green"}), without=(2,)))
    assert asked[1] == [TOYS[0]._replace(colour="green"), TOYS[1]._replace(x=12.5, y=7.0)]
    assert widget.seen["words"] == ["a", "green", "heart", "and", "a", "blue", "ring", "<end>"]
    assert [one["name"] for one in widget.seen["things"]] == ["small green heart",
                                                              "large blue ring"]
    assert widget.before["words"][1] == "red" and len(widget.before["things"]) == 3
    assert repr(widget) == "AttentionExplorer(2 things: a green heart and a blue ring <end>)"


def test_dicts_with_names_are_taken():
    given = [{"name": "the red one", "x": 9, "y": 10, "radius": 3, "shape": "heart",
              "colour": "red", "size": "small", "taste": "sweet"}]  # fmt: skip
    asked = []

    def look(things):
        asked.append(things)
        return toy_look([Toy(**{name: thing[name] for name in Toy._fields[:5]})
                         for thing in things])

    widget = explorer(look, given)
    assert asked == [given]
    ask(widget, [{"thing": 0, "x": 20, "y": 10, "colour": "blue"}])
    assert asked[1] == [given[0] | {"name": "the blue one", "x": 20, "colour": "blue"}]
    assert widget.seen["things"][0]["name"] == "small the blue one"


def fails(things):
    """Paints the toys as they were given, nothing else."""
    if list(things) != list(TOYS):
        raise KeyError("weights")
    return toy_look(things)


def changed_later(**changes):
    """A look that returns something else from the second time on."""
    first = []

    def look(things):
        first.append(things)
        looked = toy_look(things)
        return looked if len(first) == 1 else looked._replace(**changes)

    return look


@pytest.mark.parametrize("look, things, said", [
    (fails, arrangement((0, {"x": 12})), "KeyError: 'weights'"),
    (toy_look, [], "no thing is left: at least one must stay"),
    (toy_look, arrangement((0, {"colour": "pink"})), "colour is 'pink': choose one of red, blue"),
    (toy_look, arrangement((0, {"x": float("nan")})), "x is nan: give pixels"),
    (toy_look, arrangement((0, {"y": None})), "y is None: give pixels"),
    (toy_look, arrangement((2, {"thing": 1})), r"holds a thing twice: \[0, 1, 1\]"),
    (toy_look, arrangement((2, {"thing": 3})), "thing is 3: choose a whole number from 0 to 2"),
    (toy_look, [{"thing": 0}], "TypeError: .*missing"),
    (changed_later(image=np.zeros((H, H, 3))), arrangement((0, {"x": 12})),
     r"image has shape \(30, 30, 3\), the first one had \(30, 40, 3\): return pictures of one"),
    (changed_later(words=["a"]), arrangement((0, {"x": 12})), r"maps has shape \(8, 4, 5\)"),
])
def test_what_goes_wrong_is_told_and_the_old_picture_stays(look, things, said):
    widget = explorer(look)
    old = widget.seen
    ask(widget, things)
    assert re.search(said, widget.refused["error"]) and widget.refused["run"] == 1
    assert widget.seen is old and widget.before == {}


def test_after_a_refusal_it_goes_on():
    widget = explorer()
    ask(widget, [])
    ask(widget, arrangement(without=(0,)))
    assert widget.refused == {} and widget.seen["run"] == 2
    assert widget.before["run"] == 0


def test_the_step_stays_inside_the_caption():
    widget = explorer()
    for value, kept in ((-1, 0), (24, 23), (99, 23), (7, 7)):
        widget.step = value
        assert widget.step == kept
    widget.step = 23
    ask(widget, arrangement(without=(0, 1)))  # a green heart <end>
    assert widget.step == 11
    with pytest.raises(TraitError):
        widget.shows = "a rainbow"
    widget.set_state({"step": 4, "shows": "cells"})
    assert (widget.step, widget.shows) == (4, "cells")


# ---- what is refused ----------------------------------------------------------------------------


def toys(**changes):
    return [TOYS[0], TOYS[1]._replace(**changes)]


@pytest.mark.parametrize("changes, said", [
    ({"things": "heart"}, "things is a str: give a list of dicts or NamedTuples"),
    ({"things": {"x": 1}}, "things is a dict: give a list"),
    ({"things": []}, "there are 0 things: give 1 to 12"),
    ({"things": TOYS * 5}, "there are 15 things"),
    ({"things": [(1, 2)]}, r"things\[0\] is a tuple: give a dict or a NamedTuple"),
    ({"things": [{"x": 1, "y": 2, "shape": "ring", "colour": "red"}]}, r"things\[0\] has no rad"),
    ({"things": toys(x="left")}, r"things\[1\].x is 'left': give pixels"),
    ({"things": toys(y=float("inf"))}, r"things\[1\].y is inf"),
    ({"things": toys(radius=0)}, r"things\[1\].radius is 0: give more than 0"),
    ({"things": toys(shape="")}, r"'' cannot name the shape of things\[1\]"),
    ({"things": toys(shape="r" * 25)}, "cannot name the shape"),
    ({"things": toys(colour="pink")}, r"things\[1\].colour is 'pink', which the palette lacks: it "
     "has red, blue, green"),
    ({"palette": ["red"]}, "palette is a list: give a dict, name of a colour -> colour"),
    ({"palette": {}}, "palette has 0 colours: give 1 to 12"),
    ({"palette": {"red": "reddish"}}, r"palette\['red'\] is 'reddish': give a colour such as"),
    ({"palette": {"red": "red; x: y"}}, "give a colour such as"),
    ({"palette": {7: "red"}}, "7 cannot name a colour"),
    ({"look": None}, "look is None: give a function, things -> Looked"),
    ({"title": 5}, "title is 5: give a text"),
    ({"title": "x" * 81}, "title is 'x"),
])
def test_it_refuses(changes, said):
    settings = {"things": TOYS, "look": toy_look, "palette": PALETTE, "title": ""}
    with pytest.raises(ValueError, match=said):
        AttentionExplorer(**(settings | changes))


def with_value(array, place, value):
    array = np.array(array, float)
    array[place] = value
    return array


GOOD = toy_look(TOYS)


@pytest.mark.parametrize("changes, said", [
    ({"image": GOOD.image[..., 0]}, r"image has shape \(30, 40\): it must be \(H, W, 3\)"),
    ({"image": GOOD.image + 100}, r"image holds \d+ at .*: give levels from 0 to 255"),
    ({"image": with_value(GOOD.image, (0, 0, 0), np.nan)}, r"image holds nan at \[0, 0, 0\]"),
    ({"image": np.zeros((7, 40, 3))}, "image is 7 x 40: the explorer shows 8 to 512"),
    ({"words": []}, "there are 0 words: return 1 to 40"),
    ({"words": ["a"] * 41}, "there are 41 words"),
    ({"words": ["a"] * 7 + [""]}, "'' cannot name a word"),
    ({"probabilities": [0.5] * 7}, r"probabilities has shape \(7,\): it must be \(8,\)"),
    ({"probabilities": [1.2] * 8}, r"probabilities holds 1.2 at \[0\]: give numbers from 0 to 1"),
    ({"probabilities": [np.nan] * 8}, "probabilities holds nan"),
    ({"maps": GOOD.maps[:7]}, r"maps has shape \(7, 4, 5\): it must be \(8, rows, columns\)"),
    ({"maps": GOOD.maps.reshape(8, 20)}, r"maps has shape \(8, 20\)"),
    ({"maps": GOOD.maps / 2}, "the map of word 0, 'a', adds up to 0.5 .*: give weights from 0"),
    ({"maps": with_value(GOOD.maps, (2, 0, 0), np.nan)}, "the map of word 2, 'heart', adds up"),
    ({"maps": with_value(GOOD.maps, (1, 0), [-1, 1, 0, 0, 0])}, "goes down to -1"),
    ({"maps": np.full((8, 33, 1), 1 / 33)}, "maps have 33 x 1 cells: give 1 to 32"),
    ({"beta": [0.5] * 7}, r"beta has shape \(7,\)"),
    ({"beta": [-0.1] * 8}, "beta holds -0.1"),
    ({"boxes": GOOD.boxes[:2]}, r"boxes has shape \(2, 4\): it must be \(3, 4\): x0, y0, x1, y1"),
    ({"boxes": [[5, 5, 4, 9]] * 3}, r"boxes\[0\] is \[5.0, 5.0, 4.0, 9.0\]: give x0, y0, x1, y1"),
    ({"boxes": [[0, 0, 40, 31]] * 3}, r"of the 40 x 30 picture"),
    ({"boxes": [[0.5, 0, 4, 9]] * 3}, "in whole pixels"),
    ({"boxes": [[0, 0, np.nan, 9]] * 3}, "in whole pixels"),
    ({"about": GOOD.about[:7]}, "about has 7 entries: give one for each of the 8 words"),
    ({"about": [(3,)] * 8}, r"about\[0\] is 3: choose a whole number from 0 to 2"),
    ({"facts": [("true", 1)]}, r"facts\[0\] is \('true', 1\): give \(text, True, False or None\)"),
    ({"facts": [("true", True, 1)]}, "give .text, True, False or None"),
    ({"facts": [("", True)]}, "'' cannot name a fact"),
    ({"facts": [("true", True)] * 25}, "there are 25 facts: return at most 24"),
])
def test_what_look_returns_is_checked(changes, said):
    with pytest.raises(ValueError, match=said):
        explorer(lambda things: GOOD._replace(**changes))


@pytest.mark.parametrize("returned", [None, GOOD[:7], 5])
def test_something_else_than_looked_is_refused(returned):
    with pytest.raises(ValueError, match=r"look returned .*: return a Looked\(image, words, prob"):
        explorer(lambda things: returned)


def test_errors_at_the_first_look_are_the_notebooks_own():
    with pytest.raises(ZeroDivisionError):
        explorer(lambda things: 1 / 0)


# ---- shown where no widget runs -----------------------------------------------------------------


def test_the_poster_shows_each_word_that_speaks_of_a_thing():
    widget = explorer()
    poster = widget.poster()
    assert isinstance(poster, Picture) and len(poster.axes) == 1 + 5
    labels = [ax.get_xlabel().split("\n")[0] for ax in poster.axes[1:]]
    assert labels == ["red", "heart", "and", "blue", "ring"]
    boxes = [len(ax.patches) // 2 for ax in poster.axes]
    assert boxes == [3, 1, 1, 2, 1, 1]
    dark = poster.axes[1].images[1].get_array()[..., 3]
    np.testing.assert_allclose(dark, 0.82 * (1 - GOOD.maps[1] / GOOD.maps[1].max()), atol=1e-6)
    share = widget.share(1)
    said = f"red: {share.inside:.0%} of its attention inside, chance {share.chance:.0%}"
    assert said in poster.alt
    assert "small red heart, large blue ring, small green heart" in poster.alt
    assert widget._repr_mimebundle_()[1]["image/png"]["alt"] == poster.alt


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 10, 40])
def test_all_of_the_poster_is_inside_of_it(count):
    words = [f"word{t}" for t in range(40)]
    about = [(0,)] * count + [()] * (40 - count)
    looked = GOOD._replace(words=words, probabilities=[0.5] * 40, about=about, beta=None,
                           maps=np.full((40, 1, 2), 0.5))  # fmt: skip
    poster = explorer(lambda things: looked).poster()
    assert len(poster.axes) == 1 + (min(count, 10) or 10)
    width, height = poster.get_size_inches() * poster.dpi
    renderer = FigureCanvasAgg(poster).get_renderer()
    boxes = [ax.get_tightbbox(renderer) for ax in poster.axes]
    for k, box in enumerate(boxes):
        assert 0 <= box.x0 and box.x1 <= width and 0 <= box.y0 and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[k + 1:])
    assert all(text.get_window_extent(renderer).x1 <= width for text in poster.texts)


def test_the_browser_module_asks_nobody():
    esm, css = bundle("attention_explorer")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    assert set(re.findall(r"https?://[^\s\"'`]+", esm + css)) == {"http://www.w3.org/2000/svg"}


def test_the_page_cannot_be_broken_by_words_or_errors_and_stays_small():
    words = ["</script>", "<!-", "<img src=x>", *GOOD.words[3:]]

    def look(things):
        if len(things) < 3:
            raise ValueError("</script><!-")
        return toy_look(things)._replace(words=words)

    widget = explorer(look, title="</script>")
    ask(widget, arrangement(without=(2,)))
    page = widget.static_html()
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)
    assert len(page) - len("".join(bundle("attention_explorer"))) < 20_000
