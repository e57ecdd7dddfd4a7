"""The two widgets of pixel models without a browser: their numbers, their checks, their posters."""

import re

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.models.pixel_cnn import PixelCNN
from lecture_utils.models.pixels import draw, may_see, sees
from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import Completion, PixelFilm, PixelSight
from lecture_utils.visual.widgets.base import bundle, unpack

# ---- a toy that sees a cone, and one that sees all ----------------------------------------------

H, W = 5, 6


def toy_sight(H=H, W=W, depth=2, wide=False, faint=0.3):
    """Of each pixel |d| <= r columns in the r-th row above, up to `depth` rows; all if `wide`."""
    sight = np.zeros((H, W, H, W))
    for i, j, k, m in np.ndindex(sight.shape):
        r, d = i - k, abs(m - j)
        before = r > 0 or (r == 0 and m < j)
        if before and (wide or (r <= depth and d <= max(r, depth * (r == 0)))):
            sight[i, j, k, m] = (1 + i) * faint ** (r + d - 1)
    return sight


def toy_sights(H=H, W=W):
    return {"cone": {depth: toy_sight(H, W, depth) for depth in (1, 2, 4)},
            "wide": {2: toy_sight(H, W, wide=True)}}


def leaky():
    """The cone of depth 2, in which (3, 2) sees itself and (4, 0)."""
    sight = toy_sight()
    sight[3, 2, 3, 2], sight[3, 2, 4, 0] = 0.5, 1e-9
    return sight


def counted_slowly(sight, i, j):
    may = sees = blind = leaks = 0
    for k, m in np.ndindex(H, W):
        if (k, m) < (i, j):
            may += 1
            sees += sight[i, j, k, m] > 0
            blind += sight[i, j, k, m] == 0
        else:
            leaks += sight[i, j, k, m] > 0
    return may, sees, blind, leaks


# ---- the sight: its numbers ---------------------------------------------------------------------


def test_every_pixel_is_counted_as_by_hand():
    sights = toy_sights()
    sights["leaky"] = {2: leaky()}
    widget = PixelSight(sights)
    for widget.depth in (1, 2, 4):
        for widget.row, widget.column in np.ndindex(H, W):
            for name, shown in (("cone", widget.depth), ("wide", 2), ("leaky", 2)):
                at = widget.row, widget.column
                assert widget.count(name) == counted_slowly(sights[name][shown], *at)
    widget.row, widget.column = 3, 2
    assert widget.count("leaky").leaks == 2
    with pytest.raises(ValueError, match="no model is called 'RNN': use one of 'cone', 'wide'"):
        widget.count("RNN")


def test_count_would_notice_turned_axes():
    widget = PixelSight({"turned": {1: toy_sight().transpose(2, 3, 0, 1)}}, row=2, column=3)
    assert widget.count("turned").leaks > 0 and widget.count("turned").sees == 0


def test_strengths_are_relative_to_the_strongest_and_within_three_percent():
    sight = np.zeros((2, 2, 2, 2))
    sight[1, 1].flat[:3] = 40, 0.4, 3e-4
    sight[1, 0].flat[:2] = 1e-200, 5e-324
    codes = unpack(PixelSight({"a": {1: sight}}).models[0]["codes"][0])
    np.testing.assert_allclose(10 ** ((codes[3, :3] - 255) * 6 / 254), [1, 1e-2, 7.5e-6], rtol=0.03)
    assert codes[2].tolist() == [255, 1, 0, 0]  # never 0 what is not 0
    assert not codes[:2].any()


def test_what_it_may_see_is_the_raster_order_or_as_given():
    before = torch.stack([may_see(0, i, j, (1, H, W))[0] for i, j in np.ndindex(H, W)])
    plain = PixelSight(toy_sights())
    assert ((unpack(plain.may_see) > 0) == before.view(H * W, H * W).numpy()).all()
    backwards = before.view(H, W, H, W).flip(0, 1, 2, 3)
    turned = toy_sight()[::-1, ::-1, ::-1, ::-1]
    other = PixelSight({"a": {1: turned}}, may_see=backwards, row=H - 2, column=1)
    plain = PixelSight({"a": {1: toy_sight()}}, row=1, column=W - 2)
    assert other.count("a") == plain.count("a")


