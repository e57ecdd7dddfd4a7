"""The caption stepper in a real browser: from a file, offline, and in JupyterLab."""

import math
import re
import statistics

import nbformat
import numpy as np
import pytest

from lecture_utils.models.decoding import Node, hypotheses
from lecture_utils.visual.widgets import base, caption_stepper
from lecture_utils.visual.widgets.caption_stepper import END, CaptionStepper
from tests.visual.test_caption_stepper import (
    IMAGES,
    WORDS,
    fails,
    shown,
    stepper,
    toy_judge,
    toy_tree,
)

NARROW, TIGHT, WIDE = 420, 700, 1100
LONG = WORDS[:4] + (
    "a skateboarder jumping over extraordinarily concrete underneath the incomprehensibilities "
    "bright-yellow motorcyclist photographer's people"
).split()


@pytest.fixture
def with_kernel(monkeypatch):
    """The page takes itself for a notebook: what needs Python is on, and nobody answers."""
    monkeypatch.setattr(base, "_SHIM", base._SHIM.replace("kernel: false", "kernel: true"))


def node(parent, depth, word, log_p, total, fate):
    return Node(parent, depth, word, log_p, total, total, fate)


def long_next(k, said):
    p = np.random.default_rng([k, *said]).dirichlet(np.full(len(LONG), 0.3))
    p[:4] = 0
    return np.where(np.arange(len(LONG)) == END, 1.0, 0) if len(said) == 16 else p / p.sum()


def long_tree(k, width):
    """`width` captions of 16 words side by side, each with two dropped words at each depth."""
    nodes = [node(-1, 0, 1, 0.0, 0.0, "kept")]
    rows = [0] * width
    for depth in range(1, 18):
        before, rows = rows, []
        for row in range(width):
            word = END if depth == 17 else 4 + (depth + 3 * row) % (len(LONG) - 4)
            parent = before[(row + depth) % width]
            fate = "finished" if word == END else "kept"
            total = nodes[parent].total - 0.1 * (row + 1)
            rows.append(len(nodes))
            nodes.append(node(parent, depth, word, -0.1 * (row + 1), total, fate))
        for row in range(2 * width):
            parent = before[row % width]
            total = nodes[parent].total - 12.0 - row
            nodes.append(node(parent, depth, 12, -12.0 - row, total, "dropped"))
    return nodes


def long_judge(k, words):
    return [("a skateboarder is jumping over extraordinarily much concrete", False),
            ("bright-yellow, said of a thing that nobody sees", None), ("people", True)]


def long_stepper(**changes):
    photo = np.zeros((60, 200, 3), np.uint8)
    return CaptionStepper([photo, photo.transpose(1, 0, 2)], LONG, long_tree, long_next, long_judge,
                          "A title that is as long as a title of a widget might well be", 5)


def tab(page, name):
    return page.get_by_role("button", name=name, exact=True)


def chips(page):
    return page.locator(".chip:visible .word").all_inner_texts()


def bars(page):
    """(word, p, is it said?) of each row that is shown."""
    return page.locator("button.candidate:visible").evaluate_all(
        """rows => rows.map((row) => [row.querySelector('.word').textContent,
             Number(row.dataset.p), row.classList.contains('said')])""")


def facts(page):
    return [float(value) for value in page.locator(".main:visible .facts dd").evaluate_all(
        "values => values.map((value) => value.dataset.value)")]


def named(code):
    return "end" if code == END else WORDS[code]


def assert_step_is_pythons(page, widget, t):
    sent = shown(widget)
    said, step = sent["said"], sent["steps"][t - 1]
    assert chips(page) == [named(code) for code in said[:t]]
    expected = [(named(code), pytest.approx(p), code == said[t - 1])
                for code, p in zip(step["codes"], step["shares"])]
    assert [tuple(bar) for bar in bars(page)] == expected
    log_p = sum(math.log(one["p"]) for one in sent["steps"][:t])
    assert facts(page) == pytest.approx([math.log(step["p"]), log_p, math.exp(log_p)])


# ---- word by word -------------------------------------------------------------------------------


