"""The attention explorer in a real browser: from a file, offline, and in JupyterLab."""

import re
import statistics

import nbformat
import numpy as np
import pytest

from lecture_utils.visual.widgets import base
from lecture_utils.visual.widgets.attention_explorer import AttentionExplorer, Looked
from lecture_utils.visual.widgets.base import unpack
from tests.visual.test_attention_explorer import (
    COLUMNS,
    ROWS,
    TOYS,
    H,
    W,
    arrangement,
    ask,
    explorer,
    toy_look,
)

PHONE, NARROW, MIDDLE, WIDE = 380, 600, 760, 1100
DARK, NIGHT = 0.82, np.array([15, 20, 26])


def fits(page, width):
    """What sticks out of the card, or lies on what is beside it."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(60)
    return page.evaluate("""() => {
      const card = document.querySelector('.lecture').getBoundingClientRect();
      const wrong = [];
      for (const part of document.querySelectorAll('button, p, dd, dt, li, canvas, svg, .said')) {
        const box = part.getBoundingClientRect();
        if (!box.width || part.classList.contains('unseen')) continue;
        if (box.right > card.right - 8 || box.left < card.left + 8
            || part.scrollWidth > part.clientWidth + 1 && part.clientWidth
               && getComputedStyle(part).display !== 'inline')
          wrong.push(`${part.tagName} ${part.className} ${part.textContent.slice(0, 30)}`);
      }
      for (const group of ['.desk > *', '.side > *', '.main > *', '.words > *', '.verdicts > *',
                           '.facts > *', '.chain > *', '.pots > *', '.strip > *', '.steps > *']) {
        const parts = [...document.querySelectorAll(group)];
        const boxes = parts.map((e) => e.getBoundingClientRect());
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
          if (a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1
              && a.top < b.bottom - 1 && b.top < a.bottom - 1)
            wrong.push(`${group}: ${parts[i].textContent} / ${parts[i + 1 + j].textContent}`);
        }));
      }
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
      return wrong;
    }""")


def exact(page, place):
    values = page.locator(f"{place} [data-value]").evaluate_all(
        "found => found.map((e) => Number(e.dataset.value))")
    return values


def dots(page, place, first, apart):
    """Every so many dots of a canvas, from (first, first) on: (rows, columns, 3)."""
    rows = page.locator(place).first.evaluate("""(canvas, [first, apart]) => {
      const { data, width, height } = canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height);
      const rows = [];
      for (let y = first; y < height; y += apart) {
        rows.push([]);
        for (let x = first; x < width; x += apart)
          rows.at(-1).push([...data.slice(4 * (y * width + x), 4 * (y * width + x) + 3)]);
      }
      return rows;
    }""", [first, apart])
    return np.array(rows)


def pixels(page):
    """The middle of each of the picture's pixels, (H, W, 3)."""
    return dots(page, ".picture", 4, 8)


def word(page, t):
    return page.locator(".words .word").nth(t)


def boxes(page, place=".board"):
    """x0, y0, x1, y1 of each outline."""
    found = page.locator(f"{place} .outline").evaluate_all("""found => found.map((e) =>
        ['x', 'y', 'width', 'height'].map((name) => Number(e.getAttribute(name))))""")
    return [[x, y, x + wide, y + tall] for x, y, wide, tall in found]


def assert_word_is_pythons(page, widget, t):
    seen, share = widget.seen, widget.share(t)
    attention = unpack(seen["maps"])[t]
    entropy = -(attention * np.log2(attention)).sum()
    assert exact(page, ".comparison") == pytest.approx(list(share or ()), abs=1e-7)
    assert exact(page, ".facts") == pytest.approx([seen["p"][t], seen["beta"][t], 2**entropy])
    apart = np.log(attention.max() / attention.min())
    wanted = [apart, attention.max(), entropy, seen["beta"][t], seen["p"][t]]
    assert exact(page, ".chain") == pytest.approx(wanted)
    names = [seen["things"][k]["name"] for k in seen["about"][t]]
    said = f"word {t + 1}: {seen['words'][t]}"
    said += f" speaks of the {' and the '.join(names)}" * bool(names)
    assert page.locator(".card p").first.inner_text() == said
    assert boxes(page) == [seen["boxes"][k] for k in seen["about"][t]]
    for part in (".word", ".frame"):
        pressed = page.locator(f"{part}[aria-pressed=true]").all_inner_texts()
        assert [one.split()[0] for one in pressed] == [seen["words"][t]]