def test_a_pixel_cnn_has_its_blind_spot():
    torch.manual_seed(0)
    model, images = PixelCNN(1, 2, 8, 2, first_kernel=3), torch.randint(2, (1, 1, 5, 5))
    sight = torch.zeros(5, 5, 5, 5)
    sight[3, 1] = sees(model, images, 0, 3, 1)[0]
    widget = PixelSight({"PixelCNN": {2: sight}}, row=3, column=1)
    # Two layers reach 3 columns and rows: in the row above as far as (2, 2), and so on.
    assert widget.count("PixelCNN") == (16, 13, 3, 0)


def test_tensors_are_taken_and_bytes_are_sent():
    sight = torch.rand(16, 16, 16, 16, requires_grad=True) * torch.ones(16, 16, 16, 16).tril()
    widget = PixelSight({str(k): {1: sight, 2: sight, 4: sight, 8: sight} for k in range(4)})
    assert sum(len(one["data"]) + len(one["scale"]) for model in widget.models
               for one in model["codes"]) < 1.1e6


# ---- the sight: what is refused, what is shown --------------------------------------------------


def with_value(value):
    sight = toy_sight()
    sight[1, 2, 0, 3] = value
    return {"a": {1: sight}}


@pytest.mark.parametrize("sights, settings, said", [
    ([toy_sight()], {}, "sights is a list: give a dict, name -> number of layers"),
    ({}, {}, "sights has 0 models: give 1 to 4"),
    ({str(k): {1: toy_sight()} for k in range(5)}, {}, "5 models"),
    ({"": {1: toy_sight()}}, {}, "'' cannot name a model"),
    ({7: {1: toy_sight()}}, {}, "7 cannot name a model"),
    ({"a": toy_sight()}, {}, r"sights\['a'\] is not a dict .* as \{2: array\}"),
    ({"a": {}}, {}, "not a dict with entries"),
    ({"a": {0: toy_sight()}}, {}, r"sights\['a'\]\[0\]: a number of layers is a whole number"),
    ({"a": {1: toy_sight().reshape(30, 30)}}, {}, r"\(30, 30\): .* by .reshape\(H, W, H, W\)"),
    ({"a": {1: np.ones((17, 5, 17, 5))}}, {}, "17 x 5: the widget shows 2 to 16"),
    ({"a": {1: toy_sight(), 2: toy_sight(4, 4)}}, {}, r"shape \(4, 4, 4, 4\), the first one"),
    (with_value(-1), {}, r"holds -1 at \[1, 2, 0, 3\]: pass the sizes"),
    (with_value(np.nan), {}, "holds nan"),
    (with_value(np.inf), {}, "holds inf"),
    (toy_sights(), {"depth": 3}, "depth is 3: choose one that was measured, 1, 2, 4"),
    (toy_sights(), {"row": 5}, "row is 5: choose a whole number from 0 to 4"),
    (toy_sights(), {"column": -1}, "column is -1: choose a whole number from 0 to 5"),
    (toy_sights(), {"may_see": np.ones((30, 30))}, r"may_see has shape \(30, 30\)"),
    (toy_sights(), {"may_see": toy_sight()}, r"may_see holds 0\.3 at \[0, 2, 0, 0\]: give truths"),
    (toy_sights(), {"may_see": 0 * toy_sight()}, "may_see is 0 everywhere"),
])
def test_sight_refuses(sights, settings, said):
    with pytest.raises(ValueError, match=said):
        PixelSight(sights, **settings)