def test_each_word_is_pythons(static_page):
    widget = stepper()
    page = static_page(widget)
    T = len(shown(widget)["said"])
    assert T > 4
    for t in range(1, T + 1):
        assert_step_is_pythons(page, widget, t)
        assert page.locator(".verdicts:visible").count() == (t == T)
        page.get_by_label("Next word").click()
    assert_step_is_pythons(page, widget, T)
    told = caption_stepper._probability_in_words(widget.log_p())
    assert page.locator(".told").inner_text() == told
    for at_last, (text, verdict) in zip(page.locator(".verdicts:visible li").all(),
                                        toy_judge(0, widget.caption())):
        word = {True: "true", False: "false", None: "not known"}[verdict]
        assert at_last.inner_text().split("\n")[-1] == f"{text}: {word}"
        assert at_last.locator(".mark").inner_text() == {True: "✓", False: "✗", None: "?"}[verdict]


def test_words_are_stepped_with_keys_chips_and_buttons(static_page):
    widget = stepper()
    page = static_page(widget)
    T = len(shown(widget)["said"])
    page.get_by_label("Next word").focus()
    for key, t in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", T),
                   ("ArrowRight", T), ("Home", 1), ("ArrowLeft", 1)):  # fmt: skip
        page.keyboard.press(key)
        assert len(chips(page)) == t
    tab(page, "Whole caption").click()
    assert len(chips(page)) == T and tab(page, "Whole caption").is_disabled()
    page.locator(".chip:visible").nth(2).click()
    assert_step_is_pythons(page, widget, 3)
    assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "step"
    page.locator("button.candidate.said").click()  # the word that is said: on to the next
    assert_step_is_pythons(page, widget, 4)


def test_play_runs_to_the_end_and_is_off_under_reduced_motion(static_page):
    widget = stepper()
    page = static_page(widget)
    page.clock.install()
    page.get_by_label("Play through the words").click()
    page.clock.run_for(900 * 25)
    assert len(chips(page)) == len(shown(widget)["said"])
    assert page.get_by_label("Play through the words").is_enabled()
    still = static_page(widget, reduced_motion="reduce")
    assert still.get_by_label("Play through the words").is_disabled()


def test_the_others_and_the_listed_words_share_one_whole(static_page):
    page = static_page(stepper())
    listed = sum(p for _, p, _ in bars(page))
    rest = page.locator(".others")
    assert rest.locator(".word").inner_text() == "8 others"
    assert float(rest.locator(".number").inner_text()) == pytest.approx(1 - listed, abs=0.006)
    whole, part = (rest.locator(name).bounding_box()["width"] for name in (".track", ".bar"))
    assert part / whole == pytest.approx(1 - listed, abs=0.01)


def test_without_a_kernel_images_and_widths_work_and_words_say_what_they_need(static_page):
    widget = stepper()
    page = static_page(widget)
    assert page.locator("button.candidate:visible:enabled").count() == 1  # the word that is said
    assert "needs Python" in page.locator(".main:visible").inner_text()
    tab(page, "Whole caption").click()
    page.get_by_role("button", name="Image 2", exact=True).click()
    widget.chosen = 1
    assert_step_is_pythons(page, widget, len(shown(widget)["said"]))  # at the end, as before
    page.locator(".chip:visible").nth(1).click()
    page.get_by_role("button", name="Image 3", exact=True).click()
    widget.chosen = 2
    assert_step_is_pythons(page, widget, 1)
    assert page.locator(".photo").get_attribute("src") == widget.images[2]
    tab(page, "Beam").click()
    for width in ("1", "5"):
        page.get_by_label("Width of the beam").fill(width)
        widget.width = int(width)
        assert page.locator(".sentence").inner_text() == best_sentence(2, int(width))


def test_a_word_said_instead_is_compared_with_as_it_was(static_page):
    widget = stepper()
    was = " ".join(widget.caption())
    said, step = shown(widget)["said"], shown(widget)["steps"][1]
    before = widget.log_p()
    widget.prefix = [said[0], step["codes"][2]]
    widget.step = 2
    page = static_page(widget)
    assert_step_is_pythons(page, widget, 2)
    assert f"{named(said[1])} was likelier" in page.locator(".heading").inner_text()
    assert page.locator(".chip.own:visible").count() == 1
    other = page.locator(".other")
    text = other.inner_text()
    assert was in text and " ".join(widget.caption()) in text
    assert f"log p {before:.2f}".replace("-", "−") in text
    times = math.exp(before - widget.log_p())
    assert times > 1.05 and f"it is {times:.1f} times as likely" in text
    tab(page, "As it was").click()
    widget.prefix = []
    assert_step_is_pythons(page, widget, 2)
    assert not other.is_visible()


