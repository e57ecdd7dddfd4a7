"""The widgets of pixel models in a real browser: from a file, offline, and in JupyterLab."""

import re
import statistics

import nbformat
import numpy as np
import pytest

from lecture_utils.visual.style import COLOURS, MAGNITUDE
from lecture_utils.visual.widgets import PixelFilm, PixelSight, base
from lecture_utils.visual.widgets.base import unpack
from tests.visual.test_pixel_lab import (
    IMAGES,
    REAL,
    UNIFORMS,
    H,
    K,
    P,
    W,
    example,
    film,
    leaky,
    toy_complete,
    toy_sight,
    toy_sights,
)

NARROW, MIDDLE, WIDE = 600, 760, 1100


def rgb(colour):
    return [int(x) for x in re.findall(r"\d+", colour)]


def magnitude(share):
    """The colour of the browser: three stops of MAGNITUDE, straight lines between."""
    low, middle, high = (np.round(255 * np.array(MAGNITUDE(x)[:3])) for x in (0.0, 0.5, 1.0))
    left, right, x = (low, middle, 2 * share) if share < 0.5 else (middle, high, 2 * share - 1)
    return left + (right - left) * x


def fits(page, width):
    """What sticks out of the card, or lies on what is beside it."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(60)
    return page.evaluate("""() => {
      const card = document.querySelector('.lecture').getBoundingClientRect();
      const wrong = [];
      for (const part of document.querySelectorAll('button, p, dd, dt, canvas, svg, .field, h3')) {
        const box = part.getBoundingClientRect();
        if (!box.width || part.classList.contains('unseen')) continue;
        if (box.right > card.right - 8 || box.left < card.left + 8
            || part.scrollWidth > part.clientWidth + 1 && part.clientWidth
               && getComputedStyle(part).display !== 'inline')
          wrong.push(`${part.tagName} ${part.className} ${part.textContent.slice(0, 30)}`);
      }
      for (const group of ['.row > *', '.grids > *', '.desk > *', '.facts > *', '.choices > *',
                           '.results > *', '.chart text', 'figure > *']) {
        const parts = [...document.querySelectorAll(group)].filter((e) => e.textContent
          || e.matches('canvas, svg, input'));
        const boxes = parts.map((e) => e.getBoundingClientRect());
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
          if (a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1
              && a.top < b.bottom - 2 && b.top < a.bottom - 2)
            wrong.push(`${group}: ${parts[i].textContent} / ${parts[i + 1 + j].textContent}`);
        }));
      }
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
      return wrong;
    }""")


def assert_named_and_large(page, count):
    controls = page.locator(
        "button:visible, input:visible, [role=slider]:visible, [role=application]:visible")
    assert controls.count() == count
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24


def click_pixel(page, grid, row, column):
    box = grid.bounding_box()
    rows, columns = (float(x) / 20 for x in grid.get_attribute("viewBox").split()[:1:-1])
    grid.click(position={"x": (column + 0.5) * box["width"] / columns,
                         "y": (row + 0.5) * box["height"] / rows})


# ---- the sight ----------------------------------------------------------------------------------


def sight(**changes):
    settings = {"sights": toy_sights(), "row": 3, "column": 2}
    return PixelSight(**(settings | changes))


def kinds(page, grid):
    return page.locator(".grid").nth(grid).evaluate(
        "svg => [...svg.querySelectorAll('[data-kind]')].map((e) => e.dataset.kind)")


def kinds_by_hand(values, i, j):
    found = []
    for k, m in np.ndindex(H, W):
        before, seen = (k, m) < (i, j), values[i, j, k, m] > 0
        found.append(("seen" if seen else "blind") if before else
                     "leak" if seen else "self" if (k, m) == (i, j) else "later")
    return found


def assert_sight_is_pythons(page, widget, shown):
    """Kinds, counts and depths. shown: for each model the array of the depth that is shown."""
    i, j = widget.row, widget.column
    assert page.locator(".title").inner_text() == f"What pixel ({i}, {j}) sees"
    for k, (model, values) in enumerate(zip(widget.models, shown)):
        assert kinds(page, k) == kinds_by_hand(values, i, j)
        count = widget.count(model["name"])
        said = page.locator(".count").nth(k).inner_text()
        assert said == (f"sees {count.sees} of {count.may_see}; blind to {count.blind}"
                        if count.may_see else "nothing comes before it")
        may = np.tri(H * W, k=-1).astype(bool)
        share = page.locator("figure p[data-share]").nth(k).get_attribute("data-share")
        seen = values.reshape(H * W, H * W)[may] > 0
        assert float(share) == pytest.approx(seen.mean())


def test_what_is_seen_is_pythons_for_each_pixel_and_depth(static_page):
    widget, sights = sight(), toy_sights()
    page = static_page(widget)
    grid, slider = page.locator(".grid").first, page.get_by_label("Depth", exact=True)
    for place, depth in enumerate((1, 2, 4)):
        slider.fill(str(place))
        widget.depth = depth
        for widget.row, widget.column in ((0, 0), (2, 5), (4, 1)):
            click_pixel(page, grid, widget.row, widget.column)
            # The other model was measured at 2 layers only.
            assert_sight_is_pythons(page, widget, [sights["cone"][depth], sights["wide"][2]])
        names = page.locator("figure > p:first-of-type").all_inner_texts()
        assert names == [f"{depth} layer{'s' * (depth > 1)}", "2 layers"]


def test_colours_are_logarithms_of_the_strength(static_page):
    page = static_page(sight())
    fills = page.locator(".grid").first.evaluate(
        "svg => [...svg.querySelectorAll('[data-kind]')].map((e) => e.getAttribute('fill'))")
    values = toy_sight(depth=4)[3, 2].ravel()
    for value, kind, fill in zip(values / values.max(), kinds(page, 0), fills):
        if kind == "seen":
            share = 0.12 + 0.88 * (1 + np.log10(value) / 6)
            np.testing.assert_allclose(rgb(fill), magnitude(share), atol=2.5)
        else:
            assert fill == {"blind": COLOURS["cell"], "self": "#fff", "later": "none"}[kind]
    crosses = page.locator(".crosses").first.get_attribute("d")
    assert crosses.count("m-3.5") == kinds(page, 0).count("blind") > 0


def test_arrow_keys_choose_the_pixel_in_any_grid(static_page):
    widget = sight()
    page = static_page(widget)
    for grid, keys, place in (
        (0, ["ArrowUp", "ArrowRight"], (2, 3)), (1, ["End", "PageDown"], (4, 5)),
        (1, ["ArrowDown", "ArrowRight"], (4, 5)), (0, ["Home", "PageUp", "ArrowLeft"], (0, 0)),
        (0, ["ArrowDown", "ArrowRight", "ArrowRight"], (1, 2)),
    ):
        page.locator(".grid").nth(grid).focus()
        for key in keys:
            page.keyboard.press(key)
        widget.row, widget.column = place
        assert_sight_is_pythons(page, widget, [toy_sight(depth=4), toy_sight(wide=True)])
    outline = page.locator(".grid").first.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    page.wait_for_function(
        "document.querySelector('p[role=status]').textContent.startsWith('Pixel (1, 2)')")
    count = widget.count("cone")
    said = f"cone (1, 2), 4 layers: sees {count.sees} of 8; blind to {count.blind}."
    assert said in page.locator("p[role=status]").inner_text()


def test_pointing_reads_how_much_a_pixel_counts(static_page):
    page = static_page(sight())
    grid = page.locator(".grid").first
    box = grid.bounding_box()
    page.mouse.move(box["x"] + 1.5 * box["width"] / W, box["y"] + 1.5 * box["height"] / H)
    # r + d - 1 = 2 steps of 0.3, against 0 for the neighbours
    assert page.locator(".reading").all_inner_texts() == [
        "(1, 1) sees it: 0.09 of the strongest"] * 2
    assert page.locator(".pointed").first.get_attribute("visibility") == "visible"
    page.mouse.move(box["x"] - 20, box["y"])
    assert page.locator(".reading").all_inner_texts() == ["", ""]
    grid.focus()
    readings = []
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(f"Shift+{key}")
        readings.append(page.locator(".reading").first.inner_text().split(") ")[1])
    assert readings == ["comes later: must not see it", "sees it: 0.3 of the strongest",
                        "sees it: the strongest of all", "the pixel itself",
                        "sees it: the strongest of all"]
    page.keyboard.press("Shift+End")
    page.keyboard.press("Shift+PageUp")
    assert page.locator(".reading").all_inner_texts() == [
        "(0, 5) sees it: 2 × 10⁻³ of the strongest"] * 2
    assert page.locator(".title").inner_text() == "What pixel (3, 2) sees"
    page.keyboard.press("Escape")
    assert page.locator(".reading").first.inner_text() == ""


def test_a_leak_gives_alarm(static_page):
    page = static_page(sight(sights={"tight": {2: toy_sight()}, "leaky": {2: leaky()}}))
    assert page.locator(".leak").all_inner_texts() == [
        "", "Leak: it sees 2 pixels that it must not see. Its likelihoods count for nothing."]
    leak = [k for k, kind in enumerate(kinds(page, 1)) if kind == "leak"]
    assert leak == [3 * W + 2, 4 * W]
    fill = page.locator(".grid").nth(1).locator("[data-kind=leak]").first.get_attribute("fill")
    assert fill == COLOURS["output"]
    assert page.locator(".legend .alarm").count() == 1
    assert page.locator("input").count() == 0  # one depth only
    click_pixel(page, page.locator(".grid").first, 4, 0)
    assert page.locator(".leak").all_inner_texts() == ["", ""]
    assert static_page(sight()).locator(".legend .alarm").count() == 0


def test_sight_fits_and_has_names(static_page):
    sights = {"Diagonal BiLSTM": toy_sights(8, 8)["cone"], "Gated PixelCNN": {2: toy_sight(8, 8)},
              "</b><img src=x>": {2: toy_sight(8, 8)}, "Row LSTM": {2: toy_sight(8, 8)}}
    for count in (4, 3, 1):
        page = static_page(PixelSight(dict(list(sights.items())[:count])))
        for width in (380, NARROW, MIDDLE, WIDE):
            assert fits(page, width) == [], (count, width)
        assert page.locator("img").count() == 0
        assert_named_and_large(page, 1 + count)


def test_sight_of_16_by_16_is_quick(static_page, capsys):
    values = toy_sight(16, 16, depth=9)
    page = static_page(PixelSight({str(k): {1: values, 2: values} for k in range(4)}))
    times = page.evaluate("""async () => {
      const grid = document.querySelector('.grid');
      const times = [];
      for (let k = 0; k < 24; k++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        grid.dispatchEvent(new KeyboardEvent('keydown',
          { key: k % 2 ? 'ArrowLeft' : 'ArrowUp', bubbles: true }));
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }
      return times;
    }""")
    with capsys.disabled():
        print(f"\npixel sight, 4 x 16 x 16: {statistics.median(times):.1f} ms (median), "
              f"{max(times):.1f} ms (worst)")
    assert statistics.median(times) < 100


# ---- the film -----------------------------------------------------------------------------------


def fills(page, name):
    return page.locator(f".{name} .square").evaluate_all(
        "squares => squares.map((e) => e.getAttribute('fill'))")


def grey(level, K=K):
    return np.array([255, 255, 255]) + (np.array([31, 36, 41]) - 255) * level / (K - 1)


def assert_levels(page, name, levels, shown):
    """The first `shown` pixels in their grey, the rest open."""
    found = fills(page, name)
    for fill, level in zip(found[:shown], np.ravel(levels)):
        np.testing.assert_allclose(rgb(fill), grey(level), atol=0.6)
    assert set(found[shown:]) <= {"none"}


def exact(page):
    return [float(x.get_attribute("data-value")) for x in page.locator(".facts b").all()]


def assert_film_is_pythons(page, widget):
    """Pixels, bars, numbers at the widget's step of a sample."""
    step, image, p = widget.step, IMAGES[widget.chosen], P[widget.chosen]
    assert_levels(page, "film", image, step)
    bars = page.locator(".bar")
    found = bars.evaluate_all("bars => bars.map((e) => Number(e.getAttribute('data-p')))")
    np.testing.assert_allclose(found, p[step - 1], atol=1e-7)
    drawn = bars.evaluate_all("bars => bars.map((e) => e.classList.contains('drawn'))")
    level = image.flat[step - 1]
    assert drawn == [k == level for k in range(K)]
    so_far = widget.bits()[:step].sum()
    np.testing.assert_allclose(
        exact(page), [step, so_far, so_far / step, widget.entropy()[step - 1]], rtol=1e-6)
    shown = page.locator(".facts dd").all_inner_texts()
    assert shown[1].split("\n")[0] == f"{so_far:.1f} bits"
    assert shown[1].split()[-2] == f"{so_far * np.log(2):.1f}"
    row, column = divmod(step - 1, W)
    caption = page.locator(".caption").inner_text()
    assert caption.startswith(f"Pixel ({row}, {column}): level {level} was drawn, p = ")


