// The cell explorer. Python sends the text and every value of every cell once, a byte each; all
// colours, readings and searches are made here.

const LISTED = 10; // cells in an answer
const NEAR = 20; // characters on either side that are around a span
const TURNS = 20; // shifted copies of a question, to see what chance reaches
const LONGEST_TYPED = 2000;
const LINE = 24; // from one line of the text to the next, in pixels,
const RIBBON = 20; // of these coloured,
const TRACK = [21, 24]; // and where the feature is drawn
const SPEEDS = { slow: 250, medium: 90, fast: 25 }; // milliseconds per character
const GATES = [
  { name: "i", word: "write", hue: COLOURS.input },
  { name: "f", word: "keep", hue: COLOURS.forget },
  { name: "o", word: "reveal", hue: COLOURS.output },
];
const PALETTE = Array.from({ length: 255 }, (_, k) => signedColour(k / 127 - 1));
const pixel = (colour) => {
  const [red, green, blue] = colour.match(/\w+/g).slice(-3).map(Number);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
};
const PIXELS = Uint32Array.from(PALETTE, pixel);
const SIZES = Array.from({ length: 64 }, (_, k) => pixel(sizeColour(k / 63)));
const INK = pixel("rgb(31, 36, 41)");

const whole = (count) => count.toLocaleString("en-US");
const percent = (share) => (share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);

function extremes(numbers, start = 0, end = numbers.length) {
  let [low, high] = [Infinity, -Infinity];
  for (let k = start; k < end; k++) {
    if (numbers[k] < low) low = numbers[k];
    if (numbers[k] > high) high = numbers[k];
  }
  return [low, high];
}

// ---- what Python sent of a text -----------------------------------------------------------------

function readText({ text, cells, predicted, features, gates, can_ask }) {
  const bytes = ({ buffer, byteOffset, byteLength }) =>
    buffer.slice(byteOffset, byteOffset + byteLength);
  const [C, T] = cells.shape;
  const levels = new Int8Array(bytes(cells.data)); // searches count levels, so these stay bytes
  const scale = new Float32Array(bytes(cells.scale));
  // A cell that is always 0 gets the colours of a range all the same.
  const limits = Float64Array.from(scale, (step, c) =>
    levels.subarray(c * T, (c + 1) * T).some((level) => level) ? 127 * step : 1,
  );
  return {
    text,
    characters: Array.from(text),
    C,
    T,
    levels,
    scale,
    limits,
    widest: Math.max(...limits),
    likely: Array.from(predicted.characters),
    probabilities: unpack(predicted.probabilities).values,
    features: features.map(readFeature),
    gates: new Map(Object.entries(gates).map(([c, packed]) => [Number(c), unpack(packed).values])),
    canAsk: can_ask,
  };
}

function readFeature({ name, kind, values: packed }) {
  const { values } = unpack(packed);
  const question = kind === "truth" ? questionOfPlaces(values) : { numbers: values };
  return { name, kind, values, question };
}

// ---- which cells? -------------------------------------------------------------------------------
// A question is { inside, outside }, two lists of places to tell apart, or { numbers }, one for
// each place.

// places: 1 where inside. near: 1 where outside counts, all the rest if not given.
function questionOfPlaces(places, near) {
  const all = Int32Array.from(places.keys());
  return {
    inside: all.filter((t) => places[t]),
    outside: all.filter((t) => !places[t] && (!near || near[t])),
  };
}

// The same question to the text turned in a circle: it keeps its form and loses its meaning.
function turned({ inside, outside, numbers }, by, T) {
  if (numbers) return { numbers: numbers.map((_, t) => numbers[(t + T - by) % T]) };
  const move = (places) => places.map((t) => (t + by) % T);
  return { inside: move(inside), outside: move(outside) };
}

// The share of pairs, one place inside and one outside, in which the cell is higher inside; a tie
// is half a pair. There are 256 levels, so counting is faster than sorting.
const below = new Float64Array(256);
function auc({ levels, T }, { inside, outside }, c) {
  below.fill(0);
  for (const t of outside) below[levels[c * T + t] + 128]++;
  let lower = 0;
  for (let level = 0; level < 256; level++) {
    const here = below[level];
    below[level] = lower + here / 2;
    lower += here;
  }
  let pairs = 0;
  for (const t of inside) pairs += below[levels[c * T + t] + 128];
  return pairs / (inside.length * outside.length);
}

// Spearman's r of a cell with numbers that `inRanks` has turned into ranks, less their mean.
function correlation({ levels, T }, { ranks, power }, c) {
  below.fill(0);
  for (let t = 0; t < T; t++) below[levels[c * T + t] + 128]++;
  let lower = 0;
  let square = 0;
  for (let level = 0; level < 256; level++) {
    const here = below[level];
    below[level] = lower + (here - T) / 2; // the middle of its ranks, less the mean of all
    square += here * below[level] ** 2;
    lower += here;
  }
  let product = 0;
  for (let t = 0; t < T; t++) product += below[levels[c * T + t] + 128] * ranks[t];
  return square > 0 && power > 0 ? product / Math.sqrt(square * power) : 0;
}

function inRanks(numbers) {
  const order = numbers.map((_, t) => t).sort((a, b) => numbers[a] - numbers[b]);
  const ranks = new Float64Array(numbers.length);
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && numbers[order[end]] === numbers[order[start]]) end++;
    for (let k = start; k < end; k++) ranks[order[k]] = (start + end - numbers.length) / 2;
  }
  return { ranks, power: ranks.reduce((sum, rank) => sum + rank * rank, 0) };
}

const canBeAsked = ({ inside, outside }) => !inside || (inside.length > 0 && outside.length > 0);