def test_the_beams_caption_is_seen_word_by_word_where_greedy_missed_it(static_page):
    widget = stepper()
    tree, greedy_log_p = shown(widget, "trees"), widget.log_p()
    widget.prefix = caption_stepper._path_of(tree, tree["ranked"][0])
    page = open_beam(static_page, widget)
    page.get_by_role("button", name="See it word by word").click()
    assert_step_is_pythons(page, widget, len(widget.prefix))
    times = math.exp(widget.log_p() - greedy_log_p)
    assert times > 1.05
    assert f"Now it is {times:.1f} times as likely" in page.locator(".other").inner_text()
    steps = shown(widget)["steps"]
    own = sum(code != step["codes"][0] for code, step in zip(widget.prefix, steps))
    assert page.locator(".chip.own:visible").count() == own > 0


@pytest.mark.parametrize("log_p", [-0.001, -0.5, -2.4, -7.1, -9.3, -12.0, -15.0, -25.0, -1500.0])
def test_the_browser_tells_probabilities_as_python_does(static_page, log_p):
    tree = [node(-1, 0, 1, 0.0, 0.0, "kept"),
            node(0, 1, END, log_p, log_p, "finished")]
    widget = stepper(tree_of=lambda k, width: tree, images=IMAGES[:1])
    widget.beam = True
    page = static_page(widget)
    assert caption_stepper._probability_in_words(log_p) in page.locator(".reading").inner_text()


# ---- the beam -----------------------------------------------------------------------------------


def best_sentence(k, width):
    return " ".join(WORDS[code] for code in hypotheses(toy_tree(k, width))[0].words)


def open_beam(static_page, widget):
    widget.beam = True
    return static_page(widget)


def test_the_tree_holds_pythons_nodes_row_by_row(static_page):
    widget = stepper()
    page = open_beam(static_page, widget)
    nodes = toy_tree(0, 3)
    drawn = page.locator(".node").evaluate_all(
        """groups => groups.map((group) => {
             const box = group.querySelector('.box').getBBox();
             return { i: Number(group.dataset.i), x: box.x, y: box.y + box.height / 2,
                      text: group.textContent, kind: group.getAttribute('class') };
           })""")
    kept = {i for i, node in enumerate(nodes) if node.fate != "dropped"}
    assert kept <= {one["i"] for one in drawn}
    by_depth = {}
    for one in drawn:
        own = nodes[one["i"]]
        assert own.fate in one["kind"].split()
        if own.depth:
            number = f"{own.log_p:.2f}".replace("-0.00", "0.00").replace("-", "−")
            assert one["text"].removeprefix("★ ") == named(own.word) + number
        by_depth.setdefault(own.depth, []).append((own, one))
    for column in by_depth.values():
        assert len({one["x"] for _, one in column}) == 1
        rows = sorted((pair for pair in column if pair[0].fate != "dropped"),
                      key=lambda pair: pair[1]["y"])
        totals = [own.total for own, _ in rows]
        assert totals == sorted(totals, reverse=True)
        dropped = [one["y"] for own, one in column if own.fate == "dropped"]
        assert all(y > max(one["y"] for _, one in rows) for y in dropped)
    assert min(one["x"] for one in drawn) == next(one["x"] for one in drawn if one["i"] == 0)
    winner = page.locator(".node.won").evaluate_all("g => g.map((one) => Number(one.dataset.i))")
    ranked = shown(widget, "trees")["ranked"][0]
    assert set(winner) == set(caption_stepper._ancestors(shown(widget, "trees"), ranked))
    assert page.locator(".edge.won").count() == len(winner) - 1