def test_each_words_numbers_and_boxes_are_pythons(static_page):
    widget = explorer()
    page = static_page(widget)
    assert_word_is_pythons(page, widget, 1)
    for t in range(8):
        word(page, t).click()
        assert_word_is_pythons(page, widget, t)
    shares = page.locator(".meter .fill, .meter .chance")
    assert shares.count() == 0 and "no box" in page.locator(".comparison").inner_text()
    page.locator(".frame").nth(3).click()
    assert_word_is_pythons(page, widget, 3)
    share = widget.share(3)
    assert page.locator(".comparison").inner_text().startswith(
        f"{100 * share.inside:.0f}\u00a0% of its attention is inside the boxes; by chance it would "
        f"be {100 * share.chance:.0f}\u00a0%")
    fill, meter = (page.locator(place).bounding_box()["width"] for place in (".fill", ".meter"))
    assert fill / meter == pytest.approx(share.inside, abs=0.01)


def test_things_of_one_name_are_counted(static_page):
    twins = [TOYS[0], TOYS[0]._replace(x=20.0), TOYS[1]]
    words = toy_look(TOYS)._replace(about=[(0, 1, 2)] + [(0, 1)] * 7)
    page = static_page(explorer(lambda things: words, twins))
    assert page.locator(".card p").first.inner_text() == (
        "word 1: a speaks of 2 × small red heart and the large blue ring")


def test_without_beta_nothing_is_said_of_it(static_page):
    widget = explorer(lambda things: toy_look(things)._replace(beta=None))
    page = static_page(widget)
    assert "β" not in page.locator(".lecture").inner_text()
    assert len(exact(page, ".facts")) == 2 and len(exact(page, ".chain")) == 4


def test_hard_attention_is_out_of_the_race_elsewhere(static_page):
    maps = np.zeros((8, ROWS, COLUMNS))
    maps[:, 2, 1] = 1
    page = static_page(explorer(lambda things: toy_look(things)._replace(maps=maps)))
    links = page.locator(".link").all_inner_texts()
    assert links[0].endswith("some are out of the race")
    assert links[1].endswith("at most 100\u00a0%; entropy 0.0 of 4.3 bits")
    assert "row 3 of 4, column 2 of 5" in page.locator(".picture").get_attribute("aria-label")


# ---- the picture --------------------------------------------------------------------------------


def test_the_picture_is_dark_where_the_word_did_not_look(static_page):
    widget = explorer()
    page, image = static_page(widget), unpack(widget.seen["image"])
    page.get_by_role("button", name="no map").click()
    np.testing.assert_allclose(pixels(page), image, atol=1)
    assert len(boxes(page)) == 1 and page.locator(".maps .scale").is_hidden()
    page.get_by_role("button", name="4 × 5 cells").click()
    for t, stage in ((1, 2), (1, 1), (6, 0)):
        word(page, t).click()
        for _ in range(2 - stage):
            page.get_by_role("button", name="Previous step").click()
        attention = unpack(widget.seen["maps"])[t]
        light = widget.seen["beta"][t] if stage == 1 else 1
        dark = DARK * (1 - light * attention / attention.max())
        # Pixels near the upper edge of a cell: in its middle and below stand lines and numbers.
        found = pixels(page)
        for r, c in np.ndindex(ROWS, COLUMNS):
            i, j = int(np.ceil(7.5 * r)) + 1, 8 * c + 2
            wanted = (1 - dark[r, c]) * image[i, j] + dark[r, c] * NIGHT
            np.testing.assert_allclose(found[i, j], wanted, atol=3)