def test_sight_stays_inside_what_there_is():
    widget = PixelSight(toy_sights())
    for name, value, kept in (("row", 99, 4), ("row", -1, 0), ("column", 99, 5), ("column", -1, 0),
                              ("depth", 99, 4), ("depth", 0, 1), ("depth", 3, 3)):
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    with pytest.raises(TraitError):
        widget.row = "first"
    widget.set_state({"row": 4, "column": 0, "depth": 1})
    assert repr(widget) == "PixelSight(cone, wide; 5 x 6, pixel (4, 0), depth 1)"


def test_sight_poster_tells_the_counts():
    widget = PixelSight({"a $": {2: toy_sight()}, "b": {1: leaky()}}, row=3, column=2)
    picture = widget.poster()
    a, b = widget.count("a $"), widget.count("b")
    assert isinstance(picture, Picture)
    assert f"a $, 2 layers: sees {a.sees} of 20, blind to {a.blind}." in picture.alt
    assert f"b, 1 layer: sees {b.sees} of 20, blind to {b.blind}, leaks from 2" in picture.alt
    data, metadata = widget._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(widget)


def test_sight_poster_paints_the_kinds():
    widget = PixelSight({"a": {1: leaky()}}, row=3, column=2)
    colours = widget.poster().axes[0].images[0].get_array()
    inks = {(0, 0): "blind", (3, 1): "seen", (3, 2): "leak", (4, 0): "leak", (4, 5): "later"}
    found = {tuple(np.round(colours[place], 2)) for place, kind in inks.items() if kind == "leak"}
    assert len(found) == 1
    assert colours[4, 5, 3] == 0 and colours[0, 0, 3] == 1
    assert len({tuple(np.round(colours[place], 2)) for place in inks}) == 4


@pytest.mark.parametrize("count", [1, 3, 4])
def test_sight_poster_has_a_grid_for_each_model(count):
    poster = PixelSight({str(k): {1: toy_sight()} for k in range(count)}, row=0, column=0).poster()
    assert len(poster.axes) == count + 1
    poster._repr_mimebundle_()


# ---- a toy that draws ---------------------------------------------------------------------------

K = 5


def toy_p(image, pixel, K=K):
    """Likes the level above, and the one to the left."""
    flat, width = image.ravel(), image.shape[1]
    p = np.full(K, 0.5 / K)
    p[flat[pixel - 1] if pixel % width else 0] += 0.3
    p[flat[pixel - width] if pixel >= width else K - 1] += 0.2
    return p


def toy_run(seed, given=None, known=None, H=H, W=W, K=K):
    """image (H, W), p (H W, K), uniforms (H, W); p is 0 of what was known."""
    image, p = np.zeros((H, W), int), np.zeros((H * W, K))
    uniforms = np.random.default_rng(seed).random((H, W))
    for pixel, u in enumerate(uniforms.ravel()):
        if known is not None and known.flat[pixel]:
            image.flat[pixel] = given.flat[pixel]
            continue
        p[pixel] = toy_p(image, pixel, K)
        image.flat[pixel] = draw(torch.tensor(p[pixel]).log(), torch.tensor(u)).item()
    return image, p, uniforms


def toy_samples(count=3, **sizes):
    return tuple(np.stack(part) for part in zip(*(toy_run(k, **sizes) for k in range(count))))


def toy_complete(levels, known, seed):
    runs = [toy_run(10 * seed + k, levels, known, *levels.shape) for k in range(4)]
    return np.stack([image for image, _, _ in runs]), runs[0][1]


REAL = np.random.default_rng(8).integers(K, size=(2, H, W))


def example(rows=2, seed=0):
    known = np.arange(H)[:, None] < np.full(W, rows)
    return Completion(REAL[0], known, toy_complete(REAL[0], known, seed)[0])


def film(**changes):
    images, p, uniforms = toy_samples()
    settings = {"images": images, "p": p, "uniforms": uniforms, "real": REAL}
    return PixelFilm(**(settings | changes))


# ---- the film: its numbers ----------------------------------------------------------------------


