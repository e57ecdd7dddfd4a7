// The pixel film. Python sends finished images and the distribution of each pixel that was drawn;
// only to complete a drawing is it asked again.

const SIDE_BY_SIDE = 4;
const WHOLE_FILM = 8000; // milliseconds
const CELL = 20; // units of a drawing per pixel
const HOLD = [-0.15, 0.6]; // from above to below the line, in pixels: there it can be taken hold of
const BARS = { height: 210, left: 36, right: 4, top: 22, bottom: 34, widest: 56 };
const PAPER = [
  [255, 255, 255],
  [31, 36, 41],
];

const bits = (p) => -Math.log2(p);
const levelsOf = (packed) => Uint8Array.from(unpack(packed).values, Math.round);

// An image of all of `levels`, then the next one, each of P pixels.
function split(levels, P) {
  return Array.from({ length: levels.length / P }, (_, k) => levels.subarray(k * P, (k + 1) * P));
}

// What Python sent of images that were drawn, one run each: its levels, and of its last N pixels
// the distributions p, the cost and the entropy in bits, and the uniform number if it is known.
function readRuns({ images, p: packed, uniforms }) {
  const {
    shape: [B, N, K],
    values: p,
  } = unpack(packed);
  const all = levelsOf(images);
  const P = all.length / B;
  const numbers = uniforms && unpack(uniforms).values;
  return split(all, P).map((levels, b) => {
    const run = { levels, N, first: P - N, p: [], bits: [], entropy: [], so_far: [0] };
    for (let n = 0; n < N; n++) {
      const start = (b * N + n) * K;
      const now = p.subarray(start, start + K);
      run.p.push(now);
      run.bits.push(bits(now[levels[run.first + n]]));
      run.entropy.push(now.reduce((sum, share) => sum + (share > 0 ? share * bits(share) : 0), 0));
      run.so_far.push(run.so_far[n] + run.bits[n]);
    }
    run.u = numbers ? numbers.subarray(b * N, (b + 1) * N) : null;
    return run;
  });
}