def test_the_smooth_map_meets_the_cells_in_their_middles_and_has_no_steps(static_page):
    grey = np.full((H, W, 3), 215)
    widget = explorer(lambda things: toy_look(things)._replace(image=grey))
    page = static_page(widget)
    word(page, 5).click()
    attention = unpack(widget.seen["maps"])[5]
    dark = (215 - pixels(page)[..., 0]) / 200
    wanted = DARK * (1 - attention / attention.max())
    middles = dark[[3, 11, 18, 26]][:, 4::8]  # a cell is 7.5 pixels tall, and 8 wide
    np.testing.assert_allclose(middles, wanted, atol=0.12)  # neighbours shine in
    steps = np.abs(np.diff(dark, axis=1)).max()
    assert 0.05 < steps < 0.25 * np.abs(np.diff(wanted, axis=1)).max()


# ---- pointing, keys, steps ----------------------------------------------------------------------


def test_pointing_at_a_word_shows_it_until_the_pointer_leaves(static_page):
    widget = explorer()
    page = static_page(widget)
    for t, place in ((6, ".word"), (5, ".frame")):
        page.locator(place).nth(t).hover()
        assert_word_is_pythons(page, widget, t)
        assert page.locator(".later").count() == 0
        page.mouse.move(2, 2)
        assert_word_is_pythons(page, widget, 1)
    assert page.locator(".word.later").count() == 6


def stage_of(page):
    here = page.locator(".frame .here")
    assert here.count() == 1
    t = int(page.locator(".frame").evaluate_all(
        "found => found.findIndex((e) => e.querySelector('.here'))"))
    return t, {"α": 0, "z": 1, "y": 2}[here.inner_text()]


def test_arrow_keys_go_from_word_to_word_and_from_step_to_step(static_page):
    page = static_page(explorer())
    word(page, 1).focus()
    for key, t in (("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowLeft", 0),
                   ("End", 7), ("ArrowRight", 7), ("Home", 0)):  # fmt: skip
        page.keyboard.press(key)
        assert stage_of(page) == (t, 2)
        assert word(page, t).evaluate("e => e === document.activeElement")
    page.locator(".frame").first.focus()
    for key, place in (("ArrowLeft", (0, 1)), ("ArrowLeft", (0, 0)), ("ArrowLeft", (0, 0)),
                       ("ArrowRight", (0, 1)), ("ArrowRight", (0, 2)), ("ArrowRight", (1, 0)),
                       ("End", (7, 2)), ("Home", (0, 0))):  # fmt: skip
        page.keyboard.press(key)
        assert stage_of(page) == place
        assert page.locator(".frame").nth(place[0]).evaluate("e => e === document.activeElement")
        current = page.locator("[aria-current=step]").inner_text()
        assert current.startswith(("α", "z", "y")[place[1]])
        assert page.locator(".link.ahead").count() == (2, 1, 0)[place[1]]
        assert bool(boxes(page)) == (place == (1, 2))
    assert page.locator(".frame").first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    assert page.locator(".word[tabindex='0'], .frame[tabindex='0']").count() == 2
    page.wait_for_function("""() => document.querySelector('[role=status]').textContent
        .startsWith('word 1, “a”, alpha: at most ')""")


def test_play_runs_to_the_end_and_is_off_under_reduced_motion(static_page):
    widget = explorer()
    widget.step = 22
    page = static_page(widget)
    page.get_by_role("button", name="Play through the steps").click()
    page.wait_for_function("document.querySelector('.frame:last-child .here')?.textContent === 'y'")
    page.get_by_role("button", name="Play through the steps").wait_for()
    page = static_page(widget, reduced_motion="reduce")
    assert page.get_by_role("button", name=re.compile("^Play")).is_disabled()


# ---- before and after a change ------------------------------------------------------------------