def test_images_and_distributions_arrive():
    images, p, uniforms = toy_samples()
    sent = film().samples
    assert (np.rint(unpack(sent["images"])) == images).all()
    np.testing.assert_allclose(unpack(sent["p"]), p, atol=1e-7)
    assert (unpack(sent["uniforms"]) == uniforms.reshape(3, -1)).all()
    tensors = PixelFilm(torch.tensor(images), torch.tensor(p, requires_grad=True))
    assert tensors.samples["p"]["data"] == sent["p"]["data"] and not tensors.real


@pytest.mark.parametrize("K", [2, 17, 32])
def test_levels_survive_their_way_as_bytes(K):
    images, p, _ = toy_samples(2, K=K)
    assert (np.rint(unpack(PixelFilm(images, p).samples["images"])) == images).all()


def test_bits_and_entropy_are_those_of_the_distributions():
    images, p, _ = toy_samples()
    widget = film(chosen=1)
    for pixel, level in enumerate(images[1].flat):
        now = p[1, pixel]
        assert widget.bits()[pixel] == pytest.approx(-np.log2(now[level]), rel=1e-6)
        assert widget.entropy()[pixel] == pytest.approx(-sum(now * np.log2(now)), rel=1e-6)
    certain = np.zeros((1, H * W, K))
    certain[..., 2] = 1
    sure = PixelFilm(np.full((1, H, W), 2), certain)
    assert sure.bits().sum() == sure.entropy().sum() == 0


def test_the_film_begins_where_the_model_is_least_sure_in_the_lower_half():
    images, p, _ = toy_samples()
    p = 0.9 * p
    p[np.arange(3)[:, None], np.arange(H * W), images.reshape(3, -1)] += 0.1
    for pixel in (4, 22):
        p[0, pixel] = 1 / K
    assert PixelFilm(images, p).step == 23
    assert film(step=7).step == 7


def test_uniforms_have_to_be_those_of_the_run():
    images, p, uniforms = toy_samples()
    wrong = uniforms.copy()
    wrong[1, 2, 3] = (wrong[1, 2, 3] + 0.5) % 1
    with pytest.raises(ValueError, match=r"for image 1, pixel 15, and draws level \d by it, but"):
        film(uniforms=wrong)


# ---- the film: what is refused ------------------------------------------------------------------

IMAGES, P, UNIFORMS = toy_samples()


def changed(array, place, value):
    array = np.array(array, float)
    array[place] = value
    return array


@pytest.mark.parametrize("changes, said", [
    ({"images": IMAGES[0]}, r"images has shape \(5, 6\): it must be \(any, any, any\)"),
    ({"images": IMAGES[:, None]}, r"of one channel \(N, 1, H, W\) give images\[:, 0\]"),
    ({"images": changed(IMAGES, (1, 2, 3), K)}, r"images holds 5 at \[1, 2, 3\]: .* from 0 to 4"),
    ({"images": changed(IMAGES, (1, 2, 3), 0.5)}, r"images holds 0.5 at"),
    ({"images": changed(IMAGES, (1, 2, 3), np.nan)}, r"images holds nan at"),
    ({"images": np.zeros((13, 2, 2)), "p": np.full((13, 4, 2), 0.5)}, "13 samples: give 1 to 12"),
    ({"images": np.zeros((1, 33, 2)), "p": np.full((1, 66, 2), 0.5)}, "33 x 2: the film shows"),
    ({"p": P[0]}, r"p has shape \(30, 5\): it must be .*; stack the steps' p"),
    ({"p": P[:2]}, r"p has shape \(2, 30, 5\): it must be \(3, 30, K\)"),
    ({"p": P[:, :29]}, "one distribution for each pixel of each image"),
    ({"p": changed(P, (1, 2), 0.3)}, r"p holds \[0.3, .* at \[1, 2\]: give probabilities that add"),
    ({"p": changed(P, (1, 2), np.nan)}, "p holds .nan"),
    ({"p": changed(P, (0, 3), [-1, 1, 1, 0, 0])}, r"p holds \[-1.0"),
    ({"p": changed(P, (1, 2), np.eye(K)[IMAGES[1, 0, 2] - 1])}, "image 1 at pixel 2, no prob"),
    ({"p": np.ones((3, 30, 1))}, "K = 1 levels: the film shows 2 to 32"),
    ({"uniforms": UNIFORMS[0]}, r"uniforms has shape \(5, 6\): it must be \(3, 5, 6\)"),
    ({"real": REAL[:, 1:]}, r"real has shape \(2, 4, 6\): it must be \(any, 5, 6\)"),
    ({"real": REAL + 1}, "real holds 5"),
    ({"real": np.zeros((13, H, W))}, "real holds 13 images: give 1 to 12"),
    ({"real": np.zeros((0, H, W))}, "real holds 0 images: give 1 to 12"),
    ({"images": np.zeros((0, H, W)), "p": P[:0]}, "images holds 0 samples: give 1 to 12"),
    ({"complete": "a model"}, "complete is 'a model': give a function"),
    ({"examples": [REAL]}, r"examples\[0\] is not three things"),
    ({"examples": [example()] * 7}, "examples has 7 entries: give at most 6"),
    ({"examples": [example()._replace(images=REAL)]}, r"s\[0\].images has shape \(2, 5, 6\)"),
    ({"examples": [example()._replace(known=REAL[0])]}, r"examples\[0\].known holds . at"),
    ({"chosen": 3}, "chosen is 3: choose a whole number from 0 to 2"),
    ({"step": 0}, "step is 0: choose a whole number from 1 to 30"),
    ({"step": 31}, "step is 31"),
])
def test_film_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        film(**changes)


