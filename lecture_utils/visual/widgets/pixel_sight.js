// The pixel sight. Python sends of every model and depth who sees whom, a byte for each pair of
// pixels: 0 for exactly 0, else 1 to 255 on a scale of logarithms.

const DECADES = 6; // from 255 down to 1
const FAINTEST = 0.12; // where on the scale of colours the weakest begins
const CELL = 20; // units of the drawing per pixel
const KINDS = { blind: COLOURS.cell, leak: COLOURS.output, self: "#fff", later: "none" };

const sightColour = (share) => sizeColour(FAINTEST + (1 - FAINTEST) * share);
const layers = (depth) => `${depth} layer${depth === 1 ? "" : "s"}`;
const pixels = (count) => `${count} pixel${count === 1 ? "" : "s"}`;

// A code as a share of the strongest: one digit, for neighbouring codes are 6 % apart.
function strength(code) {
  if (code === 255) return "the strongest of all";
  if (code === 1) return `${power(-DECADES)} of the strongest, or less`;
  const share = 10 ** ((DECADES * (code - 255)) / 254);
  const [digit, exponent] = share.toExponential(0).split("e").map(Number);
  const text = exponent < -2 ? `${digit} × ${power(exponent)}` : share.toPrecision(1);
  return `${text} of the strongest`;
}