def test_a_node_is_read_by_pointing_and_by_keys(static_page):
    widget = stepper()
    page = open_beam(static_page, widget)
    nodes, tree = toy_tree(0, 3), shown(widget, "trees")
    sentence = page.locator(".sentence")
    assert sentence.inner_text() == best_sentence(0, 3)

    def assert_reads(i):
        way = [named(code) for code in caption_stepper._path_of(tree, i) if code != END]
        assert sentence.inner_text().removesuffix(" …") == " ".join(way)
        lit = page.locator(".node.way").evaluate_all("g => g.map((one) => Number(one.dataset.i))")
        assert set(lit) == set(caption_stepper._ancestors(tree, i))
        assert page.locator(".edge.way").count() == len(lit) - 1
        own = nodes[i]
        assert facts(page) == pytest.approx([own.log_p, own.total, own.score])
        told = page.locator(".reading").inner_text()
        assert caption_stepper._odds(own.total) in told
        assert {"kept": "kept: one of the best 3", "dropped": "dropped: not among the best 3",
                "finished": "finished", "beaten": "given up"}[own.fate] in told  # fmt: skip

    dropped = next(i for i, one in enumerate(nodes) if one.fate == "dropped")
    page.locator(f'.node[data-i="{dropped}"]').hover()
    assert_reads(dropped)
    height = page.locator(".tree").bounding_box()["y"]
    page.locator('.node[data-i="2"]').hover()
    assert_reads(2)
    assert page.locator(".tree").bounding_box()["y"] == height  # nothing moves under the pointer
    page.mouse.move(0, 0)
    assert sentence.inner_text() == best_sentence(0, 3)

    focused = lambda: int(page.evaluate("document.activeElement.dataset.i"))  # noqa: E731
    page.locator(".node[tabindex='0']").focus()
    assert focused() == tree["ranked"][0] and page.locator(".node[tabindex='0']").count() == 1
    page.keyboard.press("ArrowLeft")
    assert focused() == tree["parent"][tree["ranked"][0]]
    assert_reads(focused())
    page.keyboard.press("Home")
    assert focused() == 0 and sentence.inner_text() == "START …"
    page.keyboard.press("ArrowRight")
    assert_reads(1)
    page.keyboard.press("ArrowDown")
    assert_reads(2)
    page.keyboard.press("ArrowUp")
    assert_reads(1)
    page.keyboard.press("End")
    assert_reads(tree["ranked"][0])


@pytest.mark.parametrize("width", [WIDE, TIGHT])
def test_the_tree_stays_where_it_is_whatever_is_read(static_page, width):
    page = open_beam(static_page, long_stepper())
    page.set_viewport_size({"width": width, "height": 1400})
    page.wait_for_timeout(100)
    tops = set()
    for i in (0, 1, 10, 20, 21):  # START, kept, dropped: texts of different length
        page.locator(f'.node[data-i="{i}"]').dispatch_event("pointerenter")
        tops.add(page.locator(".tree").bounding_box()["y"])
    assert len(tops) == 1


def test_captions_found_are_listed_and_judged(static_page):
    def judge(k, words):
        return [("short", len(words) < 4), ("art", None), ("a caption", True)]

    page = open_beam(static_page, stepper(width=5, judge=judge))
    found = hypotheses(toy_tree(0, 5))[:5]
    rows = page.locator(".found .hit")
    assert rows.locator(".text").all_inner_texts() == [
        " ".join(WORDS[code] for code in one.words) for one in found]
    for row, one in zip(rows.all(), found):
        assert ("nothing false" if len(one.words) < 4 else "1 false") in row.inner_text()
    assert {len(one.words) < 4 for one in found} == {True, False}
    rows.nth(1).click()
    assert page.locator(".sentence").inner_text() == rows.locator(".text").nth(1).inner_text()
    assert rows.nth(1).get_attribute("aria-pressed") == "true"
    assert page.locator(".reading .verdicts li").count() == 3


def test_dropped_candidates_can_be_put_away(static_page):
    page = open_beam(static_page, stepper())
    assert page.locator(".node.dropped").count() > 0
    page.get_by_label("dropped candidates").uncheck()
    assert page.locator(".node.dropped").count() == 0
    nodes = toy_tree(0, 3)
    assert page.locator(".node").count() == sum(one.fate != "dropped" for one in nodes)


def test_markup_in_words_titles_and_errors_is_text(static_page):
    page = static_page(stepper(title="<b>bold</b>", next_words=fails))
    assert page.locator("h3").inner_text() == "<b>bold</b>"
    assert page.locator(".message").inner_text() == "No caption: KeyError: '<b>weights</b>'"
    assert page.locator(".message.complaint").is_visible() and not chips(page)
    tab(page, "Beam").click()
    assert not page.locator(".message").is_visible()  # the tree is there
    assert "<b>on" in page.locator(".tree").text_content()
    assert page.locator(".lecture b", has_text="weights").count() == 0


def test_a_busy_kernel_is_said(static_page, with_kernel, monkeypatch):
    widget = stepper()
    few = widget._answers([0], [3])  # as in a notebook: of the other images nothing is known yet
    monkeypatch.setattr(CaptionStepper, "_answers", lambda *_: few)
    page = static_page(widget)
    page.clock.install()
    page.get_by_role("button", name="Image 2", exact=True).click()
    assert page.locator(".message").inner_text() == "Asking the model …"
    assert page.locator(".view.busy").count() == 1
    page.clock.fast_forward(5000)
    assert "No answer from Python yet" in page.locator(".message").inner_text()
    page.get_by_role("button", name="Image 1", exact=True).click()
    assert page.locator(".view.busy").count() == 0 and not page.locator(".message").is_visible()