// { cell, score, high }: AUC or |r|, and whether the cell is high or low there.
function scoreOf(shown, question, cell) {
  if (question.numbers) {
    question.ranked ??= inRanks(question.numbers);
    const r = correlation(shown, question.ranked, cell);
    return { cell, score: Math.abs(r), high: r >= 0 };
  }
  const a = auc(shown, question, cell);
  return { cell, score: Math.max(a, 1 - a), high: a >= 0.5 };
}

function ranking(shown, question) {
  const all = Array.from({ length: shown.C }, (_, c) => scoreOf(shown, question, c));
  return all.sort((a, b) => b.score - a.score || a.cell - b.cell);
}

// ---- the text on a grid -------------------------------------------------------------------------

// Rows [start, end) of at most `columns` characters; a line end may stand beyond the last column.
function breakLines(characters, columns) {
  const rows = [];
  let start = 0;
  while (start < characters.length) {
    let end = start;
    let behindSpace = start;
    while (end < characters.length && end - start < columns && characters[end] !== "\n") {
      end += 1;
      if (characters[end - 1] === " ") behindSpace = end;
    }
    if (characters[end] === "\n") end += 1;
    else if (end < characters.length && behindSpace > start) end = behindSpace;
    rows.push([start, end]);
    start = end;
  }
  return rows;
}

// A row as text. What may not be as wide as a letter gets a box that is.
function textRow(characters, [start, end]) {
  const parts = [];
  let plain = "";
  let leading = start === 0 || characters[start - 1] === "\n";
  for (let t = start; t < end; t++) {
    const character = characters[t];
    leading &&= character === " ";
    const code = character.codePointAt(0);
    const faint = leading || "\n\t".includes(character);
    const odd = code < 32 || (code > 126 && code < 160) || code > 0x24f;
    const shown = leading ? "\u00b7" : character === " " ? " " : visible(character);
    if (!faint && !odd) plain += shown;
    else {
      const style = `${faint ? "faint" : ""} ${odd ? "odd" : ""}`;
      parts.push(plain, make("span", { class: style }, shown));
      plain = "";
    }
  }
  return make("div", { class: "line" }, ...parts, plain);
}

// A short piece in one line, each character on its colour.
function textStrip(characters, colours, mark) {
  const stops = colours.map((colour, k) => `${colour} ${k}ch ${k + 1}ch`).join(", ");
  const row = textRow(characters, [0, characters.length]);
  row.classList.add("keep");
  row.style.background = `linear-gradient(90deg, ${stops}) 0 0 / ${characters.length}ch no-repeat`;
  row.append(make("span", { class: "peak", style: `left: ${mark}ch`, "aria-hidden": "true" }));
  return row;
}

// ---- sentences ----------------------------------------------------------------------------------

const where = (kind, high) =>
  kind === "AUC" ? `${high ? "high" : "low"} inside` : `${high ? "rises" : "falls"} with it`;
const measureOf = (kind, score) => `${kind === "AUC" ? "AUC" : "|r|"} ${format(score)}`;

