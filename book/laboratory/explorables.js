/* The chapters' explorables: pictures whose numbers the reader moves. _static/explorables.js puts them into a page.

   Each is a function of its data, of controls, and of views.js, and gives one that draws: what has been changed ->
   {pictures, said}, elements and the result in words. */
function makeExplorables(laboratory) {
  "use strict";
  const { softmax, largest, dot } = laboratory;

  // Numbers: the tests compare them with torch's ----------------------------------------------------------------------

  /* What ECE changes by, up to a rest, if a method takes `taken` off a confidence gap. */
  const law = (gap, taken) => Math.abs(gap - taken) - Math.abs(gap);

  /* Forces on logits, of which the first is the true one: cross-entropy's, what label smoothing adds, what MaxSup adds;
     and how fast a step along each changes the log-probability of the class that leads. */
  function forcesOn(logits, alpha) {
    const p = softmax(logits);
    const top = largest(logits);
    const towards = (label) => p.map((_, place) => alpha * (1 / p.length - (place === label)));
    const forces = [p.map((share, place) => (place === 0) - share), towards(0), towards(top)];
    return { p, top, forces, rates: forces.map((force) => force[top] - dot(p, force)) };
  }

  /* Calibration error and confidence gap of predictions in bins: count, mean confidence, and share of right ones. */
  function calibrationOf([count, confidence, accuracy]) {
    const all = count.reduce((a, b) => a + b);
    const off = count.map((images, bin) => (images * (confidence[bin] - accuracy[bin])) / all);
    return { ece: off.reduce((a, b) => a + Math.abs(b), 0), gap: off.reduce((a, b) => a + b, 0) };
  }

  /* The point of the plane at which all logits are as nearly equal as they can be (least squares): softlab's apex. */
  function nearestApex(weight, bias) {
    const centred = laboratory.centred({ weight: weight.flat(), bias, outputs: bias.length, inputs: 2 });
    const [x, y] = [0, 1].map((axis) => centred.rows.map((row) => row[axis]));
    const [xx, xy, yy, xb, yb] = [dot(x, x), dot(x, y), dot(y, y), dot(x, centred.bias), dot(y, centred.bias)];
    return [xy * yb - yy * xb, xy * xb - xx * yb].map((value) => value / (xx * yy - xy ** 2));
  }

  const signed = (value, digits = 1) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  const plain = (value, digits = 1) => value.toFixed(digits).replace("-", "−");
  /* The largest of …, 1, 2, 5, 10, … that is not above a value. */
  const roundBelow = (value) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [5, 2, 1].find((digit) => digit * power <= value);
  };
  const clamp = (value, most) => Math.min(most, Math.max(-most, value));

  // The gap law, chapter 5 --------------------------------------------------------------------------------------------

  /* points: comparisons with the baseline, {text, label, color, marker, gap, taken, rest}, in points of a hundred.
     Those with about the lowering that is chosen stand out. */
  function gapLaw({ points }, ui, { svg, line, circle, word, mark, chart }) {
    const [gaps, lowerings] = ["gap", "taken"].map((part) => points.map((one) => one[part]));
    const fives = (value) => 5 * Math.sign(value) * Math.ceil(Math.abs(value) / 5);
    const most = (values) => Math.max(...values.map(Math.abs));
    const [widest, highest] = [fives(1.8 * most(gaps)), fives(most(lowerings))];
    const [least, lowest] = [Math.min(-0.4 * widest, fives(Math.min(...gaps))), fives(Math.min(0, ...lowerings))];
    const which = ui.choice("comparison", points.map(({ text }) => text));
    const gap = ui.slider("gap g of the baseline", [gaps[0], least, widest, 0.1], plain);
    const taken = ui.slider("Δ, taken off it", [lowerings[0], lowest, highest, 0.1], plain);
    const tens = (from, to) => Array.from({ length: 21 }, (_, place) => 10 * (place - 10))
      .filter((value) => value >= from && value <= to);
    const axis = (from, to, label) => ({ from, to, ticks: tens(from, to), label });
    const across = axis(least, widest, "the baseline’s gap g (points)");
    const up = axis(-widest, highest, "change of ECE (points)");
    const [LEFT, RIGHT] = [40, 16];
    const measured = (one) => law(one.gap, one.taken) + one.rest;
    const choose = () => [gap.value, taken.value] = [points[which.value].gap, points[which.value].taken];
    const width = () => ui.width(620);
    ui.take((hold) => {
      const moved = { gap: (value) => (gap.value = value), turn: (value) => (taken.value = 2 * value) }[hold];
      if (moved) return ([x]) => moved(least + ((widest - least) * (x - LEFT)) / (width() - LEFT - RIGHT));
      which.value = hold;
      choose();
    });
    return (changed) => {
      if (changed === which) choose();
      const [g, delta, own] = [Number(gap.value), Number(taken.value), points[which.value]];
      const { box, x, y } = chart("change of the calibration error against the baseline’s confidence gap",
        [width(), 330], [LEFT, RIGHT, 48, 36], across, up);
      const bent = [least, ...[0, delta].sort((a, b) => a - b).filter((value) => value < widest), widest]
        .map((value) => [x(value), y(law(value, delta))]);
      const turn = [-widest, highest].map((value) => [x(delta / 2), y(value)]);
      box.append(line([[x(least), y(0)], [x(widest), y(0)]], { class: "axis" }),
        line(turn, { class: "axis", "stroke-dasharray": "3 3" }),
        line(bent, { stroke: "currentColor", "stroke-width": 2 }),
        word(x(delta / 2), y(highest) - 14, `Δ/2 = ${plain(delta / 2)}`, { "text-anchor": "middle" }));
      points.forEach((one, place) => {
        const shape = mark(one, x(one.gap), y(measured(one)));
        shape.setAttribute("opacity", Math.abs(one.taken - delta) <= Math.max(1, delta / 5) || one === own ? 1 : 0.4);
        shape.dataset.hold = place;
        shape.append(svg("title", {}, one.text));
        box.append(shape);
      });
      box.append(circle([x(own.gap), y(measured(own))], 9, { fill: "none" }),
        circle([x(delta / 2), y(highest)], 9, { class: "handle", "data-hold": "turn" }),
        circle([x(g), y(law(g, delta))], 11, { class: "handle", "data-hold": "gap" }));
      const change = law(g, delta);
      const how = Math.abs(change) < 0.05 ? "stays" : `${change < 0 ? "falls" : "rises"} by ${plain(Math.abs(change))}`;
      const where = delta ? `; it changes sign where the gap is ${plain(delta / 2)}` : "";
      const said = `Gap ${plain(g)}, of which ${plain(delta)} are taken off: by the law ECE ${how}${where}. Measured, ` +
        `${own.text}: gap ${plain(own.gap)}, taken off ${plain(own.taken)}, ECE ${signed(measured(own))}, of which ` +
        `${signed(own.rest)} is rest.`;
      return { pictures: [box], said };
    };
  }

  // Reliability, chapter 5 --------------------------------------------------------------------------------------------

  /* methods: name -> {label, color, marker, T, nll, bins} of one network each; nll and bins at each temperature of T,
     of which the last is its own fitted one. */
  function reliability({ methods: named }, ui, { html, svg, key, line, mark, chart, listed, colorOf }) {
    const methods = Object.values(named);
    const temperatures = methods[0].T.slice(0, -1);
    const heat = ui.slider("temperature T", [temperatures.indexOf(1), 0, temperatures.length - 1, 1],
      (place) => temperatures[place].toFixed(2));
    const each = ui.tick(["each at its own fitted temperature"]);
    const ticks = methods.map((one) => ui.tick([key(one), one.label], true));
    return () => {
      const place = each.checked ? temperatures.length : Number(heat.value);
      const { box, x, y } = chart("share of right predictions against confidence, in fifteen bins",
        [ui.width(310), 300], [42, 16, 24, 36], { from: 0, to: 1, ticks: [0, 0.5, 1], label: "confidence" },
        { from: 0, to: 1, ticks: [0, 0.5, 1], label: "share right" });
      box.append(line([[x(0), y(0)], [x(1), y(1)]], { class: "axis", "stroke-dasharray": "3 3" }));
      const shown = methods.filter((_, index) => ticks[index].checked).map((one) => {
        const [count, confidence, accuracy] = one.bins[place];
        const all = count.reduce((a, b) => a + b);
        const some = count.map((_, bin) => bin).filter((bin) => count[bin]);
        const points = some.map((bin) => [x(confidence[bin]), y(accuracy[bin])]);
        box.append(line(points, { stroke: colorOf(one), "stroke-width": 1.5 }), ...points.map(([across, up], index) => {
          const size = 0.35 + 1.6 * Math.sqrt(count[some[index]] / all);
          return svg("g", { transform: `translate(${across} ${up}) scale(${size})` }, mark(one, 0, 0));
        }));
        return { ...one, ...calibrationOf(one.bins[place]), nll: one.nll[place], T: one.T[place] };
      });
      const cells = ({ T, ece, nll }) => [T.toFixed(2), plain(100 * ece), nll.toFixed(3)];
      const table = html("table", { class: "table" },
        html("thead", {}, html("tr", {}, ...["network", "T", "ECE %", "NLL"].map((text) =>
          html("th", { scope: "col" }, text)))),
        html("tbody", {}, ...shown.map((one) => html("tr", {}, html("th", { scope: "row" }, key(one), one.label),
          ...cells(one).map((text) => html("td", {}, text))))));
      const by = (part) => [...shown].sort((a, b) => a[part] - b[part]).map(({ label }) => label);
      const sure = (side) => shown.filter(({ gap }) => Math.sign(gap) === side).map(({ label }) => label);
      const sides = [[1, "Too sure"], [-1, "Not sure enough"]].filter(([side]) => sure(side).length)
        .map(([side, text]) => `${text}: ${listed(sure(side))}.`);
      const at = each.checked ? "Each at its own temperature" : `T = ${temperatures[place].toFixed(2)}`;
      const said = shown.length
        ? `${at}. Smallest ECE: ${by("ece")[0]}; smallest NLL: ${by("nll")[0]}. ${sides.join(" ")}`
        : "No method is chosen.";
      return { pictures: shown.length ? [box, table] : [box], said };
    };
  }

  // Two features ------------------------------------------------------------------------------------------------------

  const size = (rows) => Math.max(...rows.flat().map(Math.abs));

  /* A cross at the origin of a square, and a star at the nearest thing to an apex. */
  function originAndApex(place, apex, { svg, word }) {
    const [x, y] = place([0, 0]);
    return [svg("path", { d: `M${x - 6} ${y}h12M${x} ${y - 6}v12`, class: "cross" }),
      word(...place(apex), "★", { "text-anchor": "middle", dy: 6, "font-size": 18, class: "halo" })];
  }

  // Both networks at once, on the cover -------------------------------------------------------------------------------

  /* The data are those of `cones`, whose second network is plainly trained: here it comes first. Axes stay as they are
     after the last epoch. */
  function planes({ labels, networks: named }, ui, views) {
    const { word, chart, square, drawRegions, drawDots, drawContours, closed } = views;
    const [LEFT, RIGHT, EDGE, GAP] = [28, 2, 18, 12]; // EDGE: above and below a plane; GAP: between the two pictures
    const networks = Object.entries(named).reverse();
    const epochs = networks[0][1].map(([epoch]) => epoch);
    const last = epochs.length - 1;
    const time = ui.slider("epoch", [last, 0, last, 1], (place) => epochs[place]);
    return () => {
      const width = (ui.width(1000) - GAP) / 2;
      const side = width - LEFT - RIGHT;
      const seen = networks.map(([name, states]) => {
        const [, rows, bias, features] = states[time.value];
        const reach = 1.15 * size(states[last][3]);
        const bounded = laboratory.bounded(rows, bias);
        const tick = roundBelow(0.8 * reach);
        const axis = { from: -reach, to: reach, ticks: [-tick, 0, tick], label: "" };
        const { box } = chart(`${name}: the plane of two features`, [width, side + 2 * EDGE],
          [LEFT, RIGHT, EDGE, EDGE], axis, axis);
        const part = square(reach, LEFT, EDGE, side);
        drawRegions(part, rows, bias, reach, (label) => (bounded[label] ? 0.6 : 0.35), false);
        drawContours(part, rows, bias, reach, [0.5, 0.9, 0.99]);
        drawDots(part, features, labels, Math.max(1.6, side / 110));
        part.inside.append(...originAndApex(part.place, nearestApex(rows, bias), views));
        box.append(part.inside, word(LEFT + side / 2, EDGE - 6, name, { "text-anchor": "middle" }));
        return { box, said: `${name}: ${closed(bounded)}` };
      });
      const said = [`Epoch ${epochs[time.value]}.`, ...seen.map((one) => one.said)].join(" ");
      return { pictures: seen.map(({ box }) => box), said };
    };
  }

  // Cones of two features, chapter 2 ----------------------------------------------------------------------------------

  /* networks: name -> its states, [epoch, weight (K rows of 2), bias, features] each; labels: of the features'
     images. */
  function cones({ classes, labels, networks: named }, ui, views) {
    const { circle, wholePlane, hullOfRows, closed, rounded } = views;
    const [names, networks] = [Object.keys(named), Object.values(named)];
    const last = networks[0].length - 1;
    const longest = Math.ceil(1.2 * Math.max(...networks.map((states) => size(states[last][1]))));
    const which = ui.choice("network", names);
    const time = ui.slider("epoch", [last, 0, last, 1], (place) => networks[0][place][0]);
    const share = ui.slider("bias", [100, 0, 300, 5], (value) => `${value} %`);
    const zoom = ui.slider("zoom out", [0, -2, 5, 0.5], (value) => `× ${rounded(2 ** value)}`);
    const label = ui.choice("row of", classes);
    const axes = ["across", "up"].map((text, axis) =>
      ui.slider(text, [networks[0][last][1][0][axis], -longest, longest, 0.01], (value) => plain(value, 2)));
    const moved = new Map(); // label -> a row that is not the trained one
    const state = () => networks[which.value][time.value];
    const most = () => 1.1 * size(state()[1]);
    ui.take((hold) => {
      label.value = hold;
      return ([x, y]) => moved.set(hold, [x - 200, 135 - y].map((value) => (value * most()) / 115));
    });
    return (changed) => {
      if (changed && ![...axes, label, share, zoom].includes(changed)) moved.clear();
      if (axes.includes(changed)) moved.set(label.value, axes.map((one) => Number(one.value)));
      const [epoch, weight, trained, features] = state();
      const rows = weight.map((row, place) => moved.get(String(place)) ?? row);
      if (!axes.includes(changed)) axes.forEach((one, axis) => (one.value = rows[label.value][axis]));
      const bias = trained.map((value) => (value * share.value) / 100);
      const bounded = laboratory.bounded(rows, bias);
      const reach = 1.15 * size(features) * 2 ** zoom.value;
      const { box, inside, place } = wholePlane({ rows, bias }, features, labels, reach, bounded);
      const apex = nearestApex(rows, bias);
      inside.append(...originAndApex(place, apex, views));
      const hull = hullOfRows(rows, most(), bounded);
      rows.forEach((row, place) => hull.box.append(circle(hull.place(row), 15,
        { class: `handle${String(place) === label.value ? "" : " other"}`, "data-hold": place })));
      const nowhere = laboratory.regions(rows, bias, [0, 0], 1e4 * reach)
        .flatMap((polygon, place) => (polygon.length > 2 ? [] : classes[place]));
      const said = `${names[which.value]}, epoch ${epoch}` +
        `${moved.size ? `, moved: ${[...moved.keys()].map((place) => classes[place]).join(", ")}` : ""}. ` +
        `${closed(bounded)} ${nowhere.length ? `Nowhere the largest: ${nowhere.join(", ")}. ` : ""}` +
        `The nearest thing to an apex (star) is ${rounded(Math.hypot(...apex))} from the origin (cross).`;
      return { pictures: [hull.box, box], said: said[0].toUpperCase() + said.slice(1) };
    };
  }

  // Park's cosine, chapter 4 ------------------------------------------------------------------------------------------

  /* Three classes, so the head reads two dimensions of a feature: there the rows point a third of a turn apart. All that
     it does not read is drawn as one dimension more.
     networks: {text, share, cosine}: means on record.  length: of the feature.  gain: a logit's, of a read part. */
  function parkProduct({ networks, length, gain }, ui, { line, circle, word, chart }) {
    const [MOST, EDGE, NAMES] = [1.2 * length, 26, ["boot", "bag", "coat"]];
    const digits = (value) => plain(value, 2);
    const which = ui.choice("network", networks.map(({ text }) => text));
    const parts = ({ share, cosine }) =>
      [share * length, Math.sqrt(1 - share ** 2) * length, (Math.acos(cosine) * 180) / Math.PI];
    const [ownRead, ownUnread, ownTurn] = parts(networks[0]);
    const read = ui.slider("read part", [ownRead, 0, MOST, 0.02], digits);
    const unread = ui.slider("unread part", [ownUnread, 0, MOST, 0.02], digits);
    const turn = ui.slider("turn of the read part", [ownTurn, -180, 180, 1], (value) => `${plain(value, 0)}°`);
    const choose = () => [read.value, unread.value, turn.value] = parts(networks[which.value]);
    const side = () => ui.width(300);
    ui.take((hold) => {
      const scale = hold === "feature" ? MOST / (side() - 2 * EDGE) : (2 * MOST) / (side() - 2 * EDGE);
      if (hold === "feature") return ([x, y]) => {
        [read.value, unread.value] = [(x - EDGE) * scale, (side() - EDGE - y) * scale];
      };
      return ([x, y]) => {
        const [across, up] = [(x - side() / 2) * scale, (side() / 2 - y) * scale];
        [read.value, turn.value] = [Math.hypot(across, up), (Math.atan2(across, up) * 180) / Math.PI];
      };
    });
    return (changed) => {
      if (changed === which) choose();
      const [r, u, angle] = [Number(read.value), Number(unread.value), (Number(turn.value) * Math.PI) / 180];
      const [share, cosine] = [r / (Math.hypot(r, u) || 1), Math.cos(angle)];
      const size = [[side(), side()], [EDGE, EDGE, EDGE, EDGE]];
      const axis = (from, label) => ({ from, to: MOST, ticks: [0], label });
      const beside = chart("a feature from the side: what the head reads, and what it does not", ...size,
        axis(0, "read by the head"), axis(0, "not read"));
      const tip = [beside.x(r), beside.y(u)];
      const foot = [tip[0], beside.y(0)];
      beside.box.append(line([tip, foot], { class: "axis", "stroke-dasharray": "3 3" }),
        line([[beside.x(0), beside.y(0)], foot], { stroke: "currentColor", "stroke-width": 4 }),
        line([[beside.x(0), beside.y(0)], tip], { stroke: "currentColor", "stroke-width": 2 }),
        word(tip[0], tip[1] - 16, `s = ${digits(share)}`, { "text-anchor": "middle", class: "halo" }),
        circle(tip, 11, { class: "handle", "data-hold": "feature" }));
      const above = chart("the read part from above, among three classes", ...size, axis(-MOST, ""), axis(-MOST, ""));
      const at = (direction, far) => [above.x(far * Math.sin(direction)), above.y(far * Math.cos(direction))];
      const third = (2 * Math.PI) / 3;
      NAMES.forEach((name, label) => above.box.append(
        line([at(0, 0), at(label * third, 0.85 * MOST)], { class: "axis" }),
        line([at(0, 0), at((label + 0.5) * third, MOST)], { class: "axis", "stroke-dasharray": "3 3" }),
        word(...at(label * third, 0.95 * MOST), name, { "text-anchor": "middle", class: "halo", "font-weight": 700 })));
      const needle = at(angle, r);
      above.box.append(line([at(0, 0), needle], { stroke: "currentColor", "stroke-width": 4 }),
        word(needle[0], needle[1] + 24, `v = ${digits(cosine)}`, { "text-anchor": "middle", class: "halo" }),
        circle(needle, 11, { class: "handle", "data-hold": "needle" }));
      const logits = NAMES.map((_, label) => gain * r * Math.cos(angle - label * third));
      const named = NAMES.map((name, label) => `${name} ${digits(logits[label])}`).join(", ");
      const said = `The head reads s = ${digits(share)} of the feature, and that part points at boot with ` +
        `v = ${digits(cosine)}. Park’s cosine is s · v = ${digits(share * cosine)}. Logits: ${named}; ` +
        `p(boot) = ${digits(softmax(logits)[0])}.`;
      return { pictures: [beside.box, above.box], said };
    };
  }

  // MaxSup's field, chapter 7 -----------------------------------------------------------------------------------------

  /* plane: two directions of three logits; points: of it, where arrows stand; looks: of the three losses. */
  function maxsupField({ plane, points, looks }, ui, views) {
    const { svg, line, circle, word, chart, picture, square, drawRegions, colorOf } = views;
    const [REACH, NAMES, SIDE] = [4.6, ["boot", "bag", "coat"], 400];
    const digits = (value) => plain(value, 2);
    const [start, most] = [[0.5, 2, -1], 2.8];
    const sliders = NAMES.map((name, place) => ui.slider(`logit of ${name}${place ? "" : " (true)"}`,
      [start[place], -most, most, 0.05], digits));
    const strength = ui.slider("strength α", [0.4, 0, 1, 0.05], digits);
    const shown = ui.choice("arrows", ["cross-entropy", "with label smoothing", "with MaxSup",
      "what label smoothing adds", "what MaxSup adds"]);
    const flat = (logits) => plane.map((direction) => dot(direction, logits));
    const lift = ([x, y]) => plane[0].map((value, place) => x * value + y * plane[1][place]);
    ui.take(() => ([x, y]) => {
      const logits = lift([(2 * x) / SIDE - 1, 1 - (2 * y) / SIDE].map((value) => REACH * value));
      sliders.forEach((slider, place) => (slider.value = clamp(logits[place], most)));
    });

    function arrow([fromX, fromY], [toX, toY], look) {
      const size = Math.hypot(toX - fromX, toY - fromY);
      if (size < 0.5) return svg("g");
      const [x, y] = [(toX - fromX) / size, (toY - fromY) / size];
      const head = Math.min(7, size / 2);
      const barb = (side) => [toX - head * (x + side * 0.6 * y), toY - head * (y - side * 0.6 * x)];
      return svg("g", look, line([[fromX, fromY], [toX, toY]], {}), line([barb(1), [toX, toY], barb(-1)], {}));
    }

    return () => {
      const [logits, alpha] = [sliders.map((one) => Number(one.value)), Number(strength.value)];
      const box = picture("the plane of three logits", SIDE, SIDE);
      const part = square(REACH, 0, 0, SIDE);
      const { inside, place } = part;
      const rows = NAMES.map((_, label) => plane.map((direction) => direction[label]));
      drawRegions(part, rows, [0, 0, 0], REACH, () => 0.25, false);
      const parts = [[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]][shown.value];
      const ahead = (at, force, times) => at.map((value, axis) => value + times * force[axis]);
      for (const at of points) {
        const { forces } = forcesOn(lift(at), alpha);
        const force = flat([0, 1, 2].map((label) => dot(parts, forces.map((one) => one[label]))));
        inside.append(arrow(place(ahead(at, force, -0.4)), place(ahead(at, force, 0.4)), { class: "faint" }));
      }
      NAMES.forEach((name, label) => inside.append(word(...place(rows[label].map((value) => 4.4 * value)), name,
        { "text-anchor": "middle", class: "halo", "font-weight": 700 })));
      const { p, top, forces, rates } = forcesOn(logits, alpha);
      const here = flat(logits);
      inside.append(circle(place(here), 14, { class: "handle", "data-hold": "logits" }), ...forces.map((force, loss) =>
        arrow(place(here), place(ahead(here, flat(force), 2.2)),
          { stroke: colorOf(looks[loss]), "stroke-width": 3, "pointer-events": "none" })));
      box.append(inside);

      const bars = chart("how fast each loss changes the log-probability of the leading class", [ui.width(304), 190],
        [20, 20, 30, 36], { from: -1, to: 1, ticks: [-1, 0, 1], label: `rate of log p(${NAMES[top]}), which leads` },
        { from: 0, to: 3, ticks: [], label: "" });
      ["cross-entropy", "label smoothing adds", "MaxSup adds"].forEach((text, loss) => {
        const [y, ends] = [bars.y(2.35 - loss), [bars.x(0), bars.x(rates[loss])]];
        bars.box.append(word(bars.x(0), y - 8, `${text} ${signed(rates[loss], 3)}`, { "text-anchor": "middle" }),
          line(ends.map((x) => [x, y + 5]), { stroke: colorOf(looks[loss]), "stroke-width": 12 }));
      });
      bars.box.append(line([[bars.x(0), bars.y(0)], [bars.x(0), bars.y(3) - 14]], { class: "axis" }));

      const share = (label) => `p(${NAMES[label]})`;
      const chances = p.map((value, label) => `${share(label)} = ${digits(value)}`).join(", ");
      const [ce, ls, ms] = rates.map((value) => signed(value, 3));
      const both = rates.slice(1).map((value) => signed(rates[0] + value, 3));
      const said = top === 0
        ? `${NAMES[0]} leads, rightly: cross-entropy ${ce}, and both penalties add the same, −α (1 − ${share(0)}) = ${ls}.`
        : `${NAMES[top]} leads, wrongly: cross-entropy ${ce}; label smoothing adds α ${share(0)} = ${ls}, MaxSup ` +
          `−α (1 − ${share(top)}) = ${ms}. Whole losses: ${both[0]} and ${both[1]}.`;
      return { pictures: [box, bars.box], said: `${chances}. ${said}` };
    };
  }

  // Margin over slope, chapter 6 --------------------------------------------------------------------------------------

  /* networks: {text, label, color, marker, scene, attack, seeds: name -> [slope, margin, attacked]}: changes of the mean
     logarithms beside plain training, and of accuracy under attack in points. plain: its looks. The first of the seeds
     is their mean. Only networks of the scene of the one that is chosen are seen. */
  function slopePlane({ networks, plain: baseline }, ui, { svg, line, circle, word, mark, chart }) {
    const [LEFT, RIGHT, TOP, BOTTOM] = [44, 22, 30, 38];
    const which = ui.choice("network", networks.map(({ text }) => text));
    const most = Math.max(...networks.map(({ seeds }) => Object.keys(seeds).length)) - 1;
    const own = () => networks[which.value];
    const seedOf = ({ seeds }, place) => Object.entries(seeds)[Math.min(place, Object.keys(seeds).length - 1)];
    const seed = ui.slider("seed", [0, 0, most, 1], (place) => seedOf(own(), place)[0]);
    const heat = ui.slider("temperature T", [0, -2, 2, 0.05], (power) => (2 ** power).toFixed(2));
    const all = [[0, 0], ...networks.flatMap(({ seeds }) => Object.values(seeds))];
    const span = [0, 1].map((axis) => {
      const values = all.map((place) => place[axis]);
      return [Math.min(...values) - 0.25, Math.max(...values) + 0.25];
    });
    const wide = Math.max(...span.map(([from, to]) => to - from));
    const [across, up] = span.map(([from, to], axis) => {
      const [low, high] = [(from + to - wide) / 2, (from + to + wide) / 2];
      const ticks = [-5, -4, -3, -2, -1, 0, 1, 2].filter((value) => value > low && value < high);
      return { from: low, to: high, ticks, label: `change of log ${["slope", "margin"][axis]}` };
    });
    const side = () => ui.width(440) - LEFT - RIGHT;
    ui.take((hold) => {
      if (hold === "here") { // along its line only: what is moved there is a temperature
        const [slope, margin] = seedOf(own(), seed.value)[1];
        return ([x, y]) => {
          const at = [across.from + (wide * (x - LEFT)) / side(), up.to - (wide * (y - TOP)) / side()];
          heat.value = clamp(-(at[0] - slope + at[1] - margin) / 2 / Math.log(2), 2);
        };
      }
      which.value = hold;
    });
    return (changed) => {
      if (changed === which) heat.value = 0;
      const one = own();
      const [name, [slope, margin, attacked]] = seedOf(one, seed.value);
      const power = Number(heat.value);
      const { box, x, y } = chart("change of log margin against change of log slope",
        [side() + LEFT + RIGHT, side() + TOP + BOTTOM], [LEFT, RIGHT, TOP, BOTTOM], across, up);
      for (const factor of [0.25, 0.5, 1, 2, 4]) {
        const [rise, ends] = [Math.log(factor), []];
        for (const value of [across.from, across.to, up.from - rise, up.to - rise])
          if (value >= across.from - 1e-9 && value <= across.to + 1e-9 && value + rise >= up.from - 1e-9 &&
            value + rise <= up.to + 1e-9) ends.push(value);
        if (ends.length < 2) continue;
        const [low, high] = [Math.min(...ends), Math.max(...ends)];
        box.append(line([low, high].map((value) => [x(value), y(value + rise)]),
          factor === 1 ? { stroke: "currentColor" } : { class: "axis", "stroke-dasharray": "3 3" }),
        word(x(high) - 4, y(high + rise) + (high + rise > up.to - 0.1 ? -4 : 14), `× ${factor}`, { "text-anchor": "end" }));
      }
      const named = (text, at, down) => { // on the side that has room
        const left = at > LEFT + side() / 2;
        return word(at + (left ? -15 : 15), down + 18, text, { class: "halo", "text-anchor": left ? "end" : "start" });
      };
      box.append(mark(baseline, x(0), y(0)));
      const looks = new Map([baseline, ...networks.filter(({ scene }) => scene === one.scene)]
        .map((look) => [look.label, look]));
      [...looks.values()].forEach((look, place) => {
        const down = TOP + 16 + 16 * place;
        box.append(mark(look, LEFT + 14, down), word(LEFT + 24, down + 4, look.label, { class: "halo" }));
      });
      networks.forEach((other, place) => {
        if (other.scene !== one.scene || other === one) return;
        const shape = mark(other, ...[0, 1].map((axis) => [x, y][axis](seedOf(other, seed.value)[1][axis])));
        shape.setAttribute("opacity", 0.45);
        shape.dataset.hold = place;
        shape.append(svg("title", {}, other.text));
        box.append(shape);
      });
      const here = [x(slope - power * Math.log(2)), y(margin - power * Math.log(2))];
      if (power) box.append(line([[x(slope), y(margin)], here], { stroke: "currentColor", "stroke-width": 2 }));
      box.append(mark(one, ...here), named(one.label, ...here), circle(here, 11, { class: "handle", "data-hold": "here" }));
      const times = (value) => Math.exp(value).toFixed(2);
      const many = Math.abs(attacked).toFixed(1);
      const than = attacked < 0 ? "fewer" : "more";
      const said = `${one.text}, ${name}: the margin is ${times(margin)} times plain training’s, the slope ` +
        `${times(slope)} times, so margin over slope is ${times(margin - slope)} times as large. An attack of ` +
        `${one.attack} leaves ${many} points ${than}.` + (power ? ` At temperature ${(2 ** power).toFixed(2)} margin ` +
        `and slope are ${times(-power * Math.log(2))} times what they were, and neither their ratio nor what the ` +
        "attack leaves has changed." : "");
      return { pictures: [box], said };
    };
  }

  const pictures = { "gap-law": gapLaw, "reliability": reliability, "cones": cones, "planes": planes,
    "park-product": parkProduct, "maxsup-field": maxsupField, "slope-plane": slopePlane };
  return { law, forcesOn, calibrationOf, nearestApex, pictures };
}

if (typeof module !== "undefined") module.exports = makeExplorables;