# ---- what it looks like -------------------------------------------------------------------------


def fits(page, width):
    """What sticks out of the card, or lies on what is beside it."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(80)
    return page.evaluate("""() => {
      const card = document.querySelector('.lecture').getBoundingClientRect();
      const wrong = [];
      for (const part of document.querySelectorAll(
          'button, p, dd, dt, img, li, h3, .field, .word, .number')) {
        const box = part.getBoundingClientRect();
        if (!box.width || part.classList.contains('unseen')) continue;
        const isCut = part.scrollWidth > part.clientWidth + 1 && part.clientWidth
          && getComputedStyle(part).display !== 'inline';
        if (box.right > card.right - 8 || box.left < card.left + 8 || isCut)
          wrong.push(`${part.tagName} ${part.className} ${part.textContent.slice(0, 30)}`);
      }
      for (const group of ['.row > *', '.view > *', '.main > *', '.chips > *', '.candidates > *',
                           '.candidate > *', '.facts > *', '.verdicts > *', '.strip > *',
                           '.hit > *', '.legend > *', '.tree .node', '.tree .tick']) {
        const parts = [...document.querySelectorAll(group)];
        const boxes = parts.map((e) => e.getBoundingClientRect());
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
          if (a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1
              && a.top < b.bottom - 2 && b.top < a.bottom - 2)
            wrong.push(`${group}: ${parts[i].textContent} / ${parts[i + 1 + j].textContent}`);
        }));
      }
      for (const node of document.querySelectorAll('.node')) {
        const box = node.querySelector('.box').getBBox();
        for (const text of node.querySelectorAll('text')) {
          const inner = text.getBBox();
          if (inner.x < box.x + 1 || inner.x + inner.width > box.x + box.width - 1)
            wrong.push(`node: ${text.textContent}`);
        }
      }
      const tree = document.querySelector('.tree');
      if (tree.clientWidth && tree.clientWidth < Number(tree.getAttribute('width')) - 1)
        wrong.push('the tree is squeezed');
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
      return wrong;
    }""")


@pytest.mark.parametrize("beam", [False, True])
@pytest.mark.parametrize("make", [stepper, long_stepper])
def test_nothing_is_cut_off_or_overlaps(static_page, make, beam):
    widget = make()
    widget.beam, widget.width = beam, 5
    if not beam:  # all there is to see: a word said instead, at the end of the caption
        sent = shown(widget)
        widget.prefix = [*sent["said"][:2], sent["steps"][2]["codes"][1]]
        widget.step = caption_stepper.LONGEST
    page = static_page(widget)
    for width in (NARROW, TIGHT, WIDE):
        assert fits(page, width) == [], width


def test_a_long_tree_scrolls_in_its_box_and_shows_that_it_goes_on(static_page):
    widget = long_stepper()
    page = open_beam(static_page, widget)
    box = page.locator(".scroll")
    assert box.evaluate("e => e.scrollWidth > e.clientWidth + 400")
    assert "more-after" in box.get_attribute("class")
    page.locator(".node[tabindex='0']").focus()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.more-before:not(.more-after)')")
    here, frame = page.locator(".node.here").bounding_box(), box.bounding_box()
    assert frame["x"] <= here["x"] and here["x"] + here["width"] <= frame["x"] + frame["width"]


@pytest.mark.parametrize("beam, others", [
    (False, 3 + 1 + 2 + 5),  # transport, whole caption, chips, likeliest words
    (True, 2 + 1 + len(hypotheses(toy_tree(0, 3))[:5])),  # width, dropped; word by word; captions
])
def test_controls_have_names_and_a_size(static_page, with_kernel, beam, others):
    widget = stepper()
    widget.beam, widget.step = beam, 2
    page = static_page(widget)
    controls = page.locator("button:visible, input:visible")
    assert controls.count() == 2 + 3 + others  # tabs, images
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24
    if beam:
        for group in page.locator(".node").all()[:6]:
            assert group.get_attribute("aria-label")


def test_steps_and_pointing_are_quick(static_page, capsys):
    page = static_page(long_stepper())
    script = """async ([places, name, key]) => {
      const times = [];
      for (let k = 0; k < 15; k++) {
        await new Promise(requestAnimationFrame);
        const place = document.querySelector(places[k % places.length]);
        const event = Object.assign(new Event(name, { bubbles: Boolean(key) }), { key });
        const began = performance.now();
        place.dispatchEvent(event);
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }
      return times;
    }"""
    word = page.evaluate(script, [[".chips"], "keydown", "ArrowRight"])
    assert len(chips(page)) == 16
    tab(page, "Beam").click()
    nodes = ['.node[data-i="3"]', '.node[data-i="200"]']
    point = page.evaluate(script, [nodes, "pointerenter", None])
    with capsys.disabled():
        print(f"\ncaption stepper: a word in {statistics.median(word):.1f} ms, a node of "
              f"{page.locator('.node').count()} in {statistics.median(point):.1f} ms (medians)")
    assert statistics.median(word) < 50 and statistics.median(point) < 50


# ---- in a notebook ------------------------------------------------------------------------------

MAKE = """\
from tests.visual.test_caption_stepper import stepper, toy_next, toy_tree
def next_words(k, said):
    if k == 2:
        raise ValueError("no <b>third</b> image")
    return toy_next(k, said)
