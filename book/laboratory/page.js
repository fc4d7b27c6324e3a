/* The laboratory's page. Networks run in a worker, so that the page never waits; what is drawn follows `state`. */
(() => {
  "use strict";
  const laboratory = makeLaboratory();
  const { SIDE, largest, softmax, dot, length, degrees } = laboratory;
  const { classes, labels, networks: known, pixels } = laboratoryFiles.images;
  const TEST = Float32Array.from(laboratory.bytesOf(pixels), (value) => value / 255);
  // matplotlib's tab10, as in the book's planes
  const CLASS_COLORS = "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf".split(" ")
    .map((one) => `#${one}`);
  const MARKERS = { o: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", s: "M-4.5-4.5h9v9h-9z", "^": "M0-5.5L5.5 4.5h-11z",
    v: "M0 5.5L5.5-4.5h-11z", D: "M0-6L6 0 0 6-6 0z" };
  const BOOT = labels.lastIndexOf(classes.indexOf("ankle boot"));

  const $ = (id) => document.getElementById(id);
  const maker = (space) => (tag, attributes = {}, ...children) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const html = maker("http://www.w3.org/1999/xhtml");
  const svg = maker("http://www.w3.org/2000/svg");
  const rounded = (value) => String(Number(value.toPrecision(2)));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const grouped = (some, kind) =>
    some.reduce((groups, one) => groups.set(kind(one), [...(groups.get(kind(one)) ?? []), one]), new Map());
  const listed = (words) =>
    words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

  const core = known.filter(({ name }) => !name.endsWith("-2"));
  const narrow = known.filter(({ name }) => name.endsWith("-2"));
  const state = {
    image: null, // 784 values in [0, 1]
    label: null, // of a test image; null for a drawing, where each network's own answer is under attack
    temperature: 1,
    step: 0,
    network: core[0].name, // looked into
    heads: {}, // name -> {rows, bias} centred, once the network is there
    seen: {}, // name -> {logits, features} of the image
    walks: null, // name -> what the network saw at each step of the last attack
    options: null, // of that attack
  };
  const ready = (networks) => networks.filter(({ name }) => state.heads[name]);
  const labelFor = (name) => state.label ?? largest(state.seen[name].logits);
  const now = (name) => state.walks?.[name]?.[state.step] ?? state.seen[name];

  // The worker, and files that are loaded as they are needed ----------------------------------------------------------

  const source = `(${serveLaboratory})((${makeLaboratory})(), self);`;
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const waiting = new Map();
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(answer);
  };
  let asked = 0;
  const ask = (task, details) => new Promise((resolve, reject) => {
    waiting.set(++asked, [resolve, reject]);
    worker.postMessage({ id: asked, task, ...details });
  });

  const file = (name) => new Promise((resolve, reject) => {
    const script = html("script", { src: `${name}.js` });
    script.onload = () => resolve(laboratoryFiles[name]);
    script.onerror = () => reject(new Error(`${name}.js could not be loaded.`));
    document.head.append(script);
  });

  /* Loads a network; one that cannot be used is said, and left out. */
  async function load({ name }) {
    try {
      state.heads[name] = laboratory.centred(await ask("load", { file: await file(name) }));
    } catch (error) {
      $("trouble").append(html("span", {}, error.message), html("br"));
    }
  }

  // Images ------------------------------------------------------------------------------------------------------------

  /* colors: place -> [red, green, blue] in [0, 255]. */
  function paint(canvas, colors) {
    const data = new ImageData(SIDE, SIDE);
    for (let place = 0; place < SIDE * SIDE; place++) data.data.set([...colors(place), 255], 4 * place);
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas;
  }

  const grey = (image) => (place) => Array(3).fill(Math.round(255 * image[place]));
  const picture = (label, colors) =>
    paint(html("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label }), colors);

  /* A change of pixels, as large as it may be in full colour: orange lighter, blue darker. */
  const change = (from, to, epsilon) => (place) => {
    const share = epsilon ? (to[place] - from[place]) / epsilon : 0;
    const full = share > 0 ? [213, 94, 0] : [0, 114, 178];
    return full.map((value) => 255 + Math.abs(share) * (value - 255));
  };

  const testImage = (place) => TEST.slice(place * SIDE * SIDE, (place + 1) * SIDE * SIDE);

  function show(image, label) {
    Object.assign(state, { image, label, walks: null, step: 0 });
    $("drawing").setAttribute("aria-label", label === null ? "your drawing" : `image of class ${classes[label]}`);
    paint($("drawing"), grey(image));
    return look();
  }

  let looking = null; // one look at a time; while it takes, only the last image waits
  async function look() {
    const image = state.image;
    if (looking) return void (looking.next = true);
    looking = {};
    const names = ready(known).map(({ name }) => name);
    const seen = await ask("look", { names, image });
    const again = looking.next;
    looking = null;
    if (again) return look();
    state.seen = Object.fromEntries(names.map((name, place) => [name, seen[place]]));
    draw();
    tellAnswers();
  }

  function tellAnswers() {
    if (state.walks) return;
    const answers = grouped(ready(core), ({ name }) => classes[largest(state.seen[name].logits)]);
    const who = (some) => (some.length === core.length ? "all five" : listed(some.map(({ label }) => label)));
    const said = [...answers].map(([answer, some]) => `${answer} (${who(some)})`);
    const what = state.label === null ? "Your drawing" : `${capital(classes[state.label])}, a test image`;
    $("told").textContent = `${what}. The networks say: ${said.join("; ")}.`;
  }

  // Drawing on the image: the brush is a dot with a softer rim --------------------------------------------------------

  let cursor = [SIDE / 2, SIDE / 2];
  function dab([x, y]) {
    const target = Number(document.querySelector("[name=brush]:checked").value);
    const image = state.image.slice();
    for (let place = 0; place < image.length; place++) {
      const away = Math.hypot((place % SIDE) - x, Math.floor(place / SIDE) - y);
      image[place] += (target - image[place]) * Math.max(0, Math.min(1, 1.9 - away));
    }
    for (const one of document.querySelectorAll("[name=image]:checked")) one.checked = false;
    show(image, null);
  }

  function pointerPlace(event) {
    const box = $("drawing").getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((value) => Math.floor((value * SIDE) / box.width));
  }

  function prepareDrawing() {
    const canvas = $("drawing");
    let last;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = pointerPlace(event);
      dab(last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      const [from, to] = [last, pointerPlace(event)];
      const dabs = Math.max(...to.map((value, axis) => Math.abs(value - from[axis]))); // a fast hand leaves no gaps
      for (let turn = 1; turn <= dabs; turn++)
        dab(to.map((value, axis) => from[axis] + ((value - from[axis]) * turn) / dabs));
      last = to;
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step && event.key !== " ") return;
      event.preventDefault();
      if (step) cursor = cursor.map((value, axis) => Math.min(SIDE - 1, Math.max(0, value + step[axis])));
      else dab(cursor);
      paint(canvas, grey(state.image));
      canvas.getContext("2d").fillStyle = "#d55e00";
      canvas.getContext("2d").fillRect(...cursor, 1, 1);
    });
    canvas.addEventListener("blur", () => paint(canvas, grey(state.image)));
    $("clear").addEventListener("click", () => {
      for (const one of document.querySelectorAll("[name=image]:checked")) one.checked = false;
      show(new Float32Array(SIDE * SIDE), null);
    });
  }

  function prepareImages() {
    labels.forEach((label, place) => {
      const name = `${classes[label]} ${labels.slice(0, place + 1).filter((one) => one === label).length}`;
      const radio = html("input", { type: "radio", name: "image", value: place, "aria-label": name });
      radio.addEventListener("change", () => show(testImage(place), label));
      const canvas = html("canvas", { width: SIDE, height: SIDE });
      $("images").append(html("label", { title: name }, radio, paint(canvas, grey(testImage(place)))));
    });
  }

  // Answers -----------------------------------------------------------------------------------------------------------

  /* Plain black would be lost in the dark theme: the baseline has the colour of the text. */
  const colorOf = ({ color }) => (color === "#000000" ? "currentColor" : color);
  const mark = (network, x, y) =>
    svg("path", { d: MARKERS[network.marker], fill: colorOf(network), transform: `translate(${x} ${y})` });
  const key = (network) =>
    svg("svg", { class: "key", viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(network, 0, 0));
  const styled = (network) => core.find(({ name }) => name === network);

  function drawAnswers() {
    const rows = ready(core).map((network) => {
      const { logits, features } = now(network.name);
      const { rows } = state.heads[network.name];
      const answer = largest(logits);
      const confidence = softmax(logits, state.temperature)[answer];
      const right = state.label === null || answer === state.label;
      return html("tr", {}, html("th", { scope: "row" }, key(network), network.label),
        html("td", {}, html("span", right ? {} : { class: "wrong" }, classes[answer]), ` ${percent(confidence)}`,
          html("span", { class: "bar", style: `--share: ${100 * confidence}%` })),
        html("td", {}, length(features).toFixed(2)),
        html("td", {}, length(rows.map((row) => dot(row, features))).toFixed(1)),
        html("td", {}, `${degrees(features, rows[answer]).toFixed(0)}°`));
    });
    $("answers").replaceChildren(...rows);
    const heads = ready(core).map((one) => html("th", { scope: "col" }, key(one), one.label));
    const corner = html("tr", {}, html("td"), ...heads);
    const angles = classes.map((name, label) => html("tr", {}, html("th", { scope: "row" }, name),
      ...ready(core).map((one) => {
        const { logits, features } = now(one.name);
        const angle = `${degrees(features, state.heads[one.name].rows[label]).toFixed(0)}°`;
        return html("td", {}, largest(logits) === label ? html("strong", {}, angle) : angle);
      })));
    $("rows").replaceChildren(html("thead", {}, corner), html("tbody", {}, ...angles));
  }

  // Attacks -----------------------------------------------------------------------------------------------------------

  async function attack(event) {
    event.preventDefault();
    const [epsilon, steps] = [$("epsilon").value / 255, Number($("steps").value)];
    const start = steps === 1 ? new Float32Array(SIDE * SIDE) : laboratory.offsets(0);
    const options = { epsilon, steps, loss: $("loss").value, start, ...(steps === 1 ? { step: epsilon } : {}) };
    const [image, aim, walks] = [state.image, $("aim").value, {}];
    $("told").textContent = "Attacking …";
    const walk = (name) => ask("attack", { name, image, label: labelFor(name), options });
    if (aim) walks[aim] = await walk(aim);
    const follow = (name) => ask("follow", { name, points: walks[aim].map(({ point }) => point) });
    for (const { name } of ready(core)) walks[name] ??= await (aim ? follow(name) : walk(name));
    if (image !== state.image) return; // another one was chosen meanwhile
    Object.assign(state, { walks, options: { ...options, aim }, step: steps });
    for (const id of ["step", "step-again"]) $(id).max = steps;
    tellAttack();
    play();
  }

  function tellAttack() {
    const { epsilon, steps, aim } = state.options;
    const fates = ready(core).map(({ name, label }) => ({
      label,
      step: laboratory.givesIn(state.walks[name], labelFor(name)),
      wrong: largest(state.seen[name].logits) !== labelFor(name),
    }));
    const names = (some) => (some.length === fates.length ? "all" : listed(some.map(({ label }) => label)));
    const wrong = fates.filter((one) => one.wrong);
    const held = fates.filter((one) => one.step === null);
    const fallen = fates.filter((one) => one.step !== null && !one.wrong);
    const [first, ...later] = [...grouped(fallen, ({ step }) => step)]
      .sort(([a], [b]) => a - b).map(([step, some]) => `${names(some)} at ${step ? `step ${step}` : "the random start"}`);
    const said = [`${rounded(epsilon * 255)}/255, ${steps === 1 ? "one step" : `${steps} steps`}` +
      (aim ? `, an image made for ${styled(aim).label}` : "")];
    if (first) said.push(`First to give in: ${first}`);
    if (later.length) said.push(`Then ${later.join(", ")}`);
    if (held.length) said.push(`To the end ${held.length > 1 ? "hold" : "holds"}: ${names(held)}`);
    if (wrong.length) said.push(`Wrong before: ${names(wrong)}`);
    $("told").textContent = `${said.join(". ")}.`;
  }

  /* From the first step to the last, unless the reader's system asks for less motion. */
  function play() {
    const last = state.options.steps;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return draw();
    const walks = state.walks;
    const began = performance.now();
    const frame = (time) => {
      if (state.walks !== walks) return;
      const step = Math.min(last, Math.floor(Math.max(0, time - began) / (1500 / last)));
      if (step !== state.step || step === last) {
        state.step = step;
        draw();
      }
      if (step < last) requestAnimationFrame(frame);
    };
    state.step = 0;
    requestAnimationFrame(frame);
  }

  function drawAttack() {
    for (const id of ["attacked", "step-again-place"]) $(id).hidden = !state.walks;
    if (!state.walks) return;
    const { epsilon } = state.options;
    for (const id of ["step", "step-again"]) $(id).value = state.step;
    for (const output of document.querySelectorAll("output[for=step], output[for=step-again]"))
      output.textContent = `${state.step} of ${state.options.steps}`;
    $("cards").replaceChildren(...ready(core).map((network) => {
      const { point, logits, features } = now(network.name);
      const before = state.seen[network.name].features;
      const step = laboratory.givesIn(state.walks[network.name], labelFor(network.name));
      const answer = largest(logits);
      const wrong = largest(state.seen[network.name].logits) !== labelFor(network.name);
      const at = step ? `step ${step}` : "the random start";
      const fate = wrong ? "Wrong before the attack." : step === null ? "Holds." : `Gives in at ${at}.`;
      return html("section", { class: "card", "aria-label": network.label },
        html("strong", {}, key(network), network.label),
        html("div", { class: "pair" }, picture(`attacked image, ${network.label}`, grey(point)),
          picture("its change, magnified: orange is lighter, blue darker", change(state.image, point, epsilon))),
        html("p", {}, html("span", answer === labelFor(network.name) ? {} : { class: "wrong" }, classes[answer]),
          ` ${percent(softmax(logits, state.temperature)[answer])}`),
        html("p", {}, fate),
        html("p", {}, `‖f‖ ${length(before).toFixed(2)} → ${length(features).toFixed(2)}, turned by ` +
          `${degrees(before, features).toFixed(0)}°`));
    }));
    drawFall();
  }

  // Charts: SVG, in the colour of the text ----------------------------------------------------------------------------

  const corners = (points) => points.map((point) => point.map((value) => value.toFixed(1)).join()).join(" ");
  const line = (points, attributes) => svg("polyline", { points: corners(points), fill: "none", ...attributes });
  const word = (x, y, text, attributes = {}) => svg("text", { x, y, ...attributes }, text);

  /* How wide a chart can be drawn there, in pixels, so that its words keep their size. */
  const room = (place, most) => Math.min(most, place.parentElement.clientWidth);

  /* An empty chart with its axes, and the functions from values to places in it. */
  function chart(label, [width, height], [left, right, top, bottom], [low, high], [least, most], words) {
    const x = (value) => left + ((value - low) / (high - low)) * (width - left - right);
    const y = (value) => height - bottom - ((value - least) / (most - least)) * (height - top - bottom);
    const axes = [[left, top], [left, height - bottom], [width - right, height - bottom]];
    const look = { class: "chart", viewBox: `0 0 ${width} ${height}`, style: `width: ${width}px` };
    const box = svg("svg", { ...look, role: "img", "aria-label": label }, line(axes, { class: "axis" }),
      word(x((low + high) / 2), height - 4, words[0], { "text-anchor": "middle" }),
      word(4, 12, words[1]));
    for (const value of words[2]) box.append(word(x(value), height - bottom + 15, value, { "text-anchor": "middle" }));
    for (const value of words[3]) box.append(word(left - 6, y(value) + 4, value, { "text-anchor": "end" }));
    return { box, x, y };
  }

  /* Places for labels in a column, at least `gap` apart, as near as possible to where they belong. */
  function spread(places, gap, most) {
    const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
    order.forEach((one, rank) => rank && (one.place = Math.max(one.place, order[rank - 1].place + gap)));
    let limit = most;
    for (const one of order.reverse()) {
      one.place = Math.min(one.place, limit);
      limit = one.place - gap;
    }
    return order.sort((a, b) => a.index - b.index).map((one) => one.place);
  }

  function drawFall() {
    const { steps } = state.options;
    const ticks = [...new Set([0, Math.round(steps / 2), steps])];
    const { box, x, y } = chart("confidence in the class under attack at each step, a line for each network",
      [room($("fall"), 680), 240], [42, 130, 22, 34], [0, steps], [0, 1], ["step", "confidence", ticks, [0, 0.5, 1]]);
    box.append(line([[x(state.step), y(0)], [x(state.step), y(1)]], { class: "axis", "stroke-dasharray": "3 3" }));
    const shares = ready(core).map(({ name }) =>
      state.walks[name].map(({ logits }) => softmax(logits, state.temperature)[labelFor(name)]));
    const places = spread(shares.map((line) => y(line.at(-1))), 16, y(0));
    ready(core).forEach((network, place) => {
      const points = shares[place].map((share, step) => [x(step), y(share)]);
      const fall = laboratory.givesIn(state.walks[network.name], labelFor(network.name));
      box.append(line(points, { stroke: colorOf(network), "stroke-width": 2 }), mark(network, ...points[state.step]),
        mark(network, x(steps) + 18, places[place]), word(x(steps) + 28, places[place] + 4, network.label));
      if (fall !== null) {
        const [cx, cy] = points[fall];
        box.append(svg("circle", { cx, cy, r: 9, fill: "none", stroke: colorOf(network), "stroke-width": 2 }));
      }
    });
    $("fall").replaceChildren(box);
  }

  const LONGEST = 4; // times the feature, at most, in the view of its ray
  function drawRay() {
    const [{ features }, head] = [now(state.network), state.heads[state.network]];
    const slopes = head.rows.map((row) => dot(row, features));
    const stages = laboratory.envelope(head, features);
    const onset = stages.at(-1).from;
    const end = Math.min(LONGEST, Math.max(2, 1.2 * onset));
    const at = (label, t) => t * slopes[label] + head.bias[label];
    const all = slopes.flatMap((_, label) => [at(label, 0), at(label, end)]);
    const [least, most] = [Math.min(...all), Math.max(...all)];
    const { box, x, y } = chart(`ten logits along the ray of the feature, ${styled(state.network).label}`,
      [room($("ray"), 520), 340], [42, 92, 38, 36], [0, end], [least, most], ["t, times the feature", "centred logit",
        [0, 1, Math.floor(end)], [Math.ceil(least), 0, Math.floor(most)]]);
    const shown = stages.filter(({ from }) => from < end);
    const top = shown.map(({ label, from }) => [x(from), y(at(label, from))]);
    const last = shown.at(-1).label;
    top.push([x(end), y(at(last, end))]);
    box.append(line(top, { stroke: "currentColor", "stroke-width": 7, opacity: 0.25 }));
    const places = spread(slopes.map((_, label) => y(at(label, end))), 14, y(least) + 8);
    slopes.forEach((_, label) => {
      const stroke = CLASS_COLORS[label];
      box.append(line([[x(0), y(at(label, 0))], [x(end), y(at(label, end))]], { stroke, "stroke-width": 2 }),
        line([[x(end), y(at(label, end))], [x(end) + 10, places[label]]], { stroke }),
        word(x(end) + 13, places[label] + 4, classes[label], label === last ? { "font-weight": 700 } : {}));
    });
    const upright = (t, text) =>
      box.append(line([[x(t), y(least)], [x(t), y(most)]], { class: "axis", "stroke-dasharray": "3 3" }),
        word(x(t), 32, text, { "text-anchor": "middle", class: "halo" }));
    if (Math.abs(onset - 1) > 0.08 * end || onset >= end) upright(1, "f");
    if (onset < end) upright(onset, Math.abs(onset - 1) > 0.08 * end ? "t₀" : "t₀, f");
    $("ray").replaceChildren(box);
    const way = stages.slice(1).map(({ from }, place) => `${classes[stages[place].label]} up to t = ${rounded(from)}`);
    const ever = classes[stages.at(-1).label];
    $("ray-told").textContent = way.length
      ? `As the feature grows from nothing: ${way.join(", ")} (this is t₀), then ${ever} for ever. ` +
        "The pale band follows the largest logit."
      : `The class is ${ever} at every length: t₀ = 0.`;
  }

  /* Regions of classes in a square, with their names in the middle of what is seen of them. */
  function drawRegions(box, polygons, place, look) {
    polygons.forEach((polygon, label) => {
      if (polygon.length < 3) return;
      const points = corners(polygon.map(place));
      const border = { stroke: "currentColor", "stroke-width": 0.5 };
      box.append(svg("polygon", { points, fill: CLASS_COLORS[label], ...border, ...look(label) }));
    });
    polygons.forEach((polygon, label) => {
      const sides = [0, 1].map((axis) => polygon.map((corner) => place(corner)[axis]));
      const [width, height] = sides.map((side) => Math.max(...side) - Math.min(...side));
      if (polygon.length < 3 || width < 40 || height < 16) return;
      const middle = sides.map((side) => side.reduce((a, b) => a + b) / side.length);
      box.append(word(...middle, classes[label], { "text-anchor": "middle", class: "halo" }));
    });
  }

  /* A square of a plane around its origin: {group to draw into, place: a point of the plane -> where it is drawn}. */
  function square(box, reach, [left, top], side) {
    const id = `square-${left}-${side}`;
    const group = svg("g", { "clip-path": `url(#${id})` });
    box.append(svg("clipPath", { id }, svg("rect", { x: left, y: top, width: side, height: side })), group,
      svg("rect", { x: left, y: top, width: side, height: side, class: "axis" }));
    const half = side / 2;
    const place = ([x, y]) => [left + half + (half * x) / reach, top + half - (half * y) / reach];
    return { group, place };
  }

  const plane = (label, height = 400) =>
    svg("svg", { class: "chart", viewBox: `0 0 400 ${height}`, role: "img", "aria-label": label });
  const dot2 = ([cx, cy], r, look) => svg("circle", { cx, cy, r, stroke: "currentColor", ...look });

  /* The plane holds origin, apex and the feature of this step exactly, so its regions are those that the feature meets;
     earlier steps are projected on it. Around the origin it is drawn once more, magnified: the apex is near. */
  function drawPlane() {
    const { rows, bias } = state.heads[state.network];
    const share = $("bias").value / 100;
    const trained = laboratory.apex({ rows, bias });
    const { features } = now(state.network);
    const across = trained.map((value) => value / length(trained));
    const rest = Array.from(features, (value, place) => value - dot(features, across) * across[place]);
    const up = rest.map((value) => value / length(rest));
    const flat = (vector) => [dot(vector, across), dot(vector, up)];
    const walk = state.walks?.[state.network] ?? [state.seen[state.network]];
    const reach = 1.2 * Math.max(...walk.map((one) => length(one.features)));
    const near = 2.5 * length(trained);
    const turned = bias.map((value) => share * value);
    const apex = flat(trained.map((value) => share * value));
    const box = plane(`the plane of origin, apex and feature, ${styled(state.network).label}`);
    for (const [extent, corner, side] of [[reach, [0, 0], 400], [near, [0, 270], 130]]) {
      const { group, place } = square(box, extent, corner, side);
      group.append(svg("rect", { x: corner[0], y: corner[1], width: side, height: side, fill: "var(--background)" }));
      const polygons = laboratory.regions(rows.map(flat), turned, [0, 0], extent);
      drawRegions(group, polygons, place, () => ({ "fill-opacity": 0.35 }));
      group.append(line([[0, 0], flat(features)].map(place), { stroke: "currentColor", "stroke-dasharray": "4 3" }));
      const way = walk.slice(0, state.step + 1).map((one) => place(flat(one.features)));
      group.append(line(way, { stroke: "currentColor" }));
      group.append(...way.map((one) => dot2(one, 2.5, { fill: "currentColor" })));
      const [x, y] = place([0, 0]);
      if (extent === near) group.append(svg("path", { d: `M${x - 6} ${y}h12M${x} ${y - 6}v12`, class: "cross" }));
      group.append(dot2(place(apex), 4, { fill: "var(--background)", "stroke-width": 2 }),
        dot2(place(flat(features)), 6, { fill: "currentColor", stroke: "var(--background)" }));
    }
    box.append(word(4, 264, `× ${rounded(((reach / near) * 130) / 400)}`, { class: "halo" }));
    $("plane").replaceChildren(box);
    const answer = largest(rows.map((row, label) => dot(row, features) + turned[label]));
    $("plane-told").textContent = `Ring: the apex, ${rounded(length(apex))} from the origin (cross), where all ` +
      "borders meet; magnified in the corner. " +
      `Large dot: the feature, ${length(features).toFixed(2)} long, ${classes[answer]}` +
      `${state.walks ? "; its steps, as they fall on this plane" : ""}.`;
  }

  // Two features ------------------------------------------------------------------------------------------------------

  const inTwo = {}; // name -> features of the test images
  async function loadTwo() {
    await Promise.all(narrow.map(load));
    const names = ready(narrow).map(({ name }) => name);
    for (const name of names) inTwo[name] = [];
    for (let place = 0; place < labels.length; place++) {
      const seen = await ask("look", { names, image: testImage(place) });
      seen.forEach(({ features }, index) => inTwo[names[index]].push(features));
    }
    await look();
  }

  function drawTwo() {
    const whole = ready(narrow).filter(({ name }) => inTwo[name]?.length === labels.length);
    $("two").replaceChildren(...whole.map((network) => {
      const { rows, bias } = state.heads[network.name];
      const features = inTwo[network.name];
      const own = state.seen[network.name].features;
      const most = Math.max(...[...features, own].flatMap((one) => Array.from(one, Math.abs)));
      const reach = 1.15 * most * 2 ** $("far").value;
      const bounded = laboratory.bounded(rows, bias);
      const box = plane(`the plane of two features, ${network.label}`);
      const { group, place } = square(box, reach, [0, 0], 400);
      drawRegions(group, laboratory.regions(rows, bias, [0, 0], reach), place,
        (label) => ({ "fill-opacity": bounded[label] ? 0.8 : 0.25 }));
      group.append(...features.map((one, index) => dot2(place(one), 3.5, { fill: CLASS_COLORS[labels[index]] })),
        dot2(place(own), 9, { fill: "none", "stroke-width": 3 }));
      const names = classes.filter((_, label) => bounded[label]);
      return html("figure", {}, html("h3", {}, capital(network.label)), box, hullOf(network, rows, bounded),
        html("figcaption", {}, "Above, regions and the test images in the colours of their classes; ring: the image " +
          "chosen now. Below, the head’s rows and their hull. " +
          `${names.length ? `Bounded, and filled: ${listed(names)}` : "No class is bounded"}.`));
    }));
  }

  function hullOf(network, rows, bounded) {
    const most = Math.max(...rows.flat().map(Math.abs));
    const place = ([x, y]) => [200 + (115 * x) / most, 135 - (115 * y) / most];
    const box = plane(`the rows and their hull, ${network.label}`, 270);
    box.append(svg("polygon", { points: corners(laboratory.hull(rows).map(place)), class: "axis" }));
    rows.forEach((row, label) => {
      const [x, y] = place(row);
      const [shift, anchor] = x < 200 ? [-9, "end"] : [9, "start"];
      box.append(dot2([x, y], bounded[label] ? 6 : 4, { fill: CLASS_COLORS[label] }),
        word(x + shift, y + 4, classes[label], { class: "halo", "text-anchor": anchor }));
    });
    return box;
  }

  // The page ----------------------------------------------------------------------------------------------------------

  function draw() {
    if (!state.seen[state.network]) return;
    drawAnswers();
    drawAttack();
    drawRay();
    drawPlane();
    drawTwo();
  }

  const OUTPUTS = {
    temperature: (value) => (2 ** value).toFixed(2),
    epsilon: (value) => `${value}/255`,
    steps: (value) => (value === "1" ? "1 (FGSM)" : value),
    bias: (value) => `${value} %`,
    far: (value) => `× ${rounded(2 ** value)}`,
  };
  function prepareControls() {
    for (const [id, text] of Object.entries(OUTPUTS)) {
      const tell = () => {
        document.querySelector(`output[for=${id}]`).textContent = text($(id).value);
        $(id).setAttribute("aria-valuetext", text($(id).value));
      };
      $(id).addEventListener("input", tell);
      tell();
    }
    const follow = (id, change) => $(id).addEventListener("input", () => (change($(id).value), draw()));
    follow("temperature", (value) => (state.temperature = 2 ** value));
    for (const id of ["step", "step-again"]) follow(id, (value) => (state.step = Number(value)));
    follow("network", (value) => (state.network = value));
    for (const id of ["bias", "far"]) follow(id, () => {});
    for (const { name, label } of ready(core)) {
      $("network").append(html("option", { value: name }, label));
      $("aim").append(html("option", { value: name }, `${label}, shown to all`));
    }
    $("attack").addEventListener("submit", attack);
    addEventListener("resize", draw);
  }

  /* As in the book: light, dark, or what the system has; kept for all its pages. */
  function prepareTheme() {
    const [page, dark] = [document.documentElement.dataset, matchMedia("(prefers-color-scheme: dark)")];
    const set = (mode) => {
      page.mode = mode;
      page.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
      localStorage.setItem("mode", mode);
      localStorage.setItem("theme", page.theme);
      $("theme").textContent = `Theme: ${mode}`;
    };
    const modes = ["auto", "light", "dark"];
    $("theme").addEventListener("click", () => set(modes[(modes.indexOf(page.mode) + 1) % 3]));
    dark.addEventListener("change", () => set(page.mode));
    set(modes.includes(page.mode) ? page.mode : "auto");
  }

  async function begin() {
    prepareTheme();
    prepareImages();
    prepareDrawing();
    await Promise.all(core.map(load));
    if (!ready(core).length) return;
    state.network = ready(core)[0].name;
    prepareControls();
    $("laboratory").hidden = false;
    document.querySelector(`[name=image][value="${BOOT}"]`).checked = true;
    await show(testImage(BOOT), labels[BOOT]);
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      loadTwo();
    }, { rootMargin: "300px" }).observe($("two"));
  }

  begin();
})();