function drawExplorer(view) {
  const letter = view.get("name");
  const ranked = view.get("ranked").map((found) => ({ ...found, high: found.direction > 0 }));
  const given = readText(view.get("given"));
  let own = null;
  let shown = given;
  let hovered = null; // the character under the pointer
  const cell = () => view.get("cell");
  const at = () => clamp(view.get("at"), 0, shown.T - 1);
  const spans = () => view.get("spans").filter(([, end]) => end <= shown.T);
  const feature = () => shown.features.find(({ name }) => name === view.get("feature"));

  // The chosen cell over the text, its extremes, and the value of the strongest colour.
  let values = new Float64Array(0);
  let [low, high, limit] = [0, 0, 1];
  function lookUp() {
    const { levels, scale, T } = shown;
    const step = scale[cell()];
    values = Float64Array.from(levels.subarray(cell() * T, (cell() + 1) * T), (x) => x * step);
    [low, high] = extremes(values);
    limit = view.get("one_scale") ? shown.widest : shown.limits[cell()];
  }
  const shade = (x) => 127 + Math.round(127 * clamp(x / limit, -1, 1)); // its place in the palette

  // ---- which cell -------------------------------------------------------------------------------
  const title = make("p", { class: "title" }, view.get("title"));
  const chips = make("ul", { class: "chips", "aria-label": "Cells found on held-out text" });
  const firsts = ranked.filter(
    (found, k) => ranked.findIndex((other) => other.feature === found.feature) === k,
  );
  // From no relation, an AUC of 1/2 or an r of 0, to a perfect one; a tick where chance gets.
  const shareOf = (kind, score) => 100 * (kind === "AUC" ? clamp(2 * score - 1, 0, 1) : score);
  const meter = (kind, score, high, chance) =>
    make(
      "span",
      { class: "meter keep", "aria-hidden": "true" },
      make("span", {
        class: high ? "fill high" : "fill",
        style: `width: ${shareOf(kind, score)}%`,
      }),
      make("span", { class: "chance", style: `left: ${shareOf(kind, chance)}%` }),
    );
  const told = (found) =>
    `${found.feature}: ${measureOf(found.kind, found.score)}, ${where(found.kind, found.high)}; ` +
    `chance ${format(found.control)}`;
  const inShort = ({ cell: which, kind, score }) => `cell ${which}, ${measureOf(kind, score)}`;
  // markChosen() finds them by data-cell.
  const cellButton = (which, name, ...content) =>
    make(
      "button",
      { class: name, type: "button", "data-cell": which, onclick: () => choose(which) },
      ...content,
    );
  for (const found of firsts) {
    const button = cellButton(
      found.cell,
      "chip",
      make("b", {}, found.feature),
      make("span", { class: "small" }, inShort(found)),
      meter(found.kind, found.score, found.high, found.control),
    );
    button.title = told(found);
    button.addEventListener("click", () => {
      if (shown.features.some(({ name }) => name === found.feature)) follow(found.feature);
    });
    chips.append(make("li", {}, button));
  }

  const slider = make("input", { type: "range", min: 0, max: given.C - 1, step: 1 });
  const number = make("input", { type: "number", min: 0, max: given.C - 1, step: 1 });
  slider.addEventListener("input", () => choose(Number(slider.value)));
  number.addEventListener("input", () => {
    const wanted = Number(number.value);
    const fits = Number.isInteger(wanted) && wanted >= 0 && wanted < given.C;
    if (number.value !== "" && fits) choose(wanted);
  });
  number.addEventListener("change", () => {
    number.value = cell();
  });
  number.setAttribute("aria-label", "Cell, as a number");
  const before = iconButton("previous", "Previous cell", () => choose(cell() - 1));
  const after = iconButton("next", "Next cell", () => choose(cell() + 1));
  const scaleBox = make("input", { type: "checkbox" });
  scaleBox.addEventListener("change", () => {
    view.set("one_scale", scaleBox.checked);
    paintValues();
    view.say(legend.textContent);
  });
  const picker = labelled("Cell", slider);
  picker.append(number, make("span", { class: "quiet" }, `0 to ${given.C - 1}`), before, after);
  picker.classList.add("picker");
  const facts = make("p", { class: "facts" });
  const legend = make("p", { class: "legend" });

  function choose(wanted) {
    view.set("cell", clamp(wanted, 0, given.C - 1));
    paintCell();
    view.say(facts.textContent);
  }

  function paintFacts() {
    const known = ranked.filter((found) => found.cell === cell());
    const parts = [make("b", {}, `Cell ${cell()}`)];
    if (known.length) parts.push(` on held-out text: ${known.map(told).join(". ")}.`);
    else {
      const [best] = shown.features
        .filter(({ question }) => canBeAsked(question))
        .map((track) => ({ track, ...scoreOf(shown, track.question, cell()) }))
        .map((found) => ({ ...found, kind: found.track.kind === "truth" ? "AUC" : "r" }))
        .sort((a, b) => shareOf(b.kind, b.score) - shareOf(a.kind, a.score));
      if (best) {
        const { kind } = best;
        const sentence = `${measureOf(kind, best.score)}, ${where(kind, best.high)}`;
        parts.push(` goes best with ${best.track.name} on this text: ${sentence}.`);
      }
    }
    facts.replaceChildren(...parts);
  }

  // ---- the text ---------------------------------------------------------------------------------
  const canvas = make("canvas", { "aria-hidden": "true" });
  const lines = make("div", { class: "lines" });
  const chosen = make("div", { "aria-hidden": "true" }); // boxes around the selection
  const cursor = make("span", { class: "cursor", "aria-hidden": "true" });
  const pointer = make("span", { class: "cursor pointed", "aria-hidden": "true", hidden: true });
  // What has not come yet: the rest of the line, the lines below, and the rest of the strip.
  const covers = [0, 1, 2].map(() => make("span", { class: "cover", "aria-hidden": "true" }));
  const sheet = make("div", { class: "sheet keep" }, canvas, chosen, lines, covers[0], covers[1]);
  sheet.append(pointer, cursor);
  const page = make(
    "div",
    { class: "page", tabindex: 0, role: "slider", "aria-valuemin": 1 },
    sheet,
  );
  let rows = [];
  let rowOf = new Uint16Array(0);
  let column = 8; // pixels, and not a whole number of them
  const spot = (t) => [(t - rows[rowOf[t]][0]) * column, rowOf[t] * LINE];

  function layOut() {
    const probe = make("span", { class: "probe" }, "0".repeat(100));
    lines.replaceChildren(probe);
    // Before the page has the widget, there is nothing to measure: any grid will do.
    column = probe.getBoundingClientRect().width / 100 || 8;
    const columns = clamp(Math.floor(page.clientWidth / column) - 2, 12, 160);
    rows = breakLines(shown.characters, columns);
    rowOf = new Uint16Array(shown.T);
    rows.forEach(([start, end], row) => rowOf.fill(row, start, end));
    sheet.style.setProperty("--column", `${column}px`);
    lines.replaceChildren(...rows.map((row) => textRow(shown.characters, row)));
    canvas.width = columns + 1;
    canvas.height = rows.length * LINE;
    canvas.style.width = `${canvas.width * column}px`;
    canvas.style.height = sheet.style.height = `${canvas.height}px`;
    page.setAttribute("aria-valuemax", shown.T);
    paintColours();
    paintSpans();
    paintCursor();
  }

  function paintColours() {
    const image = new ImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const wide = canvas.width;
    const track = feature();
    const mark = track && markOf(track);
    for (let t = 0; t < shown.T; t++) {
      const row = rowOf[t];
      const first = row * LINE * wide + t - rows[row][0];
      const colour = PIXELS[shade(values[t])];
      for (let y = 0; y < RIBBON; y++) pixels[first + y * wide] = colour;
      const ink = mark?.(t);
      if (ink) for (let y = TRACK[0]; y < TRACK[1]; y++) pixels[first + y * wide] = ink;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    page.setAttribute(
      "aria-label",
      `Text of ${whole(shown.T)} characters coloured by cell ${cell()}. Arrow keys move, with ` +
        "shift they select, page up and down change the cell",
    );
  }

  // What a feature puts under character t: a line where it is true, a shade if it is a number.
  function markOf({ kind, values: truth }) {
    if (kind === "truth") return (t) => (truth[t] > 0.5 ? INK : 0);
    const [least, most] = extremes(truth);
    return (t) => SIZES[Math.round((63 * (truth[t] - least)) / (most - least || 1))];
  }

  function paintSpans() {
    const boxes = [];
    for (const [start, end] of spans()) {
      for (let row = rowOf[start]; row <= rowOf[end - 1]; row++) {
        const left = Math.max(start, rows[row][0]) - rows[row][0];
        const right = Math.min(end, rows[row][1]) - rows[row][0];
        const place = `left: ${left * column}px; width: ${(right - left) * column}px`;
        boxes.push(make("span", { class: "chosen", style: `${place}; top: ${row * LINE}px` }));
      }
    }
    chosen.replaceChildren(...boxes);
  }

  const put = (box, t) => {
    const [x, y] = spot(t);
    Object.assign(box.style, { left: `${x}px`, top: `${y}px` });
  };

  function paintCursor() {
    put(cursor, at());
    pointer.hidden = hovered === null;
    if (hovered !== null) put(pointer, hovered);
    const [x, y] = spot(at());
    for (const cover of covers) cover.hidden = !hide.checked;
    Object.assign(covers[0].style, { left: `${x + column}px`, top: `${y}px`, height: `${LINE}px` });
    Object.assign(covers[1].style, { left: 0, top: `${y + LINE}px`, bottom: 0 });
    page.setAttribute("aria-valuenow", at() + 1);
    page.setAttribute("aria-valuetext", summary());
    paintReading();
    paintPlace();
  }

  const summary = () => {
    const came = at() + 1 < shown.T ? `, next comes ${spoken(shown.characters[at() + 1])}` : "";
    return `${spoken(shown.characters[at()])}, ${letter} ${format(values[at()])}${came}`;
  };

  function moveTo(t, { follow = true } = {}) {
    view.set("at", clamp(t, 0, shown.T - 1));
    paintCursor();
    if (!follow) return;
    const y = rowOf[at()] * LINE;
    if (y < page.scrollTop + LINE) page.scrollTop = y - LINE;
    else if (y > page.scrollTop + page.clientHeight - 3 * LINE)
      page.scrollTop = y - page.clientHeight + 3 * LINE;
  }

  // ---- pointing and selecting -------------------------------------------------------------------
  const under = ({ clientX, clientY }) => {
    const box = sheet.getBoundingClientRect();
    const [start, end] = rows[clamp(Math.floor((clientY - box.top) / LINE), 0, rows.length - 1)];
    return clamp(start + Math.floor((clientX - box.left) / column), start, end - 1);
  };
  let anchor = null; // where the newest span began
  let kept = []; // the spans before it
  let dragging = false;

  function beginAt(t, { ctrlKey, metaKey }) {
    anchor = t;
    kept = ctrlKey || metaKey || adding.checked ? spans() : [];
  }

  function selectTo(t) {
    select([...kept, [Math.min(anchor, t), Math.max(anchor, t) + 1]]);
  }

  page.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    player.stop();
    const t = under(event);
    if (event.shiftKey) {
      if (anchor === null) beginAt(at(), event);
      selectTo(t);
    } else beginAt(t, event);
    dragging = true;
    page.setPointerCapture(event.pointerId);
    moveTo(t, { follow: false });
  });
  page.addEventListener("pointermove", (event) => {
    const t = under(event);
    if (dragging && event.buttons === 1) {
      if (t !== at()) {
        selectTo(t);
        moveTo(t);
      }
    } else point(player.playing() || (hide.checked && t > at()) ? null : t);
  });
  for (const end of ["pointerup", "pointercancel"])
    page.addEventListener(end, () => {
      dragging = false;
    });
  page.addEventListener("pointerleave", () => point(null));

  function point(t) {
    if (t === hovered) return;
    hovered = t;
    paintCursor();
  }

  page.addEventListener("keydown", (event) => {
    const { key, shiftKey } = event;
    const by = { PageUp: -1, PageDown: 1 }[key];
    const to = whereTo(event);
    if (by) choose(cell() + by);
    else if (key === "Escape" && spans().length) select([]);
    else if (to !== null) {
      player.stop();
      if (shiftKey) {
        if (anchor === null) beginAt(at(), {}); // here the control key means: to the end
        selectTo(clamp(to, 0, shown.T - 1));
      } else anchor = null;
      moveTo(to);
      view.say(summary());
    } else return;
    event.preventDefault();
  });

  function whereTo({ key, ctrlKey, metaKey }) {
    const t = at();
    const row = rowOf[t];
    const [start, end] = rows[row];
    const beside = (other) => {
      if (!rows[other]) return t;
      return Math.min(rows[other][0] + t - start, rows[other][1] - 1);
    };
    const far = ctrlKey || metaKey;
    switch (key) {
      case "ArrowLeft":
        return t - 1;
      case "ArrowRight":
        return t + 1;
      case "ArrowUp":
        return beside(row - 1);
      case "ArrowDown":
        return beside(row + 1);
      case "Home":
        return far ? 0 : start;
      case "End":
        return far ? shown.T - 1 : end - 1;
      default:
        return null;
    }
  }

  // ---- play -------------------------------------------------------------------------------------
  const hide = make("input", { type: "checkbox" });
  hide.addEventListener("change", paintCursor);
  const speed = make(
    "select",
    {},
    ...Object.keys(SPEEDS).map((name) => make("option", { value: name }, name)),
  );
  speed.value = "medium";
  const player = makePlayer();

  // Not the transport of all widgets: the speed may change under way, and playing hides the rest.
  function makePlayer() {
    let timer = 0;
    const button = make("button", { class: "play", type: "button" });
    button.addEventListener("click", () => (timer ? stop() : start()));
    const show = () => {
      const label = timer ? "Pause" : "Play through the text";
      button.replaceChildren(icon(timer ? "pause" : "play"), timer ? "Pause" : "Play");
      button.setAttribute("aria-label", label);
      button.title = label;
    };
    const go = () => {
      moveTo(at() + 1);
      if (at() === shown.T - 1) stop();
      else timer = setTimeout(go, SPEEDS[speed.value]);
    };
    function start() {
      if (at() === shown.T - 1) moveTo(0);
      hide.checked = true;
      hovered = null;
      timer = setTimeout(go, SPEEDS[speed.value]);
      paintCursor();
      show();
    }
    function stop() {
      if (!timer) return;
      clearTimeout(timer);
      timer = 0;
      show();
    }
    show();
    if (prefersStill()) {
      button.disabled = true;
      button.title = "Off: your system asks for reduced motion. Step with the buttons beside.";
    }
    view.atEnd(stop);
    const step = (by) => () => {
      stop();
      moveTo(at() + by);
      view.say(summary());
    };
    const group = { class: "transport", role: "group", "aria-label": "Move through the text" };
    return {
      playing: () => timer !== 0,
      stop,
      element: make(
        "span",
        group,
        iconButton("previous", "Previous character", step(-1)),
        button,
        iconButton("next", "Next character", step(1)),
      ),
    };
  }

  // ---- the whole text as a strip ----------------------------------------------------------------
  const LEFT = 44,
    VALUES = 84,
    GAP = 12,
    LANE = 48;
  const chart = make("canvas", { "aria-hidden": "true" });
  const seen = make("span", { class: "seen", "aria-hidden": "true" }); // the lines on screen
  const needle = make("span", { class: "needle", "aria-hidden": "true" });
  const strip = make("div", { class: "strip sheet keep" }, chart, seen, covers[2], needle);
  let wide = 600;
  const xOf = (t) => LEFT + (t * (wide - LEFT)) / shown.T;

  function paintStrip() {
    wide = Math.max(200, strip.clientWidth);
    const gates = shown.gates.get(cell());
    const tall = VALUES + GAP + (gates ? LANE + GAP : 0);
    const sharp = Math.min(2, devicePixelRatio || 1);
    chart.width = wide * sharp;
    chart.height = tall * sharp;
    Object.assign(chart.style, { width: `${wide}px`, height: `${tall}px` });
    const draw = chart.getContext("2d");
    draw.scale(sharp, sharp);
    draw.font = "11px system-ui, sans-serif";
    draw.textAlign = "right";
    const zero = VALUES / 2;
    draw.fillStyle = "#5a6570";
    draw.fillText(`+${format(limit, 1)}`, LEFT - 8, 10);
    draw.fillText("0", LEFT - 8, zero + 4);
    draw.fillText(`\u2212${format(limit, 1)}`, LEFT - 8, VALUES);
    draw.fillStyle = "#f5f7f9";
    draw.fillRect(LEFT, 0, wide - LEFT, VALUES);

    // Of the characters that share a column of pixels, the lowest and the highest are drawn.
    const each = Math.max(1, Math.floor(wide - LEFT));
    const bars = { above: new Path2D(), below: new Path2D() };
    for (let k = 0; k < each; k++) {
      const first = Math.floor((k * shown.T) / each);
      const last = Math.max(first + 1, Math.floor(((k + 1) * shown.T) / each));
      const [least, most] = extremes(values, first, last);
      if (most > 0) bars.above.rect(LEFT + k, zero, 1, (-zero * most) / limit);
      if (least < 0) bars.below.rect(LEFT + k, zero, 1, (-zero * least) / limit);
    }
    draw.fillStyle = PALETTE[254];
    draw.fill(bars.above);
    draw.fillStyle = PALETTE[0];
    draw.fill(bars.below);
    draw.fillStyle = "#97a3ad";
    draw.fillRect(LEFT, zero - 0.5, wide - LEFT, 1);

    const track = feature();
    if (track) {
      const mark = markOf(track);
      for (let k = 0; k < each; k++) {
        const ink = mark(Math.floor((k * shown.T) / each));
        draw.fillStyle = `rgb(${ink & 255}, ${(ink >> 8) & 255}, ${(ink >> 16) & 255})`;
        if (ink) draw.fillRect(LEFT + k, VALUES + 3, 1, 4);
      }
    }
    if (gates) paintGates(draw, gates, VALUES + GAP, each);
    paintPlace();
  }

  // Lines of the means, one per two pixels.
  function paintGates(draw, gates, top, each) {
    const bins = Math.ceil(Math.min(each / 2, shown.T));
    draw.fillStyle = "#f5f7f9";
    draw.fillRect(LEFT, top, wide - LEFT, LANE);
    draw.lineWidth = 1.4;
    GATES.forEach(({ name, hue }, g) => {
      draw.strokeStyle = draw.fillStyle = hue;
      draw.beginPath();
      for (let k = 0; k < bins; k++) {
        const first = Math.floor((k * shown.T) / bins);
        const last = Math.max(first + 1, Math.floor(((k + 1) * shown.T) / bins));
        let sum = 0;
        for (let t = first; t < last; t++) sum += gates[g * shown.T + t];
        const y = top + LANE * (1 - sum / (last - first));
        draw.lineTo(LEFT + ((k + 0.5) * (wide - LEFT)) / bins, y);
      }
      draw.stroke();
      draw.fillRect(LEFT - 12, top + 4 + g * 15, 4, 10);
      draw.fillStyle = "#1f2429";
      draw.font = "italic 13px Georgia, 'DejaVu Serif', serif";
      draw.fillText(name, LEFT - 16, top + 13 + g * 15);
    });
  }

  function paintPlace() {
    const x = `${xOf(at() + 0.5)}px`;
    needle.style.left = x;
    Object.assign(covers[2].style, { left: x, top: 0, bottom: 0 });
    const rowAt = (y) => rows[clamp(Math.floor(y / LINE), 0, rows.length - 1)];
    const [first] = rowAt(page.scrollTop);
    const [, last] = rowAt(page.scrollTop + page.clientHeight - 1);
    Object.assign(seen.style, { left: `${xOf(first)}px`, width: `${xOf(last) - xOf(first)}px` });
  }
  page.addEventListener("scroll", paintPlace);
  const jump = (event) => {
    player.stop();
    const x = event.clientX - strip.getBoundingClientRect().left;
    moveTo(Math.floor(((x - LEFT) / (wide - LEFT)) * shown.T));
    view.say(summary());
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    jump(event);
  });
  strip.addEventListener("pointermove", (event) => {
    if (event.buttons === 1) jump(event);
  });

  // ---- the reading of one character -------------------------------------------------------------
  const reading = make("div", { class: "reading", role: "group", "aria-label": "Reading" });
  const key = (character) => make("b", { class: "key mono" }, visible(character));
  const gateNote = make("p", { class: "small quiet gate-note" });

  function paintReading() {
    const t = hovered ?? at();
    const x = values[t];
    const gates = shown.gates.get(cell());
    const half = 50 * clamp(Math.abs(x) / limit, 0, 1);
    const bar = make("span", {
      class: x < 0 ? "fill" : "fill high",
      style: `width: ${half}%; ${x < 0 ? "right" : "left"}: 50%`,
    });
    const secret = hide.checked && t >= at();
    const next = secret ? null : shown.characters[t + 1];
    const five = expectedAfter(t);
    reading.replaceChildren(
      make(
        "p",
        { class: "row here" },
        make("span", {}, "after ", key(shown.characters[t])),
        make("span", { class: "small quiet push" }, `${whole(t + 1)} of ${whole(shown.T)}`),
      ),
      make(
        "div",
        { class: "quantities" },
        symbol(letter, String(cell())),
        make("span", { class: "signed meter keep", "aria-hidden": "true" }, bar),
        make("span", { class: "number", "data-value": x }, format(x)),
        ...(gates
          ? GATES.flatMap(({ name, word, hue }, g) => {
              const open = gates[g * shown.T + t];
              const style = `width: ${100 * open}%; background: ${hue}`;
              return [
                make("span", {}, symbol(name), make("span", { class: "small quiet" }, ` ${word}`)),
                make(
                  "span",
                  { class: "meter keep", "aria-hidden": "true" },
                  make("span", { class: "fill", style }),
                ),
                make("span", { class: "number", "data-gate": name }, format(open)),
              ];
            })
          : [gateNote]),
      ),
      make("p", { class: "small quiet" }, "expects next"),
      make(
        "ol",
        { class: "expected" },
        ...five.map(({ character, share }) =>
          make(
            "li",
            { class: character === next ? "comes" : null },
            make("b", { class: "mono" }, visible(character)),
            make(
              "span",
              { class: "meter keep", "aria-hidden": "true" },
              make("span", { class: "fill", style: `width: ${100 * share}%` }),
            ),
            make("span", { class: "number", "data-value": share }, percent(share)),
            character === next ? make("span", { class: "unseen" }, ", this one came") : null,
          ),
        ),
      ),
      make("p", { class: "small came" }, ...outcome(t, secret)),
    );
  }

  const expectedAfter = (t) =>
    Array.from({ length: t < 0 ? 0 : 5 }, (_, k) => ({
      character: shown.likely[5 * t + k],
      share: shown.probabilities[5 * t + k],
    }));

  // What came after character t; of a secret, what this character itself had been given.
  function outcome(t, secret) {
    if (t + 1 === shown.T) return ["the text ends here"];
    if (secret && t === 0) return ["what comes is hidden"];
    const place = secret ? t : t + 1;
    const came = shown.characters[place];
    const guess = expectedAfter(place - 1).find(({ character }) => character === came);
    const how = guess ? `, expected with ${percent(guess.share)}` : ", not among the five";
    return [secret ? "this one: " : "came: ", key(came), how];
  }

  // Gates that Python did not send with the text.
  const askGates = debounce(() => {
    view.set("gates_wanted", { cell: cell(), text: shown.text });
  }, 120);

  function paintGateNote() {
    if (shown.gates.has(cell())) return;
    const some = given.gates.size;
    const included = some ? `Gates are included for ${some} cells` : "No gates are included";
    const { cell: which, text, error } = view.get("gates_sent");
    if (!shown.canAsk)
      gateNote.textContent = shown === given ? `${included}.` : "No gates are known of this text.";
    else if (!view.hasKernel)
      gateNote.textContent = `${included}; start the notebook for the others.`;
    else if (error && which === cell() && text === shown.text) gateNote.textContent = error;
    else {
      gateNote.textContent = "Asking Python for the gates of this cell \u2026";
      askGates();
    }
  }

  function keepGates() {
    const { cell: which, text, gates } = view.get("gates_sent");
    const target = [given, own].find((one) => one?.text === text);
    if (target && gates) target.gates.set(which, unpack(gates).values);
  }

  // ---- which cells? -----------------------------------------------------------------------------
  const featureBox = make("select", {});
  featureBox.addEventListener("change", () => follow(featureBox.value));
  const answer = make("p", { class: "small answer" });
  const heldOut = make("p", { class: "small held-out" });
  const chanceText = make("p", { class: "small quiet chance-text" });
  const results = make("ol", { class: "results" });
  const clear = make("button", { type: "button", onclick: () => select([]) }, "Clear");
  const adding = make("input", { type: "checkbox" });
  const against = make(
    "select",
    {},
    make("option", { value: "around" }, "what is around"),
    make("option", { value: "rest" }, "all the rest"),
  );
  against.addEventListener("change", search);
  const spanTools = make(
    "div",
    { class: "span-tools" },
    labelled("against", against),
    labelled("add more spans", adding),
    clear,
  );
  const finder = make(
    "div",
    { class: "finder", role: "group", "aria-label": "Find cells" },
    make("p", {}, make("b", {}, "Which cells know it?")),
    make("p", { class: "small" }, "Drag over some text (or press shift and arrow keys), or choose"),
    labelled("a feature", featureBox),
    spanTools,
    answer,
    results,
    chanceText,
    heldOut,
  );
  let chanceTimer = 0;
  view.atEnd(() => clearTimeout(chanceTimer));
  view.atEnd(askGates.cancel);

  function follow(name) {
    view.set("feature", name);
    view.set("spans", []);
    anchor = null;
    paintSpans();
    paintTrack();
    search();
    view.say(answer.textContent);
  }

  function select(some) {
    view.set("spans", some);
    paintSpans();
    search();
    view.say(answer.textContent);
  }

  function paintTrack() {
    featureBox.value = feature()?.name ?? "";
    paintColours();
    paintLegend();
    paintStrip();
  }

  function search() {
    const began = performance.now();
    clearTimeout(chanceTimer);
    const track = feature();
    const places = placesOf(spans());
    const question = places
      ? questionOfPlaces(places, against.value === "around" && placesAround(spans()))
      : track?.question;
    const kind = question?.numbers ? "r" : "AUC";
    spanTools.hidden = !places;
    if (!places) adding.checked = false;
    chanceText.textContent = "";
    heldOut.textContent = "";
    results.replaceChildren();
    answer.replaceChildren(...(places ? describe(question) : track ? aboutFeature(track) : []));
    if (!question) return;
    if (!canBeAsked(question)) {
      answer.append(": this holds for all of the text, or for nothing of it.");
      return;
    }
    const found = ranking(shown, question).slice(0, LISTED);
    results.replaceChildren(...found.map((one) => make("li", {}, resultButton(kind, one))));
    markChosen();
    if (!places) tellHeldOut(track.name);
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
    chanceTimer = setTimeout(() => findChance(question, kind, []), 200);
  }

  function placesOf(some) {
    if (!some.length) return null;
    const places = new Uint8Array(shown.T);
    for (const [start, end] of some) places.fill(1, start, end);
    return places;
  }

  const placesAround = (some) =>
    placesOf(some.map(([start, end]) => [Math.max(0, start - NEAR), end + NEAR]));

  const aboutFeature = ({ name }) => ["that follow ", make("b", {}, name), " on this text"];

  function describe({ inside }) {
    const some = spans();
    const excerpt = shown.characters.slice(...some[0]).map((x) => (x === " " ? x : visible(x)));
    if (excerpt.length > 24) excerpt.splice(16, excerpt.length - 23, "\u2026");
    const what = some.length > 1 ? `${some.length} spans` : excerpt.join("");
    const count = `${whole(inside.length)} character${inside.length > 1 ? "s" : ""}`;
    const rest = against.value === "around" ? "around" : "elsewhere";
    return ["that light up in ", make("b", { class: "mono" }, what), ` (${count}) and not ${rest}`];
  }

  function resultButton(kind, { cell: which, score, high }) {
    const [up, down] = kind === "AUC" ? ["high", "low"] : ["up", "down"];
    const button = cellButton(
      which,
      "result",
      make("span", {}, `cell ${which}`),
      meter(kind, score, high, 0),
      make("span", { class: "number" }, format(score, score > 0.995 && score < 1 ? 3 : 2)),
      make("span", { class: "small" }, high ? up : down),
    );
    button.dataset.score = score;
    return button;
  }

  function tellHeldOut(name) {
    const known = ranked.filter((found) => found.feature === name);
    if (!known.length) return;
    heldOut.replaceChildren(
      "On held-out text: ",
      ...known.map((found) => cellButton(found.cell, "mention", inShort(found))),
    );
    markChosen();
  }

  // One turn at a time, so that nothing waits for it.
  function findChance(question, kind, reached) {
    const by = Math.round(((reached.length + 1) * shown.T) / (TURNS + 1));
    reached.push(ranking(shown, turned(question, by, shown.T))[0].score);
    if (reached.length < TURNS) {
      chanceTimer = setTimeout(() => findChance(question, kind, reached), 0);
      return;
    }
    const chance = Math.max(...reached);
    for (const tick of results.querySelectorAll(".chance")) {
      tick.style.left = `${shareOf(kind, chance)}%`;
      tick.classList.add("known");
    }
    chanceText.replaceChildren(
      `Tick: chance. In ${TURNS} tries the best of all cells reached at most `,
      make("b", { "data-chance": chance }, format(chance)),
      question.numbers ? " with the feature shifted." : " for the same shape laid elsewhere.",
      spans().length === 1 ? " Add another span of the same kind to tell them apart." : "",
    );
  }

  function markChosen() {
    for (const button of view.root.querySelectorAll("button[data-cell]"))
      button.setAttribute("aria-pressed", String(Number(button.dataset.cell) === cell()));
  }

  // ---- where in the corpus ----------------------------------------------------------------------
  const contexts = view.get("contexts");
  const corpus = make("div", { class: "corpus" });
  const hasContexts = Object.keys(contexts).length > 0;

  function paintContexts() {
    const pieces = (contexts[cell()] ?? []).map(({ text, values: packed, at: peak }) => {
      const around = unpack(packed).values;
      const [least, most] = extremes(around);
      const colours = Array.from(around, (x) => PALETTE[shade(x)]);
      return {
        top: around[peak] - least >= most - around[peak],
        value: around[peak],
        line: textStrip(Array.from(text), colours, peak),
      };
    });
    const tops = pieces.filter(({ top }) => top).sort((a, b) => b.value - a.value);
    const bottoms = pieces.filter(({ top }) => !top).sort((a, b) => a.value - b.value);
    const lists = [
      [`Where cell ${cell()} is highest in the corpus`, tops],
      [`Where cell ${cell()} is lowest`, bottoms],
    ];
    const cells = Object.keys(contexts).join(", ");
    corpus.replaceChildren(
      ...(pieces.length
        ? lists.filter(([, some]) => some.length).map(contextList)
        : [make("p", { class: "small quiet" }, `Top contexts are included for cells ${cells}.`)]),
    );
  }

  function contextList([heading, some]) {
    const items = some.map(({ value, line: row }) =>
      make("li", {}, row, make("span", { class: "number" }, format(value))),
    );
    return make(
      "div",
      {},
      make("p", { class: "small quiet" }, heading),
      make("ol", { "aria-label": heading }, ...items),
    );
  }

  // ---- your own text ----------------------------------------------------------------------------
  const canType = view.get("can_read") && view.hasKernel;
  const box = make("textarea", {
    class: "mono",
    disabled: !canType,
    rows: 3,
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    placeholder: "Type or paste a text, and watch the cell follow it.",
  });
  const message = make("p", { class: "small message" });
  const stays = make(
    "p",
    { class: "small quiet stays", hidden: true },
    "Below is still the last text that could be read.",
  );
  const typing = make("div", { class: "typing" }, labelled("Your own text", box), message, stays);
  const tabs = [
    { label: "The text", isOwn: false },
    { label: "Your own text", isOwn: true },
  ].map(({ label, isOwn }) => {
    const off = isOwn && !canType && !view.get("own").cells;
    const button = make("button", { type: "button", disabled: off }, label);
    button.addEventListener("click", () => {
      view.set("own_shown", isOwn);
      showText();
      if (isOwn) box.focus();
    });
    return { button, isOwn };
  });
  const python = awaiting(view, typing, message);
  view.atEnd(() => send.cancel());

  const send = debounce(() => {
    if (view.get("typed") === box.value) tell();
    else if (box.value) view.set("typed", box.value);
  }, 200);
  box.addEventListener("input", () => {
    stays.hidden = true;
    if (box.value) python.begin("Python is reading \u2026");
    else python.end("");
    send();
  });

  // The last text that Python could read, which may be an earlier version of what is in the box.
  function takeOwn() {
    const reading = view.get("own");
    own = reading.cells ? readText(reading) : null;
    tell();
    if (!view.get("own_shown")) return;
    if (own) view.set("at", own.T - 1);
    showText();
    if (own?.text === box.value) view.say(`Your text, coloured. ${summary()}`);
  }

  // What Python says to the text in the box, once it has.
  function tell() {
    const { text, error } = view.get("refused");
    const refused = text === box.value;
    if (!refused && own?.text !== box.value) return;
    if (refused) python.end(error, true);
    else python.end(`${whole(own.T)} of at most ${whole(LONGEST_TYPED)} characters`);
    stays.hidden = !refused;
  }

  function showText() {
    const isOwn = view.get("own_shown");
    const before = shown;
    shown = (isOwn && own) || given;
    typing.hidden = !isOwn;
    for (const tab of tabs) tab.button.setAttribute("aria-pressed", String(tab.isOwn === isOwn));
    if (before !== shown) {
      hovered = null;
      anchor = null;
      player.stop();
      hide.checked = false;
      view.set("spans", []);
    }
    const names = shown.features.map(({ name }) => name);
    featureBox.replaceChildren(
      make("option", { value: "" }, names.length ? "no feature" : "none known of this text"),
      ...names.map((name) => make("option", { value: name }, name)),
    );
    featureBox.value = feature()?.name ?? "";
    lookUp();
    layOut();
    paintCell();
    search();
    moveTo(at());
  }

  // ---- together ---------------------------------------------------------------------------------
  function paintLegend() {
    const track = feature();
    legend.replaceChildren(
      signedScale(limit, 2),
      make("span", {}, `cell ${cell()} goes from ${format(low)} to ${format(high)} here`),
      ...(track
        ? [
            make(
              "span",
              {},
              make("span", { class: `sample ${track.kind} keep`, "aria-hidden": "true" }),
              track.name,
            ),
          ]
        : []),
    );
  }

  // What changes with the colours.
  function paintValues() {
    scaleBox.checked = view.get("one_scale");
    lookUp();
    paintColours();
    paintLegend();
    paintStrip();
    paintReading();
    if (hasContexts) paintContexts();
  }

  function paintCell() {
    slider.value = number.value = cell();
    before.disabled = cell() === 0;
    after.disabled = cell() === given.C - 1;
    paintFacts();
    paintGateNote();
    paintValues();
    markChosen();
  }

  view.root.append(
    ...(view.get("title") ? [title] : []),
    ...(firsts.length ? [chips] : []),
    make(
      "div",
      { class: "row" },
      picker,
      make("span", { class: "push" }, labelled("one scale for all cells", scaleBox)),
    ),
    make(
      "div",
      { class: "desk" },
      make(
        "div",
        { class: "main" },
        ...(view.get("can_read")
          ? [
              make(
                "div",
                { class: "row tabs", role: "group", "aria-label": "Which text" },
                ...tabs.map(({ button }) => button),
                ...(canType ? [] : [kernelNotice("Your own text")]),
              ),
              typing,
            ]
          : []),
        facts,
        legend,
        page,
        strip,
        make(
          "div",
          { class: "row" },
          player.element,
          labelled("speed", speed),
          labelled("hide what comes", hide),
        ),
      ),
      make("div", { class: "rail" }, reading, finder),
    ),
    ...(hasContexts ? [corpus] : []),
  );
  if (view.get("own").cells) own = readText(view.get("own"));
  box.value = view.get("typed");
  tell();
  // Its height follows from the text, and asks for nothing.
  let measured = 0;
  const fit = new ResizeObserver(() => {
    if (page.clientWidth === measured) return;
    measured = page.clientWidth;
    layOut();
    paintStrip();
  });
  fit.observe(page);
  view.atEnd(() => fit.disconnect());
  keepGates();
  showText();

  view.watch("cell", paintCell);
  view.watch("one_scale", paintValues);
  view.watch("feature", () => {
    paintTrack();
    search();
  });
  view.watch("at", () => moveTo(at()));
  view.watch("spans", () => {
    paintSpans();
    search();
  });
  view.watch("own", takeOwn);
  view.watch("refused", tell);
  view.watch("typed", () => {
    box.value = view.get("typed");
  });
  view.watch("own_shown", showText);
  view.watch("gates_sent", () => {
    keepGates();
    paintGateNote();
    paintStrip();
    paintReading();
  });
}

export default widget("cell-explorer", "Cell explorer", drawExplorer);