widget = stepper(next_words=next_words)
widget"""
READ = 'print("read", widget.chosen, widget.prefix, widget.width, widget.step)'


def test_words_are_said_and_trees_grown_by_the_kernel_and_keys_stay(lab, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "captions.ipynb")
    notebook = lab(folder, "captions.ipynb", height=1600)
    notebook.run_all()
    page = notebook.page
    count = notebook.cell_count()
    widget = stepper()
    said, step = shown(widget)["said"], shown(widget)["steps"][1]

    page.get_by_label("Next word").click()
    for key in ("d", "d", "a", "b"):  # d d would delete the cell
        page.keyboard.press(key)
    page.locator("button.candidate").nth(1).click()
    widget.prefix = [said[0], step["codes"][1]]
    page.wait_for_function("document.querySelector('.chip.own')")
    assert_step_is_pythons(page, widget, 2)
    page.keyboard.press("End")
    assert_step_is_pythons(page, widget, len(shown(widget)["said"]))

    page.get_by_role("button", name="Image 2", exact=True).click()
    widget.chosen, widget.prefix = 1, []
    page.wait_for_function(f"document.querySelector('.photo').src === '{widget.images[1]}'")
    page.wait_for_function("!document.querySelector('.view.busy')")
    assert_step_is_pythons(page, widget, len(shown(widget)["said"]))
    page.get_by_role("button", name="Image 3", exact=True).click()
    page.wait_for_function("""() => document.querySelector('.complaint')?.textContent
        === 'No caption: no <b>third</b> image'""")
    page.get_by_role("button", name="Image 2", exact=True).click()

    tab(page, "Beam").click()
    page.get_by_label("Width of the beam").fill("2")
    page.wait_for_function("document.querySelector('.view:not(.busy) .tree .node')")
    page.wait_for_function(
        f"document.querySelector('.sentence').textContent === {best_sentence(1, 2)!r}")
    dropped = page.locator(".node.dropped").first
    i = int(dropped.get_attribute("data-i"))
    dropped.click()
    page.get_by_role("button", name="Go on from here, word by word").click()
    codes = caption_stepper._path_of(stepper(width=2)._tree(1, 2), i)
    widget.prefix = codes
    page.wait_for_function("!document.querySelector('.view.busy')")
    assert_step_is_pythons(page, widget, len(codes))
    page.wait_for_timeout(400)
    notebook.run_cell(1)
    page.wait_for_function(
        f"""document.querySelector('.jp-Notebook').innerText
              .includes('read 1 {codes} 2 {len(codes)}')""")
    assert notebook.cell_count() == count


def test_python_moves_what_is_shown(lab, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    late = 'widget.chosen, widget.prefix, widget.step = 1, [4], 3\nprint("done")'
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, late)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "captions.ipynb")
    notebook = lab(folder, "captions.ipynb", height=1600)
    notebook.run_all()
    widget = stepper()
    widget.chosen, widget.prefix = 1, [4]
    notebook.page.wait_for_function("document.querySelectorAll('.chip').length"
                                    " && document.querySelector('.chip .word').textContent === 'a'")
    assert_step_is_pythons(notebook.page, widget, 3)