def test_every_step_is_pythons(static_page):
    widget = film(step=1)
    page = static_page(widget)
    for widget.chosen, steps in ((0, (1,)), (2, range(1, H * W + 1))):
        page.locator(".choice").nth(widget.chosen).click()
        for widget.step in steps:
            assert_film_is_pythons(page, widget)
            page.get_by_role("button", name="Next pixel").click()
        page.locator(".film").press("Home")


def test_the_random_number_falls_into_the_share_of_the_level(static_page):
    page = static_page(film(chosen=1))
    for step in (1, 8, 30):
        page.get_by_label("Pixel", exact=True).fill(str(step))
        needle = page.locator(".needle").bounding_box()
        share = page.locator(".share.drawn").bounding_box()
        middle = needle["x"] + needle["width"] / 2
        assert share["x"] - 1 <= middle <= share["x"] + share["width"] + 1
        assert f"{UNIFORMS[1].flat[step - 1]:.3f}" in page.locator(".dice").inner_text()
        level = IMAGES[1].flat[step - 1]
        assert page.locator(".dice").inner_text().endswith(f"share of level {level}")
    page = static_page(film(uniforms=None))
    assert page.locator(".dice").is_hidden()


def test_where_it_is_unsure_is_coloured_by_entropy(static_page):
    widget = film(step=20)
    page = static_page(widget)
    page.get_by_label("where is it unsure?").check()
    found = fills(page, "film")
    for fill, entropy in zip(found[:20], widget.entropy()):
        np.testing.assert_allclose(rgb(fill), magnitude(entropy / np.log2(K)), atol=1)
    assert set(found[20:]) == {"none"}
    assert "2.32 bits" in page.locator(".side .legend").first.inner_text()
    page.get_by_label("where is it unsure?").uncheck()
    assert_levels(page, "film", IMAGES[0], 20)


