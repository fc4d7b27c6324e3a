/* The laboratory's page. Networks run in a worker, so that the page never waits; what is drawn follows `state`. */
(() => {
  "use strict";
  const laboratory = makeLaboratory();
  const { SIDE, largest, softmax, dot, length, degrees } = laboratory;
  const { classes, labels, networks: known, pixels } = laboratoryFiles.images;
  const views = makeViews(laboratory, classes);
  const { html, key, listed, rounded } = views;
  const TEST = Float32Array.from(laboratory.bytesOf(pixels), (value) => value / 255);
  const BOOT = labels.lastIndexOf(classes.indexOf("ankle boot"));

  const $ = (id) => document.getElementById(id);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const grouped = (some, kind) =>
    some.reduce((groups, one) => groups.set(kind(one), [...(groups.get(kind(one)) ?? []), one]), new Map());

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
    score: null, // of the attack on all images: {options, aim, fates: name -> ["wrong", "falls" or "holds", …], running}
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

  /* Asks all networks there are about the image, until what they have seen is the image that is there now. */
  let looking = null;
  const look = () => (looking ??= lookAtLast().finally(() => (looking = null)));

  async function lookAtLast() {
    let [image, names] = [null, []];
    while (image !== state.image || names.length < ready(known).length) {
      image = state.image;
      names = ready(known).map(({ name }) => name);
      const steep = names.filter(styled);
      const others = names.filter((name) => !styled(name));
      const seen = [...(await ask("steep", { names: steep, image })), ...(await ask("look", { names: others, image }))];
      state.seen = Object.fromEntries([...steep, ...others].map((name, place) => [name, seen[place]]));
      draw();
    }
    tellAnswers();
  }

  const names = (some) => (some.length === ready(core).length ? "all" : listed(some.map(({ label }) => label)));

  function tellAnswers() {
    if (state.walks) return;
    const answers = grouped(ready(core), ({ name }) => classes[largest(state.seen[name].logits)]);
    const said = [...answers].map(([answer, some]) => `${answer} (${names(some)})`);
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

  const styled = (network) => core.find(({ name }) => name === network);

  /* How sure, how steep, how far: of the image, before an attack. */
  function steep({ margin, slope, radius }) {
    const far = radius < 1 ? `${(255 * radius).toFixed(1)}/255` : "nowhere";
    return [margin.toFixed(1), (slope / 255).toFixed(2), far].map((text) => html("td", {}, text));
  }

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
        ...steep(state.seen[network.name]),
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

  /* What the form says. One step is FGSM: of full length, from the image itself. */
  function chosen() {
    const [epsilon, steps] = [$("epsilon").value / 255, Number($("steps").value)];
    const start = steps === 1 ? new Float32Array(SIDE * SIDE) : laboratory.offsets(0);
    return { epsilon, steps, loss: $("loss").value, start, ...(steps === 1 ? { step: epsilon } : {}) };
  }

  const described = ({ epsilon, steps }, aim, what) =>
    `${rounded(epsilon * 255)}/255, ${steps === 1 ? "one step" : `${steps} steps`}` +
    (aim ? `, ${what} made for ${styled(aim).label}` : "");

  async function attack(event) {
    event.preventDefault();
    await looking; // what is under attack is each network's answer
    const options = chosen();
    const [image, aim, walks] = [state.image, $("aim").value, {}];
    $("told").textContent = "Attacking …";
    const walk = (name) => ask("attack", { name, image, label: labelFor(name), options });
    if (aim) walks[aim] = await walk(aim);
    const follow = (name) => ask("follow", { name, points: walks[aim].map(({ point }) => point) });
    for (const { name } of ready(core)) walks[name] ??= await (aim ? follow(name) : walk(name));
    if (image !== state.image) return; // another one was chosen meanwhile
    Object.assign(state, { walks, options: { ...options, aim }, step: options.steps });
    for (const id of ["step", "step-again"]) $(id).max = options.steps;
    tellAttack();
    play();
  }

  function tellAttack() {
    const { aim } = state.options;
    const fates = ready(core).map(({ name, label }) => ({
      label,
      step: laboratory.givesIn(state.walks[name], labelFor(name)),
      wrong: largest(state.seen[name].logits) !== labelFor(name),
    }));
    const wrong = fates.filter((one) => one.wrong);
    const held = fates.filter((one) => one.step === null);
    const place = (step) => (step ? `step ${step}` : "the random start");
    const fallen = fates.filter((one) => one.step !== null && !one.wrong);
    const [first, ...later] = [...grouped(fallen, ({ step }) => step)]
      .sort(([a], [b]) => a - b).map(([step, some]) => `${names(some)} at ${place(step)}`);
    const said = [described(state.options, aim, "an image")];
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

  // All images --------------------------------------------------------------------------------------------------------

  /* The chosen attack on every test image, image by image, so that the networks' counts can be compared at any moment.
     A second press ends it. */
  async function attackAll() {
    if (state.score?.running) {
      tellScore();
      state.score.running = false;
      return drawScore();
    }
    const networks = ready(core);
    const fates = Object.fromEntries(networks.map(({ name }) => [name, []]));
    const score = { options: chosen(), aim: $("aim").value, fates, running: true };
    const { options, aim } = score;
    state.score = score;
    $("told").textContent = `Attacking all ${labels.length} images …`;
    drawScore();
    for (let place = 0; place < labels.length; place++) {
      const asked = { image: testImage(place), label: labels[place], options };
      if (aim) asked.points = (await ask("attack", { name: aim, ...asked })).map(({ point }) => point);
      for (const { name } of networks) {
        const fate = await ask("fate", { name, ...asked });
        if (!score.running) return;
        fates[name].push(fate);
        drawScore();
      }
    }
    tellScore();
    score.running = false;
    drawScore();
  }

  const heldBy = ({ name }) => state.score.fates[name].filter((fate) => fate === "holds").length;

  const attacked = () => Math.min(...Object.values(state.score.fates).map((some) => some.length));

  function tellScore() {
    const { options, aim, fates } = state.score;
    const counts = [...grouped(core.filter(({ name }) => fates[name]), heldBy)].sort(([a], [b]) => b - a)
      .map(([count, some]) => `${listed(some.map(({ label }) => label))} ${count}${some.length > 1 ? " each" : ""}`);
    const images = attacked() < labels.length ? `Stopped after ${attacked()} images` : `All ${labels.length} images`;
    $("told").textContent = `${images}, ${described(options, aim, "each")}. Held: ${counts.join(", ")}.`;
  }

  function drawScore() {
    const { options, aim, fates, running } = state.score;
    $("all").textContent = running ? "Stop" : "Attack all forty";
    $("score").hidden = false;
    $("progress").max = labels.length;
    $("progress").value = attacked();
    const loss = options.loss === "margin" ? "the margin" : "cross-entropy";
    $("setting").textContent = `${described(options, aim, "each")}, uphill on ${loss}`;
    $("scores").replaceChildren(...core.filter(({ name }) => fates[name]).map((network) =>
      html("tr", {}, html("th", { scope: "row" }, key(network), network.label),
        html("td", {}, views.strip(network, fates[network.name], labels)),
        html("td", {}, html("strong", {}, heldBy(network)), ` of ${fates[network.name].length}`))));
  }

  // Views of what the state holds -------------------------------------------------------------------------------------

  /* How wide a chart can be drawn there, in pixels, so that its words keep their size. */
  const room = (place, most) => Math.min(most, place.parentElement.clientWidth);

  function drawFall() {
    const lines = ready(core).map((network) => {
      const [walk, label] = [state.walks[network.name], labelFor(network.name)];
      const shares = walk.map(({ logits }) => softmax(logits, state.temperature)[label]);
      return { network, shares, fall: laboratory.givesIn(walk, label) };
    });
    $("fall").replaceChildren(views.fall(lines, state.step, room($("fall"), 680)));
  }

  function drawFeature() {
    const [head, { features }] = [state.heads[state.network], now(state.network)];
    const walk = (state.walks?.[state.network] ?? [state.seen[state.network]]).map((one) => one.features);
    const reach = 1.2 * Math.max(...walk.map(length));
    const shown = {
      ray: views.ray(head, features, room($("ray"), 520)),
      plane: views.plane(head, features, walk.slice(0, state.step + 1), $("bias").value / 100, reach),
    };
    for (const [id, { picture, told }] of Object.entries(shown)) {
      $(id).replaceChildren(picture);
      $(`${id}-told`).textContent = told;
    }
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
    const whole = ready(narrow).filter(({ name }) => state.seen[name] && inTwo[name]?.length === labels.length);
    $("two").replaceChildren(...whole.map(({ name, label }) => {
      const zoom = 2 ** $("far").value;
      const { picture, told } = views.two(state.heads[name], inTwo[name], labels, state.seen[name].features, zoom);
      return html("figure", {}, html("h3", {}, capital(label)), picture, html("figcaption", {}, told));
    }));
  }

  // The page ----------------------------------------------------------------------------------------------------------

  function draw() {
    if (!state.seen[state.network]) return;
    drawAnswers();
    drawAttack();
    drawFeature();
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
    $("all").addEventListener("click", attackAll);
    addEventListener("resize", draw);
  }

  async function begin() {
    prepareTheme($("theme"));
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