def test_what_is_new_in_the_caption_is_marked_and_what_is_true_is_ticked(static_page):
    widget = explorer()
    ask(widget, arrangement((0, {"colour": "green", "x": 20.0}), (1, {"y": 12.0})))
    page = static_page(widget)
    assert page.locator(".earlier").inner_text() == "before a red heart and a blue ring <end>"
    assert page.locator(".earlier del").all_inner_texts() == ["red"]
    assert page.locator(".word.fresh").all_text_contents() == ["green, new"]
    words = page.locator(".word").all_text_contents()
    assert " ".join(words) == "a green, new heart and a blue ring <end>"
    told = [one.replace("\n", " ") for one in page.locator(".verdict").all_inner_texts()]
    assert told == ["✓ there is a heart true", "✗ it is on the grass false",
                    "? it is old not known"]  # fmt: skip
    ask(widget, arrangement((0, {"colour": "green"})))
    page = static_page(widget)
    assert page.locator(".earlier").inner_text().startswith("before, the same words a green")
    assert page.locator(".fresh, del").count() == 0
    assert static_page(explorer()).locator(".earlier").is_hidden()


@pytest.mark.parametrize("words, before, fresh", [
    ("a b c", "a b c", []), ("a b c", "c a b", ["c"]), ("a a b", "a b a", ["b"]),
    ("x y", "a b c", ["x", "y"]), ("a x b", "a b", ["x"]), ("a", "a a", []),
])
def test_new_words_are_those_outside_the_longest_common_part(static_page, words, before, fresh):
    texts = iter([before, words])

    def look(things):
        said = next(texts).split()
        return Looked(np.zeros((8, 8, 3)), said, [0.5] * len(said), [[[1]]] * len(said), None,
                      [[0, 0, 1, 1]] * 3, [()] * len(said), [])  # fmt: skip

    widget = explorer(look)
    ask(widget, arrangement((0, {"x": 3})))
    page = static_page(widget)
    found = [one.split(",")[0] for one in page.locator(".fresh").all_text_contents()]
    assert found == fresh
    gone = page.locator(".earlier del").count()
    assert len(before.split()) - gone == len(words.split()) - len(fresh)


def test_without_a_kernel_nothing_can_be_changed(static_page):
    page = static_page(explorer())
    assert page.locator(".notice").inner_text() == (
        "Changing the picture needs Python: open the notebook to use it.")
    assert page.locator(".grip, .pot").count() == 0
    assert page.get_by_role("button", name="Undo").count() == 0
    page.locator(".frame").first.press("Control+z")


@pytest.fixture
def changing_page(static_page, monkeypatch):
    """As with a kernel, that does not answer."""
    monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))
    return static_page(explorer())


def places(page):
    """Where each thing has its handle: x, y in pixels; None for a deleted one."""
    found = []
    for grip in page.locator(".grip").all():
        style = grip.evaluate("""e => e.hidden ? null : [e.offsetLeft + e.offsetWidth / 2,
            e.offsetTop + e.offsetHeight / 2, e.parentElement.clientWidth]""")
        found.append(style and [style[0] * W / style[2], style[1] * W / style[2]])
    return found


def assert_places(page, *wanted):
    for found, one in zip(places(page), wanted, strict=True):
        assert found == (one and pytest.approx(one, abs=0.3))


AT = [[toy.x, toy.y] for toy in TOYS]


def drag(page, k, *way, drop=True):
    """Take thing k by its middle, and along places (x, y) of the picture."""
    board = page.locator(".board").bounding_box()
    scale = board["width"] / W
    for n, (x, y) in enumerate([places(page)[k], *way]):
        page.mouse.move(board["x"] + x * scale, board["y"] + y * scale)
        if n == 0:
            page.mouse.down()
    if drop:
        page.mouse.up()


def test_things_are_dragged_and_stay_inside(changing_page):
    page = changing_page
    assert_places(page, *AT)
    drag(page, 0, (20, 20), drop=False)
    assert page.locator(".left").count() == 1 and boxes(page) == []
    ghost = dots(page, ".ghost", 4, 8)
    assert ghost.shape == (7, 7, 3)  # 2.5 of its radius of 3; in the middle the red square
    np.testing.assert_allclose(ghost[2:5, 2:5], np.full((3, 3, 3), [205, 25, 25]), atol=1)
    assert page.locator(".message").inner_text() == ""
    page.mouse.up()
    assert page.locator(".message").inner_text() == "The captioner looks …"
    assert_places(page, [20, 20], *AT[1:])
    drag(page, 0, (70, -30))
    drag(page, 1, (-9, 50))
    assert_places(page, [37, 3], [6, 24], AT[2])
    page.keyboard.press("Control+z")
    assert_places(page, [37, 3], *AT[1:])
    page.get_by_role("button", name="As it was").click()
    assert_places(page, *AT)
    page.get_by_role("button", name="Undo").click()
    assert_places(page, [37, 3], *AT[1:])
    assert page.get_by_role("button", name="As it was").is_enabled()