def test_the_film_is_worked_by_keys_clicks_and_slider(static_page):
    widget = film(step=10)
    page = static_page(widget)
    image = page.locator(".film")
    image.focus()
    for key, step in (("ArrowRight", 11), ("ArrowDown", 17), ("ArrowUp", 11), ("ArrowLeft", 10),
                      ("End", 30), ("ArrowDown", 30), ("Home", 1), ("PageUp", 1), ("PageDown", 7)):
        page.keyboard.press(key)
        widget.step = step
        assert_film_is_pythons(page, widget)
    click_pixel(page, image, 3, 4)
    widget.step = 23
    assert_film_is_pythons(page, widget)
    page.get_by_role("button", name="Previous pixel").click()
    widget.step = 22
    assert_film_is_pythons(page, widget)
    page.wait_for_function("""() => document.querySelector('[role=status]').textContent
        .startsWith('pixel (3, 3), 22 of 30: level ')""")


def test_play_runs_to_the_end_and_is_off_under_reduced_motion(static_page):
    page = static_page(film(step=26))
    page.get_by_role("button", name="Play through the pixels").click()
    page.wait_for_function("document.querySelector('.facts b').textContent === '30'")
    page.get_by_role("button", name="Play through the pixels").wait_for()
    page = static_page(film(), reduced_motion="reduce")
    assert page.get_by_role("button", name=re.compile("^Play")).is_disabled()


