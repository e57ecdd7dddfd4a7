// Cell wiring. Python has read the equations, laid out each graph and found the additive roads;
// here two of them are drawn and compared.

const SIZES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
const SIDES = ["left", "right"];
const WIDE = 40; // an input, in pixels: its index is t−1
const NODE = 34; // any other node
const ARROW = 7;
const EXIT = 20; // what a state's line goes on behind the last node
const SHARE = 0.01;
// Powers of ten. The axis ends at one of these, so that it rarely jumps.
const LOW = [-4, -8, -12];
const K = ["k", ""];
const TITLE = [
  "Gradient of the last state with respect to the input ",
  K,
  " steps back, relative to ",
  K,
  " = 0",
];

const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
const key = (term) => JSON.stringify(term);

// Sentences and equations are texts and [letter, index] pairs: for the eye, and for the ear.
const written = (parts) => parts.map((part) => (typeof part === "string" ? part : symbol(...part)));
const saying = (parts) =>
  parts.map((part) => (typeof part === "string" ? part : part.join(" "))).join("");

// Name -> element, of what lights something up while it is pointed at or focused. Together they are
// one stop of the Tab key; arrow keys go from one to the next.
function lightUp(named, light) {
  const elements = [...named.values()];
  const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -100, End: 100 };
  let focused = null;
  [...named].forEach(([name, element], place) => {
    element.setAttribute("tabindex", place === 0 ? 0 : -1);
    element.addEventListener("pointerenter", () => light(name));
    element.addEventListener("pointerleave", () => light(focused));
    element.addEventListener("focus", () => {
      for (const other of elements) other.setAttribute("tabindex", other === element ? 0 : -1);
      light((focused = name));
    });
    element.addEventListener("blur", () => light((focused = null)));
    element.addEventListener("keydown", (event) => {
      if (!step[event.key]) return;
      event.preventDefault();
      elements[clamp(place + step[event.key], 0, elements.length - 1)].focus();
    });
  });
}

const half = (column) => (column === 0 ? WIDE : NODE) / 2;

// The smooth line of a route, level where it leaves, passes a column and arrives; and its end.
function trace(route, x, exit) {
  const [[column, height], ...rest] = route.points;
  let [fromX, fromY] = [x(column) + half(column), height];
  let d = `M${fromX} ${fromY}`;
  rest.forEach(([k, y], place) => {
    const ends = place === rest.length - 1;
    const to = ends && !route.target ? exit : x(k) - half(k) - (ends ? ARROW : 0);
    const bend = (fromX + to) / 2;
    d += `C${bend} ${fromY} ${bend} ${y} ${to} ${y}`;
    if (!ends) d += `H${x(k) + half(k)}`;
    [fromX, fromY] = [ends ? to : x(k) + half(k), y];
  });
  return { d, at: [fromX, fromY] };
}

// A matrix ends in a square, everything else in an arrow head.
function arrival({ matrix, target, road }, [x, y]) {
  if (!target) return null;
  if (matrix) return shape("rect", { class: "end", x, y: y - 3.5, width: 7, height: 7 });
  const head = road ? `M${x - 4} ${y - 7}l11 7l-11 7z` : `M${x} ${y - 4}l7 4l-7 4z`;
  return shape("path", { class: "end", d: head });
}