function drawSight(view) {
  const [H, W] = view.get("size");
  const P = H * W;
  const bytes = (packed) => Uint8Array.from(unpack(packed).values, Math.round);
  const may = bytes(view.get("may_see"));
  const models = view.get("models").map(({ name, depths, codes }) => ({
    name,
    depths,
    codes: codes.map(bytes),
    shares: new Map(), // how much of what they may see all pixels together see, by depth
  }));
  const depths = [...new Set(models.flatMap((model) => model.depths))].sort((a, b) => a - b);
  const target = () => view.get("row") * W + view.get("column");
  const place = (pixel) => `(${Math.floor(pixel / W)}, ${pixel % W})`;
  let read = null; // the pixel that is looked at

  // Which of its depths a model is shown at: the largest up to the chosen one.
  const shownAt = (model) =>
    Math.max(model.depths.filter((depth) => depth <= view.get("depth")).length - 1, 0);

  function kindOf(codes, from, to) {
    const seen = codes[from * P + to] > 0;
    if (may[from * P + to]) return seen ? "seen" : "blind";
    if (seen) return "leak";
    return from === to ? "self" : "later";
  }

  function shareOfAll(model, at) {
    if (!model.shares.has(at)) {
      let [seen, all] = [0, 0];
      for (let pair = 0; pair < P * P; pair++) {
        all += may[pair];
        seen += may[pair] && model.codes[at][pair] > 0;
      }
      model.shares.set(at, seen / all);
    }
    return model.shares.get(at);
  }

  // ---- the grids --------------------------------------------------------------------------------
  function makeGrid(model) {
    const svg = shape("svg", {
      class: "grid keep",
      viewBox: `0 0 ${W * CELL} ${H * CELL}`,
      tabindex: 0,
      role: "slider",
      "aria-label": `${model.name}: the pixel that looks`,
      "aria-valuemin": 0,
      "aria-valuemax": P - 1,
    });
    const squares = Array.from({ length: P }, (_, pixel) =>
      shape("rect", {
        x: (pixel % W) * CELL,
        y: Math.floor(pixel / W) * CELL,
        width: CELL,
        height: CELL,
      }),
    );
    const crosses = shape("path", { class: "crosses" });
    const alarms = shape("path", { class: "alarms" });
    const frame = (name) => shape("rect", { class: name, width: CELL, height: CELL });
    const [outline, pointed] = [frame("target"), frame("pointed")];
    const question = words("question", 0, 0, "middle", "?");
    svg.append(...squares, crosses, alarms, pointed, outline, question);
    const parts = {
      name: make("h3", {}, model.name),
      depth: make("p", { class: "small quiet" }),
      count: make("p", { class: "count" }),
      all: make("p", { class: "small quiet" }),
      leak: make("p", { class: "leak small" }),
      reading: make("p", { class: "reading small" }),
    };
    const { name, depth, ...below } = parts;
    const element = make("figure", {}, name, depth, svg, ...Object.values(below));
    return { model, svg, squares, crosses, alarms, outline, pointed, question, element, ...parts };
  }

  const grids = models.map(makeGrid);
  const corner = (pixel) => [(pixel % W) * CELL, Math.floor(pixel / W) * CELL];
  // The same mark in the middle of each of some squares, as one path.
  const marked = (some, mark) =>
    some
      .map((pixel) => {
        const [x, y] = corner(pixel);
        return `M${x + CELL / 2} ${y + CELL / 2}${mark}`;
      })
      .join("");
  const lay = (frame, pixel) => {
    const [x, y] = corner(pixel);
    frame.setAttribute("x", x);
    frame.setAttribute("y", y);
  };

  function paintGrid(grid) {
    const { model, svg } = grid;
    const at = shownAt(model);
    const codes = model.codes[at];
    const from = target();
    const found = { seen: [], blind: [], leak: [], self: [], later: [] };
    grid.squares.forEach((square, to) => {
      const kind = kindOf(codes, from, to);
      found[kind].push(to);
      square.dataset.kind = kind;
      square.setAttribute("fill", KINDS[kind] ?? sightColour((codes[from * P + to] - 1) / 254));
    });
    grid.crosses.setAttribute("d", marked(found.blind, "m-3.5 -3.5l7 7m0 -7l-7 7"));
    grid.alarms.setAttribute("d", marked(found.leak, "m0 -6v7m0 3v2"));
    lay(grid.outline, from);
    const [x, y] = corner(from);
    grid.question.setAttribute("x", x + CELL / 2);
    grid.question.setAttribute("y", y + CELL / 2 + 5);
    grid.question.setAttribute("visibility", codes[from * P + from] ? "hidden" : "visible");

    const [seen, blind, leak] = ["seen", "blind", "leak"].map((kind) => found[kind].length);
    grid.depth.textContent = layers(model.depths[at]);
    const number = (value) => make("b", {}, String(value));
    grid.count.replaceChildren(
      ...(seen + blind === 0
        ? ["nothing comes before it"]
        : [
            make("span", {}, "sees ", number(seen), ` of ${seen + blind}; `),
            make("span", {}, "blind to ", number(blind)),
          ]),
    );
    const share = shareOfAll(model, at);
    const percent = share < 1 ? Math.min(99.9, 100 * share).toFixed(1) : "100";
    grid.all.textContent = `all pixels together see ${percent}\u00a0%`;
    grid.all.dataset.share = share;
    grid.leak.textContent = leak
      ? `Leak: it sees ${pixels(leak)} that it must not see. Its likelihoods count for nothing.`
      : "";
    svg.setAttribute("aria-valuenow", from);
    svg.setAttribute(
      "aria-valuetext",
      `${place(from)}, ${grid.depth.textContent}: ${grid.count.textContent}. ` +
        grid.leak.textContent,
    );
  }

  function readingOf({ model }) {
    const codes = model.codes[shownAt(model)];
    const from = target();
    const told = {
      seen: () => `sees it: ${strength(codes[from * P + read])}`,
      blind: () => "blind: may see it, and does not",
      leak: () => `leak, ${strength(codes[from * P + read])}`,
      self: () => "the pixel itself",
      later: () => "comes later: must not see it",
    };
    return told[kindOf(codes, from, read)]();
  }

  function paintReading() {
    for (const grid of grids) {
      grid.pointed.setAttribute("visibility", read === null ? "hidden" : "visible");
      if (read !== null) lay(grid.pointed, read);
      grid.reading.replaceChildren(
        ...(read === null ? [] : [make("b", {}, place(read)), ` ${readingOf(grid)}`]),
      );
    }
  }

  // ---- choosing ---------------------------------------------------------------------------------
  const title = make("p", { class: "title" });
  const summary = () =>
    `Pixel ${place(target())}. ` +
    grids.map(({ model, svg }) => `${model.name} ${svg.getAttribute("aria-valuetext")}`).join(" ");

  function look(row, column) {
    view.set("row", clamp(row, 0, H - 1));
    view.set("column", clamp(column, 0, W - 1));
    paint();
    view.say(summary());
  }

  function point(pixel) {
    read = pixel;
    paintReading();
  }

  function pixelUnder(svg, event) {
    const box = svg.getBoundingClientRect();
    const row = Math.floor((H * (event.clientY - box.top)) / box.height);
    const column = Math.floor((W * (event.clientX - box.left)) / box.width);
    return clamp(row, 0, H - 1) * W + clamp(column, 0, W - 1);
  }

  const STEPS = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    Home: [0, -W],
    End: [0, W],
    PageUp: [-H, 0],
    PageDown: [H, 0],
  };
  for (const { svg } of grids) {
    svg.addEventListener("click", (event) => {
      const pixel = pixelUnder(svg, event);
      look(Math.floor(pixel / W), pixel % W);
    });
    svg.addEventListener("pointermove", (event) => point(pixelUnder(svg, event)));
    svg.addEventListener("pointerleave", () => point(null));
    svg.addEventListener("blur", () => point(null));
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") point(null);
      const by = STEPS[event.key];
      if (!by) return;
      event.preventDefault();
      const from = event.shiftKey ? (read ?? target()) : target();
      const row = clamp(Math.floor(from / W) + by[0], 0, H - 1);
      const column = clamp((from % W) + by[1], 0, W - 1);
      if (event.shiftKey) {
        point(row * W + column);
        view.say(
          grids.map((grid) => `${grid.model.name} ${grid.reading.textContent}`).join(". "),
        );
      } else look(row, column);
    });
  }

  const slider = make("input", { type: "range", min: 0, max: depths.length - 1, step: 1 });
  const chosenDepth = make("output", {});
  slider.addEventListener("input", () => {
    view.set("depth", depths[Number(slider.value)]);
    paint();
    view.say(summary());
  });
  const depthField = labelled("Depth", slider);
  depthField.append(chosenDepth);

  // ---- together ---------------------------------------------------------------------------------
  function paint() {
    const began = performance.now();
    title.replaceChildren("What pixel ", make("b", {}, place(target())), " sees");
    slider.value = depths.filter((depth) => depth <= view.get("depth")).length - 1;
    chosenDepth.textContent = layers(view.get("depth"));
    slider.setAttribute("aria-valuetext", chosenDepth.textContent);
    for (const grid of grids) paintGrid(grid);
    paintReading();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  const sample = (kind, text) =>
    make("span", {}, make("span", { class: `swatch keep ${kind}` }), text);
  const ramp = [0, 0.25, 0.5, 0.75, 1].map(sightColour).join(", ");
  const anyLeak = models.some(({ codes }) =>
    codes.some((one) => one.some((code, pair) => code > 0 && !may[pair])),
  );
  const legend = make(
    "p",
    { class: "legend" },
    make(
      "span",
      { class: "scale" },
      `sees it: ${power(-DECADES)}`,
      make("span", {
        class: "scale-bar keep",
        style: `background: linear-gradient(90deg, ${ramp})`,
      }),
      "1, the strongest",
    ),
    sample("looks", "the pixel that looks"),
    sample("blind", "blind: comes before, and is exactly 0"),
    sample("later", "comes later: must not be seen"),
    anyLeak ? sample("alarm", "leak: later, and seen") : null,
  );
  const help = make(
    "p",
    { class: "small quiet" },
    "Click a pixel, or move with the arrow keys: it becomes the one that looks. Point at another, ",
    "or press Shift and an arrow key, to read how much it counts. (row, column), from 0.",
  );
  view.root.append(
    make("div", { class: "row" }, title, depths.length > 1 ? depthField : null),
    make("div", { class: "grids", "data-count": models.length }, ...grids.map((g) => g.element)),
    make("div", { class: "below" }, legend, help),
  );
  paint();
  for (const name of ["row", "column", "depth"]) view.watch(name, paint);
}

export default widget("pixel-sight", "What a pixel sees", drawSight);