# ---- completion ---------------------------------------------------------------------------------


def dots(page, place):
    """The colours of a canvas, (H, W, 4)."""
    flat = page.locator(place).evaluate("""canvas => Array.from(canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data)""")
    return np.reshape(flat, (H, W, 4))


def assert_dots(page, place, levels, known=True):
    found, known = dots(page, place), np.broadcast_to(known, (H, W))
    wanted = np.array([[grey(level) for level in row] for row in levels])
    np.testing.assert_allclose(found[known][:, :3], wanted[known], atol=0.6)
    assert (found[known][:, 3] == 255).all() and not found[~known].any()


def test_a_page_without_kernel_shows_examples(static_page):
    given = example(rows=3)
    page = static_page(film(complete=toy_complete, examples=[example(), given]))
    page.get_by_role("button", name="Complete a drawing").click()
    assert page.locator(".film").is_hidden() and page.locator(".board").count() == 0
    said = "Drawing needs Python: open the notebook to use it."
    assert page.locator(".notice").inner_text() == said
    second = ".example:nth-of-type(2)"
    assert page.locator(".example").count() == 2
    assert_dots(page, f"{second} > canvas", given.levels, np.array(given.known, bool))
    for k in range(4):
        assert_dots(page, f"{second} .result:nth-child({k + 1}) canvas", given.images[k])
    for width in (380, NARROW, MIDDLE, WIDE):
        assert fits(page, width) == [], width