function drawWiring(view) {
  const cells = new Map();
  for (const cell of view.get("cells")) {
    const gradient = Array.from(unpack(cell.gradient).values);
    const logs = gradient.map((norm) => Math.log10(Math.max(norm, 1e-300)));
    cells.set(cell.name, { ...cell, gradient, logs });
  }
  const longest = Math.max(...[...cells.values()].map(({ logs }) => logs.length)) - 1;
  const chosen = (side) => cells.get(view.get(side));
  const both = () => SIDES.map((side) => ({ side, cell: chosen(side) }));

  // ---- one cell -------------------------------------------------------------------------------
  function makeSide(side) {
    const select = make(
      "select",
      {},
      ...[...cells.keys()].map((name) => make("option", { value: name }, name)),
    );
    select.addEventListener("change", () => {
      view.set(side, select.value);
      show();
      view.say(`${select.value}: ${differences.textContent} ${verdict.textContent}`);
    });
    const differences = make("p", { class: "differences small" });
    const equations = make("ol", { class: "equations", role: "listbox" });
    const diagram = shape("svg", { class: "diagram keep", role: "group" });
    const sheet = make("div", { class: "sheet" }, diagram);
    const verdict = make("p", { class: "road-verdict" });
    const reading = make("p", { class: "reading small" });
    const element = make(
      "div",
      { class: `side ${side}`, role: "group", "aria-label": `${side} side` },
      make("p", { class: "row head" }, labelled(`${side} cell`, select)),
      make("div", { class: "lines" }, differences, equations),
      sheet,
      make("div", { class: "below" }, verdict, reading),
    );
    let width = 440;
    // Name -> element, and each route with its own.
    let lines = new Map();
    let nodes = new Map();
    let routes = [];

    function paintEquations() {
      const cell = chosen(side);
      const other = chosen(SIDES[1 - SIDES.indexOf(side)]);
      const same = new Set(other.lines.map(({ terms }) => key(terms)));
      const differ = cell.lines.filter(({ terms }) => !same.has(key(terms)));
      const item = (line) => {
        const mark = differ.includes(line);
        const form = other.lines.find(({ name }) => name === line.name)?.terms ?? [];
        const known = new Set(form.map(key));
        const shared = line.terms.some((term) => known.has(key(term)));
        // Of a line that the other cell has in another form, what is new.
        const isFresh = (term) => mark && shared && !known.has(key(term));
        return make(
          "li",
          {
            role: "option",
            "aria-label": line.text + (mark ? `, not in ${other.name}` : ""),
            class: mark ? "differs" : null,
          },
          make("span", { class: "mark" }, mark ? "≠" : ""),
          make(
            "span",
            { class: "equation" },
            ...line.terms.flatMap((term) => [
              make("span", { class: isFresh(term) ? "term fresh" : "term" }, ...written(term)),
              " ",
            ]),
          ),
        );
      };
      lines = new Map(cell.lines.map((line) => [line.name, item(line)]));
      equations.replaceChildren(...lines.values());
      equations.setAttribute("aria-label", `Equations of ${cell.name}`);
      equations.classList.toggle("many", cell.lines.length > 8);
      const all = counted(cell.lines.length, "equation");
      differences.replaceChildren(
        make("span", { class: "mark" }, differ.length ? "≠ " : ""),
        differ.length
          ? `${differ.length} of ${all} not in ${other.name}`
          : `${all}, all in ${other.name}`,
      );
      lightUp(lines, light);
    }

    function paintDiagram() {
      const cell = chosen(side);
      const { gaps } = cell;
      const room = Math.min(100, (width - WIDE - EXIT) / gaps.length - NODE);
      const start = (width - EXIT - WIDE - (room + NODE) * gaps.length) / 2 + WIDE / 2;
      const xs = gaps.reduce(
        (all, gap, k) => [...all, all[k] + half(k) + gap * room + NODE / 2],
        [start],
      );
      const x = (column) => xs[column];
      const exit = xs[gaps.length] + NODE / 2 + EXIT;
      diagram.setAttribute("viewBox", `0 -2 ${width} ${cell.height + 4}`);
      diagram.setAttribute("width", width);
      diagram.setAttribute("height", cell.height + 4);
      diagram.setAttribute("aria-label", `Wiring of ${cell.name}. ${saying(cell.verdict)}`);
      // Roads lie on top of the other lines, nodes on all of them.
      const ordered = [...cell.routes].sort((a, b) => a.road - b.road || b.matrix - a.matrix);
      routes = ordered.map((route) => ({ ...route, element: drawRoute(route, x, exit) }));
      nodes = new Map(cell.nodes.map((node) => [node.name, drawNode(node, x(node.column))]));
      diagram.replaceChildren(...routes.map(({ element }) => element), ...nodes.values());
      lightUp(nodes, light);
    }

    function drawRoute(route, x, exit) {
      const { d, at } = trace(route, x, exit);
      const kind = route.matrix ? "matrix" : route.open ? "open" : "squashed";
      return shape(
        "g",
        {
          class: `route ${kind}${route.road ? " road" : ""}${route.target ? "" : " exit"}`,
          "data-from": route.source,
          "data-to": route.target,
        },
        shape("path", { class: "way", d }),
        arrival(route, at),
      );
    }

    function drawNode(node, x) {
      const [letter, index] = node.letters;
      return shape(
        "g",
        { class: `node ${node.kind}`, role: "img", "aria-label": saying(node.says) },
        shape("rect", {
          x: x - half(node.column),
          y: node.top,
          width: 2 * half(node.column),
          height: node.tall,
          rx: node.kind === "inner" ? 13 : 4,
        }),
        words(
          "name",
          x,
          node.top + node.tall / 2 + 4,
          "middle",
          italic(letter),
          shape("tspan", { class: "script", dy: 3 }, index),
        ),
      );
    }

    // One equation with its node and what flows into it; or an input and where it flows.
    function light(name) {
      const node = chosen(side).nodes.find((one) => one.name === name);
      const given = node?.kind === "input";
      const lit = routes.filter(({ source, target }) => node && name === (given ? source : target));
      const touched = new Set([name, ...lit.flatMap(({ source, target }) => [source, target])]);
      element.classList.toggle("lighting", Boolean(node));
      for (const route of routes) route.element.classList.toggle("lit", lit.includes(route));
      for (const [one, drawn] of nodes) drawn.classList.toggle("lit", touched.has(one));
      for (const [one, line] of lines) {
        const chosen = given ? touched.has(one) : one === name;
        line.classList.toggle("lit", chosen);
        line.setAttribute("aria-selected", String(chosen));
      }
      const hint = make(
        "span",
        { class: "quiet" },
        "Point at an equation or a node, or use the keys.",
      );
      reading.replaceChildren(...(node ? written(node.says) : [hint]));
    }

    return {
      element,
      sheet,
      paint() {
        const cell = chosen(side);
        select.value = cell.name;
        const [what, ...rest] = written(cell.verdict);
        verdict.replaceChildren(make("b", {}, what), ...rest);
        paintEquations();
        paintDiagram();
        light(null);
      },
      fit() {
        width = Math.max(240, sheet.clientWidth);
        paintDiagram();
        light(null);
      },
    };
  }
  const sides = SIDES.map(makeSide);

  // ---- how many weights -----------------------------------------------------------------------
  const size = make("input", { type: "range", min: 0, max: SIZES.length - 1, step: 1 });
  size.addEventListener("input", () => {
    view.set("hidden_size", SIZES[size.value]);
    paintCounts();
    view.say(ratio.textContent);
  });
  const sizeText = make("output", { class: "mono size" });
  const field = labelled("Hidden units H", size);
  field.classList.add("units");
  field.append(sizeText);
  const ratio = make("p", { class: "ratio" });
  const counts = make("dl", { class: "counts" });

  function paintCounts() {
    const H = view.get("hidden_size");
    const nearest = SIZES.reduce((best, one) =>
      Math.abs(Math.log(one / H)) < Math.abs(Math.log(best / H)) ? one : best,
    );
    size.value = SIZES.indexOf(nearest);
    size.setAttribute("aria-valuetext", String(H));
    sizeText.textContent = H;
    const count = ({ squares, vectors }) => squares * H ** 2 + vectors * H;
    const [left, right] = SIDES.map((side) => count(chosen(side)));
    counts.replaceChildren(
      ...both().map(({ side, cell }) =>
        make(
          "div",
          { class: side },
          make("dt", {}, cell.name),
          make(
            "dd",
            {},
            make("b", { "data-value": count(cell) }, count(cell).toLocaleString("en-US")),
            make("span", { class: "small quiet" }, ...written(cell.formula)),
            make("span", {
              class: "bar keep",
              style: `width: ${(100 * count(cell)) / Math.max(left, right)}%`,
            }),
          ),
        ),
      ),
    );
    const share = right / left;
    const nearOne = share.toFixed(2) === "1.00";
    const digits = nearOne || share < 0.095 ? share.toPrecision(nearOne ? 4 : 1) : share.toFixed(2);
    const name = (side) => make("span", { class: `${side} cell-name` }, view.get(side));
    ratio.replaceChildren(
      ...(share === 1
        ? ["Both have the same number of weights."]
        : [
            name("right"),
            " has ",
            make("b", { "data-value": share }, digits),
            ` ${share < 1 ? "of" : "times"} the weights of `,
            name("left"),
            ".",
          ]),
    );
  }

  // ---- how far a gradient reaches ---------------------------------------------------------------
  const TOP = 12,
    TALL = 190,
    BOTTOM = TOP + TALL,
    HEIGHT = BOTTOM + 40,
    LEFT = 52,
    RIGHT = 16;
  let width = 720;
  let low = LOW[0];
  let high = 0;
  const x = (k) => LEFT + (k / longest) * (width - LEFT - RIGHT);
  const y = (log) => TOP + (TALL * (high - log)) / (high - low);
  const dot = (side, k, log) =>
    shape("circle", { class: `dot ${side}`, cx: x(k), cy: y(log), r: 4.5 });

  const clip = freshId();
  const frame = shape("rect", { x: LEFT, y: TOP - 3, height: TALL + 3 });
  const lines = shape("g");
  const cursor = shape("g", { "aria-hidden": "true" });
  const plot = shape("svg", {
    class: "plot keep",
    height: HEIGHT,
    tabindex: 0,
    role: "slider",
    "aria-label": "Steps back to read",
    "aria-valuemin": 0,
    "aria-valuemax": longest,
  });
  plot.append(shape("defs", {}, shape("clipPath", { id: clip }, frame)), lines, cursor);
  const facts = make("div", { class: "facts" });
  const values = make("p", { class: "reading values" });
  const plotSheet = make("div", { class: "sheet" }, plot);

  function paintPlot() {
    const all = both().flatMap(({ cell }) => cell.logs);
    low = LOW.find((end) => Math.min(...all) >= end) ?? LOW[LOW.length - 1];
    high = Math.max(0, Math.ceil(Math.max(...all)));
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    frame.setAttribute("width", width - LEFT - RIGHT + 3);
    const hop = Math.ceil((high - low) / 7);
    const steps = [1, 2, 5, 10, 20, 50, 100, 200].find((step) => x(step) - x(0) > 36) ?? 500;
    const percent = y(Math.log10(SHARE));
    const parts = [
      words("tick", width - RIGHT, percent - 4, "end", "1 %"),
      words("title", (LEFT + width - RIGHT) / 2, BOTTOM + 34, "middle", "steps back"),
    ];
    for (let log = Math.ceil(low / hop) * hop; log <= high; log += hop)
      parts.push(
        line(LEFT, y(log), width - RIGHT, y(log), { stroke: log === 0 ? "#97a3ad" : "#e9edf0" }),
        words("tick", LEFT - 8, y(log) + 4, "end", power(log)),
      );
    parts.push(line(LEFT, percent, width - RIGHT, percent, { class: "share" }));
    for (let k = 0; k <= longest; k += steps)
      parts.push(words("tick", x(k), BOTTOM + 16, "middle", String(k)));
    for (const { side, cell } of both()) {
      // Far below, a coordinate would only be long.
      const points = cell.logs.map(
        (log, k) => `${x(k).toFixed(1)},${Math.min(y(log), 999).toFixed(1)}`,
      );
      const style = { class: `curve ${side}`, "clip-path": `url(#${clip})` };
      parts.push(shape("polyline", { ...style, points: points.join(" ") }));
      if (cell.logs[cell.reach] >= low) parts.push(dot(side, cell.reach, cell.logs[cell.reach]));
    }
    lines.replaceChildren(...parts);
    facts.replaceChildren(...both().map(paintFact));
    paintCursor();
  }

  function paintFact({ side, cell: { name, reach, logs } }) {
    const under = logs.findIndex((log) => log < low);
    const curve = line(1, 5, 27, 5, { class: `curve ${side}` });
    const sample = { class: "sample keep", width: 28, height: 10, "aria-hidden": "true" };
    return make(
      "p",
      { class: side },
      shape("svg", sample, curve),
      make("span", { class: "cell-name" }, name),
      reach === null ? " keeps above 1 % for all " : " falls to 1 % after ",
      make("b", { "data-value": reach }, counted(reach ?? logs.length - 1, "step")),
      make("span", { class: "quiet" }, under < 0 ? "" : `, below 10${raised(low)} from ${under}`),
    );
  }

  let pointed = null;
  function paintCursor() {
    plot.setAttribute("aria-valuenow", pointed ?? 0);
    if (pointed === null) {
      plot.setAttribute("aria-valuetext", "none chosen");
      const hint = "Point at a step, or focus the plot: ← and →.";
      values.replaceChildren(make("span", { class: "quiet" }, hint));
      return;
    }
    const read = both().map(({ side, cell: { name, gradient, logs } }) => {
      const [norm, log] = [gradient[pointed], logs[pointed]];
      const small = log < low ? `below 10${raised(low)}` : norm && scientific(norm);
      return { side, name, norm, log, text: small ?? "not measured" };
    });
    cursor.replaceChildren(
      line(x(pointed), TOP, x(pointed), BOTTOM, { stroke: COLOURS.target }),
      ...read.filter(({ log }) => log >= low).map(({ side, log }) => dot(side, pointed, log)),
    );
    const said = `${counted(pointed, "step")} back: `;
    const each = read.map(({ name, text }) => `${name} ${text}`);
    plot.setAttribute("aria-valuetext", said + each.join(", "));
    values.replaceChildren(
      said,
      ...read.flatMap(({ side, name, norm, text }, k) => [
        k ? ", " : "",
        make("span", { class: `${side} cell-name` }, name),
        " ",
        make("b", { "data-value": norm }, text),
      ]),
    );
  }
  readByPlace(plot, {
    at: (pixels) => Math.round(((pixels - LEFT) / (width - LEFT - RIGHT)) * longest),
    current: () => pointed,
    first: () => 0,
    longest,
    read(k) {
      pointed = clamp(k, 0, longest);
      paintCursor();
    },
  });

  // ---- together -------------------------------------------------------------------------------
  function sample(kind, text) {
    const route = { matrix: kind === "matrix", target: kind !== "exit", road: kind === "road" };
    const way = shape("path", { class: "way", d: "M0 8H36" });
    const drawn = shape("g", { class: `route ${kind}` }, way, arrival(route, [36, 8]));
    const size = { class: "keep", width: 44, height: 16, "aria-hidden": "true" };
    return make("span", { class: "field" }, shape("svg", size, drawn), text);
  }
  const legend = make(
    "p",
    { class: "legend" },
    sample("matrix", "through a matrix"),
    sample("open", "element by element"),
    sample("squashed", "the same, inside σ, tanh or relu"),
    sample("road", "additive road"),
    sample("exit", "state goes on to the next step"),
  );

  function show() {
    const began = performance.now();
    for (const side of sides) side.paint();
    paintCounts();
    paintPlot();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  view.root.append(
    make("div", { class: "pair" }, ...sides.map(({ element }) => element)),
    legend,
    make(
      "div",
      { class: "under" },
      make("div", { class: "results" }, field, counts, ratio),
      make("div", { class: "drawing" }, make("p", {}, ...written(TITLE)), facts, plotSheet, values),
    ),
  );
  const fit = new ResizeObserver(() => {
    width = Math.max(280, plotSheet.clientWidth);
    paintPlot();
    for (const side of sides) side.fit();
  });
  fit.observe(plotSheet);
  view.atEnd(() => fit.disconnect());
  show();
  for (const name of [...SIDES, "hidden_size"]) view.watch(name, show);
}

export default widget("cell-wiring", "Two recurrent cells side by side", drawWiring);