# ---- the film: completion -----------------------------------------------------------------------


def ask(widget, rows, seed=1, levels=None):
    levels = REAL[1] if levels is None else levels
    widget.board = {"levels": np.ravel(levels).tolist(), "rows": rows, "seed": seed}
    return widget.completed


def test_the_board_is_completed():
    asked = []

    def complete(levels, known, seed):
        asked.append((levels.copy(), known, seed))
        levels[:] = 0  # may do with it what it likes
        return toy_complete(asked[-1][0], known, seed)

    widget = film(complete=complete)
    assert widget.board == {"levels": REAL[0].ravel().tolist(), "rows": 2, "seed": 0}
    assert asked == [] and widget.completed == {}  # nothing is run before it is asked for
    answer = ask(widget, 3, seed=6)
    (levels, known, seed), = asked
    assert (levels[:3] == REAL[1][:3]).all() and not levels[3:].any()
    assert known.dtype == bool and known[:3].all() and not known[3:].any() and seed == 6
    images, p = toy_complete(levels, known, 6)
    assert answer["board"] == widget.board
    assert (np.rint(unpack(answer["images"])) == images).all()
    np.testing.assert_allclose(unpack(answer["run"]["p"])[0], p[18:], atol=1e-7)

    widget.chosen, widget.step = 3, 99
    assert repr(widget) == "PixelFilm(3 of 5 x 6, 5 levels, own completion, step 12 of 12)"
    drawn = p[np.arange(18, 30), images[0].flat[18:]]
    np.testing.assert_allclose(widget.bits(), -np.log2(drawn), rtol=1e-6)
    assert "12 of 12 are there" in widget.poster().alt and "pixel (4, 5)" in widget.poster().alt
    ask(widget, 4)
    assert (widget.chosen, widget.step) == (3, 6)  # of a shorter run
    ask(widget, 0)
    assert len(widget.bits()) == 30


def fails(_levels, _known, _seed):
    raise KeyError("weights")


def answers(**changes):
    """A function that completes, and then changes what it returns."""
    def complete(levels, known, seed):
        images, p = toy_complete(levels, known, seed)
        return changes.get("images", lambda x: x)(images), changes.get("p", lambda x: x)(p)
    return complete