def test_a_completion_made_before_is_kept_in_the_page(static_page):
    widget = film(complete=toy_complete)
    widget.board = {"levels": REAL[1].ravel().tolist(), "rows": 3, "seed": 5}
    widget.completing = True
    page = static_page(widget)
    images = np.rint(unpack(widget.completed["images"]))
    assert_dots(page, ".example > canvas", REAL[1], np.arange(H)[:, None] < 3)
    assert_dots(page, ".result:nth-child(4) canvas", images[3])
    page.get_by_role("button", name="An image grows").click()
    page.locator(".choice").nth(3).click()
    widget.chosen, widget.step = 3, 1
    page.locator(".film").press("Home")
    assert_levels(page, "film", images[0], 19)
    assert exact(page)[:2] == pytest.approx([1, widget.bits()[0]])
    page.locator(".film").press("End")
    assert exact(page)[:2] == pytest.approx([12, widget.bits().sum()])


def test_without_kernel_and_examples_the_tab_is_off(static_page):
    page = static_page(film(complete=toy_complete))
    assert page.get_by_role("button", name="Complete a drawing").is_disabled()
    assert page.locator(".notice").inner_text().startswith("Drawing needs Python")
    assert static_page(film()).get_by_role("button", name="Complete a drawing").count() == 0


@pytest.fixture
def drawing_page(static_page, monkeypatch):
    """The drawing as with a kernel, that does not answer. One completion was made before."""
    monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))
    widget = film(complete=toy_complete)
    widget.board = {"levels": REAL[0].ravel().tolist(), "rows": 3, "seed": 1}
    widget.completing = True
    return static_page(widget)


def drag(page, *places):
    """From pixel to pixel of the board, (row, column) with fractions."""
    box = page.locator(".board").bounding_box()
    for k, (row, column) in enumerate(places):
        page.mouse.move(box["x"] + column * box["width"] / W, box["y"] + row * box["height"] / H)
        if k == 0:
            page.mouse.down()
    page.mouse.up()