def test_a_click_chooses_and_escape_lets_go(changing_page):
    page = changing_page
    assert page.locator(".pot:enabled").count() == 0
    assert page.get_by_role("button", name="Delete it").is_disabled()
    drag(page, 1, (29.2, 18))  # less than a drag
    assert_places(page, *AT)
    assert page.locator(".which b").inner_text() == "large blue ring"
    assert page.locator(".pot[aria-pressed=true]").all_inner_texts() == ["blue"]
    drag(page, 1, (10, 10), drop=False)
    page.keyboard.press("Escape")
    assert_places(page, *AT)
    page.mouse.up()
    assert_places(page, *AT)
    assert page.locator(".message").inner_text() == ""
    assert page.get_by_role("button", name="Undo").is_disabled()


def test_things_are_worked_by_keys(changing_page):
    page = changing_page
    grip = page.locator(".grip").first
    grip.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert_places(page, [17, 14], *AT[1:])
    assert page.locator(".message").inner_text() == ""  # not before the keys rest
    page.wait_for_function("document.querySelector('.message').textContent !== ''")
    assert grip.get_attribute("aria-label").startswith("small red heart, 17 across, 14 down.")
    page.wait_for_function("""() => document.querySelector('[role=status]').textContent
        === 'small red heart: 17 across, 14 down'""")
    assert grip.evaluate("e => getComputedStyle(e).boxShadow").count("rgb") >= 2
    page.get_by_role("button", name="Undo").click()  # all five at once
    assert_places(page, *AT)
    page.locator(".grip").nth(2).press("Delete")
    assert_places(page, *AT[:2], None)
    assert page.get_by_role("button", name="Undo").evaluate("e => e === document.activeElement")
    page.locator(".grip").nth(1).focus()
    page.get_by_role("button", name="Delete it").click()
    page.locator(".grip").first.press("Backspace")
    assert_places(page, AT[0], None, None)
    assert page.locator(".complaint").inner_text() == "At least one thing must stay."
    page.keyboard.press("Control+z")
    assert_places(page, *AT[:2], None)


def test_a_thing_is_recoloured(changing_page):
    page = changing_page
    page.locator(".grip").first.focus()
    page.get_by_role("button", name="green", exact=True).click()
    assert page.locator(".which b").inner_text() == "small green heart"
    assert page.locator(".pot[aria-pressed=true]").all_inner_texts() == ["green"]
    assert page.locator(".busy").count() == 1
    page.get_by_role("button", name="Undo").click()
    assert page.locator(".which b").inner_text() == "small red heart"
    colours = page.locator(".pot .swatch").evaluate_all(
        "found => found.map((e) => getComputedStyle(e).backgroundColor)")
    assert colours == ["rgb(204, 26, 26)", "rgb(32, 96, 208)", "rgb(0, 128, 0)"]


def test_silence_is_explained(changing_page):
    page = changing_page
    page.clock.install()
    drag(page, 0, (20, 20))
    page.clock.fast_forward(4100)
    assert page.locator(".message").inner_text() == (
        "No answer from Python yet: is the notebook running another cell?")


# ---- form ---------------------------------------------------------------------------------------