function drawFilm(view) {
  const [B, H, W] = view.get("samples").images.shape;
  const P = H * W;
  const K = view.get("samples").p.shape[2];
  const most = Math.log2(K); // what a pixel costs whoever knows nothing
  const runs = readRuns(view.get("samples"));
  const real = view.get("real").data ? split(levelsOf(view.get("real")), P) : [];
  const grey = (level) => mix(PAPER, level / (K - 1));
  const place = (pixel) => `(${Math.floor(pixel / W)}, ${pixel % W})`;

  // ---- what both views draw with ----------------------------------------------------------------
  function makeGrid(name, attributes) {
    const svg = shape("svg", {
      class: `grid keep ${name}`,
      viewBox: `0 0 ${W * CELL} ${H * CELL}`,
      tabindex: 0,
      ...attributes,
    });
    const squares = Array.from({ length: P }, (_, pixel) =>
      shape("rect", {
        class: "square",
        x: (pixel % W) * CELL,
        y: Math.floor(pixel / W) * CELL,
        width: CELL,
        height: CELL,
      }),
    );
    const frames = ["halo", "outline"].map((frame) =>
      shape("rect", { class: frame, width: CELL, height: CELL }),
    );
    svg.append(...squares, ...frames);
    return {
      svg,
      squares,
      frame(pixel) {
        for (const frame of frames) {
          frame.setAttribute("x", (pixel % W) * CELL);
          frame.setAttribute("y", Math.floor(pixel / W) * CELL);
        }
      },
      // Row and column under the pointer, with fractions.
      at(event) {
        const box = svg.getBoundingClientRect();
        return [
          (H * (event.clientY - box.top)) / box.height,
          (W * (event.clientX - box.left)) / box.width,
        ];
      },
    };
  }

  // One dot of a canvas per pixel; where `known` is given and 0, the hatching behind shows.
  function thumb(levels, label, known) {
    const canvas = make("canvas", { width: W, height: H, role: "img", "aria-label": label });
    const context = canvas.getContext("2d");
    levels.forEach((level, pixel) => {
      if (known && !known[pixel]) return;
      context.fillStyle = grey(level);
      context.fillRect(pixel % W, Math.floor(pixel / W), 1, 1);
    });
    return canvas;
  }

  const shelf = (heading, content) =>
    make("div", { class: "shelf" }, make("p", { class: "small quiet" }, heading), content);

  // ---- the film ---------------------------------------------------------------------------------
  const own = () => {
    const { run } = view.get("completed");
    return run ? readRuns(run)[0] : null;
  };
  let ownRun = own();
  const all = () => (ownRun ? [...runs, ownRun] : runs);
  const run = () => all()[clamp(view.get("chosen"), 0, all().length - 1)];
  const step = () => clamp(view.get("step"), 1, run().N);
  const current = () => run().first + step() - 1;

  const film = makeGrid("film", {
    role: "slider",
    "aria-label": "The image, pixel by pixel",
    "aria-valuemin": 1,
  });
  const go = (by) => {
    const next = step() + by;
    if (next < 1 || next > run().N) return false;
    moveTo(next);
    return true;
  };
  const moves = transport(view, {
    go,
    interval: clamp(WHOLE_FILM / P, 20, 160),
    restart: () => moveTo(1),
    unit: "pixel",
  });
  const scrub = make("input", { type: "range", min: 1, step: 1 });
  scrub.addEventListener("input", () => {
    moves.stop();
    moveTo(Number(scrub.value));
  });
  const unsureBox = make("input", { type: "checkbox" });
  unsureBox.addEventListener("change", () => {
    view.set("unsure", unsureBox.checked);
    paintFilm();
    view.say(filmLegend.textContent);
  });

  function moveTo(next) {
    view.set("step", clamp(next, 1, run().N));
    paintFilm();
    view.say(summary());
  }

  function choose(index) {
    moves.stop();
    view.set("chosen", index);
    view.set("step", step());
    paintFilm();
    view.say(`${nameOf(index)}. ${summary()}`);
  }

  const FILM_KEYS = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -W,
    ArrowDown: W,
    PageUp: -W,
    PageDown: W,
    Home: -P,
    End: P,
  };
  film.svg.addEventListener("keydown", (event) => {
    const by = FILM_KEYS[event.key];
    if (!by) return;
    event.preventDefault();
    moves.stop();
    moveTo(step() + by);
  });
  film.svg.addEventListener("click", (event) => {
    const [row, column] = film.at(event).map(Math.floor);
    moves.stop();
    moveTo(row * W + clamp(column, 0, W - 1) - run().first + 1);
  });

  const caption = make("p", { class: "caption" });
  const facts = make("dl", { class: "facts" });
  const chart = shape("svg", { class: "chart keep", height: BARS.height, role: "img" });
  const dice = make("div", { class: "dice" });
  const filmLegend = make("p", { class: "legend" });
  const choices = make("div", { class: "choices", role: "group", "aria-label": "Which sample" });

  const summary = () => {
    const n = step() - 1;
    const { levels, p, entropy } = run();
    const level = levels[current()];
    return (
      `pixel ${place(current())}, ${step()} of ${run().N}: level ${level} drawn, ` +
      `p ${format(p[n][level])}, entropy ${format(entropy[n])} bits, ` +
      `${format(run().so_far[step()], 1)} bits so far`
    );
  };

  function paintFilm() {
    const began = performance.now();
    const { levels, first, entropy, N } = run();
    const unsure = view.get("unsure");
    film.squares.forEach((square, pixel) => {
      const drawn = pixel <= current();
      const asMap = unsure && pixel >= first;
      square.setAttribute(
        "fill",
        !drawn ? "none" : asMap ? sizeColour(entropy[pixel - first] / most) : grey(levels[pixel]),
      );
    });
    film.frame(current());
    film.svg.setAttribute("aria-valuemax", N);
    film.svg.setAttribute("aria-valuenow", step());
    film.svg.setAttribute("aria-valuetext", summary());
    scrub.max = N;
    scrub.value = step();
    scrub.setAttribute("aria-valuetext", `pixel ${step()} of ${N}`);
    unsureBox.checked = unsure;
    paintLegend();
    paintBars();
    paintFacts();
    paintChoices();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  const sample = (kind, text) =>
    make("span", {}, make("span", { class: `swatch keep ${kind}` }), text);
  function ramp(colours, from, to) {
    const style = `background: linear-gradient(90deg, ${colours.join(", ")})`;
    const bar = make("span", { class: "scale-bar keep", style });
    return make("span", { class: "scale" }, from, bar, to);
  }
  function paintLegend() {
    const unsure = view.get("unsure");
    if (filmLegend.dataset.unsure === String(unsure)) return;
    filmLegend.dataset.unsure = unsure;
    filmLegend.replaceChildren(
      unsure
        ? ramp([0, 0.5, 1].map(sizeColour), "entropy 0", `${format(most)} bits`)
        : ramp([0, K - 1].map(grey), "paper 0", `${K - 1} ink`),
      sample("later", "not drawn yet"),
    );
  }

  // ---- the distribution -------------------------------------------------------------------------
  function paintBars() {
    const p = run().p[step() - 1];
    const level = run().levels[current()];
    const wide = Math.max(chart.clientWidth, 200);
    const slot = Math.min((wide - BARS.left - BARS.right) / K, BARS.widest);
    const floor = BARS.height - BARS.bottom;
    const top = [0.25, 0.5, 1].find((end) => Math.max(...p) <= end) ?? 1;
    const x = (k) => BARS.left + (k + 0.5) * slot;
    const y = (share) => floor - ((floor - BARS.top) * share) / top;
    const apart = Math.ceil(22 / slot); // so many levels are from one label to the next
    const column = (k, above, tall, attributes) =>
      shape("rect", {
        x: x(k) - 0.4 * slot,
        y: above,
        width: 0.8 * slot,
        height: tall,
        ...attributes,
      });
    chart.replaceChildren(
      ...[0, top / 2, top].flatMap((share) => [
        line(BARS.left, y(share), wide - BARS.right, y(share), { class: "rule" }),
        words("tick", BARS.left - 6, y(share) + 4, "end", String(share)),
      ]),
      ...Array.from(p, (share, k) =>
        column(k, y(share), floor - y(share), {
          class: k === level ? "bar drawn" : "bar",
          "data-p": share,
        }),
      ),
      ...Array.from(p, (_, k) => column(k, floor + 4, 10, { class: "level", fill: grey(k) })),
      ...Array.from(p, (_, k) =>
        k % apart ? "" : words("tick", x(k), floor + 27, "middle", String(k)),
      ),
      words(
        "drawn-word",
        clamp(x(level), BARS.left + 30, wide - 36),
        y(p[level]) - 6,
        "middle",
        `drawn: ${level}`,
      ),
    );
    chart.setAttribute(
      "aria-label",
      `What the model expects of pixel ${place(current())}: ` +
        Array.from(p, (share, k) => `level ${k} ${format(share)}`).join(", "),
    );
    caption.replaceChildren(
      make("b", {}, `Pixel ${place(current())}`),
      `: level ${level} was drawn, p = ${format(p[level], p[level] < 0.1 ? 3 : 2)}`,
    );
    paintDice(p, level);
  }

  // [0, 1) cut into the shares of the levels, and the random number that fell into one of them.
  function paintDice(p, level) {
    dice.hidden = !run().u;
    if (dice.hidden) return;
    const u = run().u[step() - 1];
    dice.replaceChildren(
      make("span", { class: "small quiet" }, "random number ", make("b", {}, format(u, 3))),
      make(
        "span",
        { class: "shares keep", "aria-hidden": "true" },
        ...Array.from(p, (share, k) =>
          make("span", {
            class: k === level ? "share drawn" : "share",
            style: `flex-grow: ${share}; background: ${grey(k)}`,
          }),
        ),
        make("span", { class: "needle", style: `left: ${100 * u}%` }),
      ),
      make("span", { class: "small quiet" }, `falls into the share of level ${level}`),
    );
  }

  function paintFacts() {
    const n = step();
    const { so_far, entropy, bits: costs } = run();
    const entry = (term, value, detail, exact) => [
      make("dt", {}, term),
      make(
        "dd",
        {},
        make("b", { "data-value": exact }, value),
        make("span", { class: "quiet" }, ` ${detail}`),
      ),
    ];
    const nats = format(so_far[n] * Math.LN2, 1);
    facts.replaceChildren(
      ...entry("forward passes", `${n}`, `of ${run().N}, one per pixel`, n),
      ...entry("cost so far", `${format(so_far[n], 1)} bits`, `= ${nats} nats`, so_far[n]),
      ...entry(
        "per pixel",
        `${format(so_far[n] / n)} bits`,
        `knowing nothing ${format(most)}`,
        so_far[n] / n,
      ),
      ...entry(
        "this pixel",
        `${format(costs[n - 1])} bits`,
        `entropy ${format(entropy[n - 1])}`,
        entropy[n - 1],
      ),
    );
  }

  const nameOf = (index) => (index < B ? `Sample ${index + 1}` : "Your completion");
  let listed = null; // the runs that have buttons
  function paintChoices() {
    if (listed !== ownRun || !choices.firstChild) {
      listed = ownRun;
      choices.replaceChildren(
        ...all().map(({ levels, so_far, N }, index) =>
          make(
            "button",
            { type: "button", class: "choice", onclick: () => choose(index) },
            thumb(levels, nameOf(index)),
            make(
              "span",
              { class: "small" },
              `${index < B ? "" : "yours: "}${format(so_far[N], 0)} bits`,
            ),
          ),
        ),
      );
    }
    const chosen = all().indexOf(run());
    [...choices.children].forEach((button, index) =>
      button.setAttribute("aria-pressed", String(index === chosen)),
    );
  }

  const realThumbs = () => real.map((levels, k) => thumb(levels, `Real image ${k + 1}`));
  const filmView = make(
    "div",
    { class: "view" },
    make(
      "div",
      { class: "row" },
      moves.element,
      make("span", { class: "field grow" }, ...labelled("Pixel", scrub).childNodes),
      labelled("where is it unsure?", unsureBox),
    ),
    make(
      "div",
      { class: "desk" },
      make("div", { class: "side" }, film.svg, filmLegend),
      make("div", { class: "main" }, caption, chart, dice, facts),
    ),
    make(
      "div",
      { class: "shelves" },
      shelf("Samples", choices),
      real.length
        ? shelf("Real images, to compare", make("div", { class: "choices" }, ...realThumbs()))
        : null,
    ),
  );

  // ---- the drawing ------------------------------------------------------------------------------
  const canDraw = view.get("can_complete") && view.hasKernel;
  const tools = [
    { name: "paper", level: 0 },
    ...(K > 2 ? [{ name: "grey", level: Math.round((K - 1) / 2) }] : []),
    { name: "ink", level: K - 1 },
  ];
  let tool = tools[tools.length - 1];
  let drawing = [...view.get("board").levels];
  let rows = view.get("board").rows;
  let cursor = 0;
  let stroke = ""; // what the pointer does while it is down: "draw", "edge" or nothing

  const board = makeGrid("board", {
    role: "application",
    "aria-label":
      "Drawing board: arrow keys move, space draws, digits choose the pencil. " +
      "The model completes everything below the line.",
  });
  const edge = line(0, 0, W * CELL, 0, { class: "edge" });
  const handle = shape("path", { class: "handle", d: "M-5 -7h10l6 7l-6 7h-10z" });
  board.svg.append(edge, handle);

  const toolButtons = tools.map((one, k) =>
    make(
      "button",
      {
        type: "button",
        class: "tool",
        onclick: () => {
          tool = one;
          paintTools();
        },
        title: `Key ${k + 1}`,
      },
      make("span", { class: "swatch keep", style: `background: ${grey(one.level)}` }),
      one.name,
    ),
  );
  function paintTools() {
    toolButtons.forEach((button, k) =>
      button.setAttribute("aria-pressed", String(tools[k] === tool)),
    );
  }

  const edgeSlider = make("input", { type: "range", min: 0, max: H - 1, step: 1 });
  const edgeText = make("output", {});
  edgeSlider.addEventListener("input", () => {
    moveEdge(Number(edgeSlider.value));
    ask();
  });
  const edgeField = labelled("Rows that stay", edgeSlider);
  edgeField.append(edgeText);
  const button = (text, onclick) => make("button", { type: "button", onclick }, text);
  const startFrom = (levels) => {
    drawing = [...levels];
    paintBoard();
    ask();
  };

  function moveEdge(wanted) {
    rows = clamp(wanted, 0, H - 1);
    paintBoard();
  }

  function pencil(pixel) {
    cursor = pixel;
    drawing[pixel] = tool.level;
    paintBoard();
    view.say(`${place(pixel)}: ${tool.name}`);
  }

  function paintBoard() {
    board.squares.forEach((square, pixel) =>
      square.setAttribute("fill", pixel < rows * W ? grey(drawing[pixel]) : "none"),
    );
    cursor = clamp(cursor, 0, Math.max(rows * W - 1, 0));
    board.frame(cursor);
    for (const coordinate of ["y1", "y2"]) edge.setAttribute(coordinate, rows * CELL);
    handle.setAttribute("transform", `translate(0 ${rows * CELL})`);
    edgeSlider.value = rows;
    edgeText.textContent = `${rows} of ${H}`;
    edgeSlider.setAttribute("aria-valuetext", `${rows} of ${H} rows stay`);
  }

  const atEdge = (event) => {
    const below = board.at(event)[0] - rows;
    return HOLD[0] < below && below < HOLD[1];
  };
  board.svg.addEventListener("pointerdown", (event) => {
    stroke = atEdge(event) ? "edge" : "draw";
    board.svg.setPointerCapture(event.pointerId);
    if (stroke === "draw") drag(event);
  });
  board.svg.addEventListener("pointermove", (event) => {
    board.svg.classList.toggle("at-edge", stroke === "edge" || (!stroke && atEdge(event)));
    if (stroke) drag(event);
  });
  const lift = () => {
    if (stroke) ask();
    stroke = "";
  };
  board.svg.addEventListener("pointerup", lift);
  board.svg.addEventListener("pointercancel", lift);

  function drag(event) {
    const [row, column] = board.at(event);
    if (stroke === "edge") moveEdge(Math.round(row));
    else if (row >= 0 && row < rows && column >= 0 && column < W)
      pencil(Math.floor(row) * W + Math.floor(column));
  }

  const BOARD_KEYS = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
  };
  board.svg.addEventListener("keydown", (event) => {
    const by = BOARD_KEYS[event.key];
    const wanted = tools[Number(event.key) - 1];
    if (by && rows) {
      const row = clamp(Math.floor(cursor / W) + by[0], 0, rows - 1);
      cursor = row * W + clamp((cursor % W) + by[1], 0, W - 1);
      paintBoard();
      view.say(`${place(cursor)}: level ${drawing[cursor]}`);
    } else if (event.key === " " && rows) {
      pencil(cursor);
      ask();
    } else if (wanted) {
      tool = wanted;
      paintTools();
      view.say(`pencil: ${tool.name}`);
    } else return;
    event.preventDefault();
  });

  // ---- what the model makes of it ---------------------------------------------------------------
  const message = make("p", { class: "small message" });
  const results = make("div", { class: "results" });
  const watch = button("Watch the first one grow", () => {
    view.set("completing", false);
    paintMode();
    choose(B);
    moveTo(1);
  });
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const wait = () => python.begin("The model is drawing \u2026");

  function ask(seed = view.get("board").seed) {
    const next = { levels: [...drawing], rows, seed };
    if (same(next, view.get("board"))) return;
    wait();
    view.set("board", next);
  }

  // Python's answer; answers to earlier drawings are let go.
  function takeCompletion() {
    const answer = view.get("completed");
    if (!answer.board || !same(answer.board, view.get("board"))) return;
    python.end(answer.error ?? "", Boolean(answer.error));
    ownRun = own();
    watch.disabled = !ownRun;
    if (!answer.error) {
      paintResults(answer);
      view.say(`${SIDE_BY_SIDE} completions of your drawing`);
    }
    paintFilm();
  }

  function completions(images, known) {
    return split(images, P).map((levels, k) => {
      const share = known.lastIndexOf(1) + 1;
      const picture = thumb(levels, `Completion ${k + 1}`);
      const cut = make("span", { class: "cut", style: `top: ${(100 * share) / P}%` });
      return make("span", { class: "result" }, picture, share % W === 0 ? cut : null);
    });
  }

  const keptRows = (count) => Array.from({ length: P }, (_, pixel) => Number(pixel < count * W));
  function paintResults({ images, board: { rows: kept } }) {
    results.replaceChildren(...completions(levelsOf(images), keptRows(kept)));
  }

  function exampleRow({ levels, known, images }, k) {
    return make(
      "div",
      { class: "example" },
      thumb(levels, `What was given, example ${k + 1}`, known),
      make("span", { class: "leads", "aria-hidden": "true" }, "\u2192"),
      make("div", { class: "results" }, ...completions(images, known)),
    );
  }

  function examples() {
    const given = view.get("examples").map(({ levels, known, images }) => ({
      levels: levelsOf(levels),
      known: [...levelsOf(known)],
      images: levelsOf(images),
    }));
    const { board: asked, images } = view.get("completed");
    if (!images) return given;
    const mine = { levels: asked.levels, known: keptRows(asked.rows), images: levelsOf(images) };
    return [mine, ...given];
  }

  const starts = realThumbs().map((picture, k) =>
    make(
      "button",
      { type: "button", class: "choice", onclick: () => startFrom(real[k]) },
      picture,
    ),
  );
  const shown = canDraw ? [] : examples();
  const desk = [
    make(
      "div",
      { class: "row" },
      make("span", { class: "tools", role: "group", "aria-label": "Pencil" }, ...toolButtons),
      edgeField,
      make(
        "span",
        { class: "tools" },
        button("Blank", () => startFrom(drawing.map(() => 0))),
        button("Other random numbers", () => ask(view.get("board").seed + 1)),
      ),
    ),
    make(
      "div",
      { class: "desk drawing-desk" },
      make(
        "div",
        { class: "side" },
        board.svg,
        make("p", { class: "small quiet" }, "The model completes everything below the line."),
      ),
      make("div", { class: "main" }, results, message, make("div", {}, watch)),
    ),
    real.length
      ? shelf("Begin with a real image", make("div", { class: "choices" }, ...starts))
      : null,
  ];
  const notice = view.get("can_complete") && !canDraw ? kernelNotice("Drawing") : null;
  const drawingView = make(
    "div",
    { class: "view" },
    shown.length ? notice : null,
    ...(canDraw ? desk : shown.map(exampleRow)),
    canDraw
      ? null
      : make(
          "p",
          { class: "legend" },
          sample("later", "what the model completes"),
          `${SIDE_BY_SIDE} completions each, made before`,
        ),
  );

  const python = awaiting(view, drawingView, message);

  // ---- together ---------------------------------------------------------------------------------
  const tabs = [
    { text: "An image grows", completing: false },
    { text: "Complete a drawing", completing: true },
  ].map(({ text, completing }) => {
    const tab = button(text, () => {
      moves.stop();
      view.set("completing", completing);
      paintMode();
    });
    tab.disabled = completing && !canDraw && !shown.length;
    return { tab, completing };
  });

  function paintMode() {
    const completing = view.get("completing") && (canDraw || shown.length > 0);
    filmView.hidden = completing;
    drawingView.hidden = !completing;
    for (const one of tabs)
      one.tab.setAttribute("aria-pressed", String(one.completing === completing));
    const { board: asked } = view.get("completed");
    // Nothing is asked of Python before the drawing is looked at.
    if (completing && canDraw && !same(asked, view.get("board")) && !python.isBusy())
      ask(view.get("board").seed + 1);
  }

  const hasTabs = view.get("can_complete") || shown.length > 0;
  view.root.append(
    ...(hasTabs
      ? [
          make(
            "div",
            { class: "row" },
            make(
              "span",
              { class: "tools", role: "group", "aria-label": "What to see" },
              ...tabs.map(({ tab }) => tab),
            ),
            shown.length ? null : notice,
          ),
        ]
      : []),
    filmView,
    drawingView,
  );
  const fit = new ResizeObserver(paintBars);
  fit.observe(chart);
  view.atEnd(() => fit.disconnect());
  watch.disabled = !ownRun;
  paintTools();
  paintBoard();
  paintFilm();
  takeCompletion();
  paintMode();

  for (const name of ["chosen", "step", "unsure"]) view.watch(name, paintFilm);
  view.watch("completing", paintMode);
  view.watch("completed", takeCompletion);
  view.watch("board", () => {
    const asked = view.get("board");
    drawing = [...asked.levels];
    rows = asked.rows;
    if (canDraw) wait();
    paintBoard();
    takeCompletion();
  });
}

export default widget("pixel-film", "Pixel film", drawFilm);