def test_pixels_are_drawn_erased_and_kept_above_the_line(drawing_page):
    page, levels = drawing_page, REAL[0].copy()
    assert_levels(page, "board", levels, 18)
    assert page.locator(".message").inner_text() == ""
    drag(page, (0.5, 0.5), (0.5, 1.5), (0.5, 2.5), (1.5, 2.5), (4.5, 2.5))  # the last below
    for place in ((0, 0), (0, 1), (0, 2), (1, 2)):
        levels[place] = 4
    assert_levels(page, "board", levels, 18)
    assert page.locator(".message").inner_text() == "The model is drawing …"
    page.get_by_role("button", name="paper").click()
    drag(page, (0.5, 1.5))
    page.get_by_role("button", name="grey").click()
    drag(page, (2.5, 5.5))
    levels[0, 1], levels[2, 5] = 0, 2
    assert_levels(page, "board", levels, 18)
    pressed = page.locator(".tool[aria-pressed=true]").all_inner_texts()
    assert pressed == ["grey"]
    page.get_by_role("button", name="Real image 2").click()
    assert_levels(page, "board", REAL[1], 18)
    page.get_by_role("button", name="Blank").click()
    assert_levels(page, "board", 0 * levels, 18)


def test_the_line_is_dragged_or_moved_by_its_slider(drawing_page):
    page = drawing_page
    slider = page.get_by_label("Rows that stay")
    drag(page, (3.1, 2.0), (2.2, 2.5), (1.1, 3.0))
    assert slider.input_value() == "1"
    assert_levels(page, "board", REAL[0], 6)
    slider.press("End")
    assert page.locator(".field output").last.inner_text() == "4 of 5"
    assert_levels(page, "board", REAL[0], 24)  # what was covered is still there
    drag(page, (4.2, 2.0), (-2.0, 2.0))
    assert_levels(page, "board", REAL[0], 0)
    page.locator(".board").press("Space")  # no row is left to draw in
    drag(page, (0.1, 2.0), (9.0, 2.0))
    assert slider.input_value() == "4"


def test_the_board_is_worked_by_keys(drawing_page):
    page, levels = drawing_page, REAL[0].copy()
    page.locator(".board").focus()
    for key in ("ArrowDown", "ArrowRight", "Space", "2", "ArrowDown", "ArrowDown", "ArrowDown",
                "Space", "1", "ArrowLeft", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    levels[1, 1], levels[2, 1], levels[2, 0] = 4, 2, 0
    assert_levels(page, "board", levels, 18)
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent === '(2, 0): paper'")
    assert page.locator(".board").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def test_an_answer_to_an_earlier_drawing_is_let_go_and_silence_is_explained(drawing_page):
    page = drawing_page
    assert page.locator(".busy").count() == 0
    page.clock.install()
    drag(page, (0.5, 0.5))
    assert page.locator(".busy .results canvas").count() == 4
    page.clock.fast_forward(3900)
    assert page.locator(".message").inner_text() == "The model is drawing …"
    page.clock.fast_forward(200)
    assert page.locator(".message").inner_text() == (
        "No answer from Python yet: is the notebook running another cell?")


def test_two_levels_have_no_grey_pencil(static_page, monkeypatch):
    monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))
    p = np.full((1, 784, 2), 0.5)
    widget = PixelFilm(np.zeros((1, 28, 28)), p, complete=toy_complete)
    widget.completing = True
    page = static_page(widget)
    assert page.locator(".tool").all_inner_texts() == ["paper", "ink"]
    assert page.locator(".board .square").count() == 784