def large(words=17, side=64, things=4):
    """As large as the scenes of the course get, and with long names."""
    toys = [TOYS[k % 3]._replace(x=12.0 + 10 * k, y=20.0) for k in range(things)]
    palette = dict.fromkeys(("red", "orange", "yellow", "green", "blue", "purple", "pink",
                             "white"), "red")  # fmt: skip
    texts = (["triangles", "<b>x", "purple"] * words)[:words]

    def look(things):
        return Looked(
            np.full((side, side, 3), 120), texts, [0.5] * words, np.full((words, 8, 8), 1 / 64),
            [0.5] * words, [[2, 2, 20, 20]] * len(things), [(0, 1)] * words,
            [(f"there is a small purple triangle, {k}", True) for k in range(5)],
        )  # fmt: skip

    return AttentionExplorer(toys, look, palette, title="<i>Where</i> it looks")


@pytest.mark.parametrize("kernel", [False, True])
def test_it_fits_and_all_has_names(static_page, monkeypatch, kernel):
    if kernel:
        monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))
    widget = large()
    ask(widget, [widget.asked["things"][0] | {"x": 30.0}, widget.asked["things"][1]])
    page = static_page(widget)
    for width in (PHONE, NARROW, MIDDLE, WIDE):
        assert fits(page, width) == [], width
    assert page.locator("b b, .word b, .title i").count() == 0
    controls = page.locator("button:visible")
    assert controls.count() == 3 + 17 + 17 + 3 + kernel * (2 + 8 + 3)
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 24


def test_a_step_of_a_scene_is_quick(static_page, capsys):
    page = static_page(large())
    times = page.evaluate("""async () => {
      const strip = document.querySelector('.strip');
      const times = [];
      for (let k = 0; k < 24; k++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        strip.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }
      return times;
    }""")
    with capsys.disabled():
        print(f"\nattention explorer, 64 x 64, 17 words: a step in {statistics.median(times):.1f} "
              f"ms (median), {max(times):.1f} ms (worst)")
    assert statistics.median(times) < 100


# ---- in a notebook ------------------------------------------------------------------------------

MAKE = """\
from tests.visual.test_attention_explorer import explorer, toy_look
def look(things):
    if things[0].colour == "blue":
        raise ValueError("no blue <b>hearts</b>")
    return toy_look(things)
widget = explorer(look)
widget"""
READ = 'print("read", widget.asked["run"], [len(widget.asked["things"]), len(widget.before)])'


def test_changes_are_looked_at_by_the_kernel_and_keys_stay(lab, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "look.ipynb")
    notebook = lab(folder, "look.ipynb", height=1600)
    notebook.run_all()
    page = notebook.page
    count = notebook.cell_count()

    def answered():
        page.wait_for_function("!document.querySelector('.side.busy')")

    page.get_by_role("button", name="no map").click()
    drag(page, 0, (20, 20))
    answered()
    moved = toy_look([TOYS[0]._replace(x=20.0, y=20.0), *TOYS[1:]])
    np.testing.assert_allclose(pixels(page), moved.image, atol=1)
    assert page.locator(".earlier").inner_text().startswith("before, the same words")
    assert page.locator(".ghost:visible, .left").count() == 0
    page.get_by_role("button", name="green", exact=True).click()
    answered()
    assert page.locator(".fresh").all_text_contents() == ["green, new"]
    assert stage_of(page) == (1, 2)  # the new word
    page.locator(".pot", has_text="blue").click()
    page.wait_for_function("""() => document.querySelector('.complaint')?.textContent
        === 'no blue <b>hearts</b>'""")
    assert page.locator(".which b").inner_text() == "small green heart"
    page.locator(".grip").nth(1).focus()
    for key in ("d", "d", "a", "b", "Delete"):  # d d would delete the cell
        page.keyboard.press(key)
    answered()
    page.wait_for_function("document.querySelectorAll('.word').length === 8")
    assert page.locator(".fresh").all_text_contents() == ["green, new", "heart, new"]
    page.get_by_role("button", name="Undo").click()
    answered()
    assert page.locator(".word").all_text_contents()[5:7] == ["blue, new", "ring, new"]
    assert notebook.cell_count() == count
    notebook.run_cell(1)
    page.wait_for_function(
        "document.querySelector('.jp-Notebook').innerText.includes('read 5 [3, ')")
    assert notebook.cell_count() == count