@pytest.mark.parametrize("complete, said", [
    (fails, "KeyError: 'weights'"),
    (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
    (lambda *_: None, "TypeError: cannot unpack"),
    (answers(images=lambda x: x[:3]), r"what complete returned has shape \(3, 5, 6\): .* \(4, 5"),
    (answers(images=lambda x: x + 1), "what complete returned holds 5"),
    (answers(images=lambda x: x[:, ::-1]), "complete changed pixels that were known: it has to"),
    (answers(p=lambda x: x[18:]), r"the p that complete returned has shape \(12, 5\): .* \(30, "),
    (answers(p=lambda x: x / 2), r"the p that complete returned of the unknown pixels holds \[0"),
    (answers(p=lambda x: np.eye(K)[:1].repeat(30, 0)), "no probability: hand over the p of this"),
])
def test_what_goes_wrong_is_told_to_the_reader(complete, said):
    widget = film(complete=complete)
    answer = ask(widget, 3)
    assert re.search(said, answer["error"])
    assert answer["board"] == widget.board and "images" not in answer


def test_an_error_puts_the_own_completion_away():
    widget = film(complete=toy_complete)
    ask(widget, 3)
    widget.chosen = 3
    assert "error" in ask(widget, 3, levels=np.full((H, W), K))
    assert widget.chosen == 2
    assert widget.completed["error"].startswith("the board holds 5 at [0]")
    assert ask(widget, H)["error"].startswith("the board keeps 5 rows: choose 0 to 4")


def test_without_a_function_the_board_asks_nobody():
    widget = film()
    assert not widget.can_complete
    assert ask(widget, 3) == {}


def test_film_stays_inside_what_there_is():
    widget = film()
    for name, value, kept in (("chosen", 3, 2), ("chosen", -1, 0), ("step", 0, 1),
                              ("step", 99, 30)):
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    with pytest.raises(TraitError):
        widget.unsure = "yes"
    widget.set_state({"chosen": 1, "step": 12, "unsure": True})
    assert repr(widget) == "PixelFilm(3 of 5 x 6, 5 levels, sample 1, step 12 of 30)"


# ---- the film: shown where no widget runs -------------------------------------------------------


def test_film_poster_tells_what_was_drawn():
    widget = film(chosen=2, step=15)
    level, p = IMAGES[2].flat[14], P[2, 14]
    alt = widget.poster().alt
    assert f"(2, 2): level {level} was drawn, with probability {p[level]:.2f}" in alt
    assert f"entropy {widget.entropy()[14]:.2f} bits" in alt
    so_far = widget.bits()[:15].sum()
    assert f"{so_far:.1f} bits so far, {so_far / 15:.2f} per pixel; whoever knows nothing" in alt
    assert widget._repr_mimebundle_()[1]["image/png"]["alt"] == alt


def test_film_poster_hides_what_is_not_drawn():
    image, bars, _ = film(step=15).poster().axes
    shown = image.images[0].get_array().reshape(30, 4)[:, 3]
    assert shown.tolist() == [1] * 15 + [0] * 15
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], P[0, 14], atol=1e-6)


def test_a_page_of_digits_stays_small():
    images, p = np.zeros((8, 8, 8)), np.full((8, 64, 17), 1 / 17)
    widget = PixelFilm(images, p, uniforms=np.full((8, 8, 8), 0.01), real=images)
    code = len("".join(bundle("pixel_film")))
    assert len(widget.static_html()) - code < 70_000


@pytest.mark.parametrize("name", ["pixel_sight", "pixel_film"])
def test_the_browser_modules_ask_nobody(name):
    esm, css = bundle(name)
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    assert set(re.findall(r"https?://[^\s\"'`]+", esm + css)) == {"http://www.w3.org/2000/svg"}


def test_the_page_cannot_be_broken_by_a_name_or_an_error():
    page = PixelSight({"</script><!-": {1: toy_sight()}}).static_html()
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)

    def fails(*_):
        raise ValueError("</script>")

    widget = film(complete=fails)
    ask(widget, 3)
    assert widget.static_html().count("</script>") == 1