@pytest.mark.parametrize("completing", [False, True])
def test_film_fits_and_has_names(static_page, monkeypatch, completing):
    monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))
    images, p = np.zeros((12, 8, 8)), np.full((12, 64, 17), 1 / 17)
    widget = PixelFilm(images, p, uniforms=np.full((12, 8, 8), 0.01), real=images[:8],
                       complete=lambda levels, *_: (np.stack([levels] * 4), p[0]))
    widget.board = {"levels": [0] * 64, "rows": 4, "seed": 1}
    assert "images" in widget.completed
    widget.completing = completing
    page = static_page(widget)
    for width in (380, NARROW, MIDDLE, WIDE):
        assert fits(page, width) == [], width
    assert_named_and_large(page, 18 if completing else 21)


def test_a_step_of_32_by_32_is_quick(static_page, capsys):
    p = np.full((2, 1024, 17), 1 / 17)
    page = static_page(PixelFilm(np.zeros((2, 32, 32)), p, step=900))
    times = page.evaluate("""async () => {
      const image = document.querySelector('.film');
      const times = [];
      for (let k = 0; k < 24; k++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        image.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }
      return times;
    }""")
    with capsys.disabled():
        print(f"\npixel film, 32 x 32: a step in {statistics.median(times):.1f} ms (median), "
              f"{max(times):.1f} ms (worst)")
    assert statistics.median(times) < 100


# ---- in a notebook ------------------------------------------------------------------------------

MAKE_FILM = """\
from tests.visual.test_pixel_lab import film, toy_complete
def complete(levels, known, seed):
    if levels[0, 0] == 2:
        raise ValueError("no grey in the <b>corner</b>")
    return toy_complete(levels, known, seed)
widget = film(complete=complete)
widget"""
MAKE_SIGHT = """\
from tests.visual.test_pixel_lab import toy_sights
from lecture_utils.visual.widgets import PixelSight
sight = PixelSight(toy_sights(), row=3, column=2)
sight"""
LATE = """\
widget.completed = widget.completed | {"board": {"rows": 1}, "error": "too late"}
sight.row, sight.depth, widget.step = 4, 1, 5"""
READ = 'print("read", widget.board["rows"], widget.board["levels"][0], sight.row, sight.column)'


def test_drawings_are_completed_by_the_kernel_and_keys_stay(lab, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE_FILM, MAKE_SIGHT, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "pixels.ipynb")
    notebook = lab(folder, "pixels.ipynb", height=1600)
    notebook.run_all()
    page = notebook.page
    count = notebook.cell_count()
    page.get_by_role("button", name="Complete a drawing").click()
    page.wait_for_selector(".results .result >> nth=3")  # asked for when it was opened
    page.locator(".tool", has_text="ink").click()
    page.locator(".board").focus()
    for key in ("Space", "d", "d", "a", "b"):  # d d would delete the cell
        page.keyboard.press(key)
    page.wait_for_function("!document.querySelector('.view.busy')")
    given = REAL[0].copy()
    given[0, 0] = K - 1
    known = np.broadcast_to(np.arange(H)[:, None] < 2, (H, W))
    images, _ = toy_complete(np.where(known, given, 0), known, 1)
    for k in range(4):
        assert_dots(page, f".result:nth-child({k + 1}) canvas", images[k])
    page.keyboard.press("2")
    page.keyboard.press("Space")
    page.wait_for_function("""() => document.querySelector('.complaint')?.textContent
        === 'no grey in the <b>corner</b>'""")
    page.keyboard.press("3")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Watch the first one grow").click()
    assert_levels(page, "film", images[0], 13)
    assert notebook.cell_count() == count

    page.locator(".pixel-sight .grid").first.focus()
    for key in ("ArrowUp", "ArrowRight", "d", "d"):
        page.keyboard.press(key)
    page.wait_for_timeout(400)
    notebook.run_cell(2)
    page.wait_for_function(
        "document.querySelector('.jp-Notebook').innerText.includes('read 2 4 2 3')")
    assert notebook.cell_count() == count
    notebook.set_source(2, LATE)
    notebook.run_cell(2)
    page.wait_for_function("document.querySelector('.title').textContent.includes('(4, 3)')")
    assert "late" not in page.locator(".message").text_content()
    assert_levels(page, "film", images[0], 17)
