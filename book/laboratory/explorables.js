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

  /* Errors of predictions in bins: count, mean confidence, and how many are right. */
  function calibrationOf([count, confidence, right]) {
    const all = count.reduce((a, b) => a + b);
    const off = count.map((images, bin) => (images * confidence[bin] - right[bin]) / all);
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
  const clamp = (value, most) => Math.min(most, Math.max(-most, value));

  // The gap law of chapter 5 ------------------------------------------------------------------------------------------

  /* points: [{text, label, color, marker, gap, taken, change}, …], comparisons with the baseline, in points of a
     hundred.  Those with about the lowering that is chosen stand out. */
  function gapLaw({ points }, ui, { line, circle, word, svg, mark, chart }) {
    const most = Math.ceil(Math.max(...points.flatMap(({ gap, taken }) => [Math.abs(gap), taken])) / 5) * 5;
    const which = ui.choice("comparison", points.map(({ text }) => text));
    const gap = ui.slider("baseline’s gap g", [points[0].gap, -most, most, 0.1], (value) => plain(value));
    const taken = ui.slider("taken off it, Δ", [points[0].taken, 0, most, 0.1], (value) => plain(value));
    const width = ui.width(620);
    const axis = { from: -most, to: most, ticks: [-most, -most / 2, 0, most / 2, most] };
    const places = () => chart("change of the calibration error against the baseline’s confidence gap", [width, 330],
      [40, 14, 24, 36], { ...axis, label: "the baseline’s confidence gap g (points)" },
      { ...axis, label: "change of ECE (points)" });
    ui.take((hold) => {
      if (hold !== "gap" && hold !== "turn") {
        which.value = hold;
        choose();
        return () => {};
      }
      return ([x]) => {
        const value = -most + ((x - 40) / (width - 54)) * 2 * most;
        if (hold === "gap") gap.value = value;
        else taken.value = 2 * value;
      };
    });
    const choose = () => [gap.value, taken.value] = [points[which.value].gap, points[which.value].taken];
    return (changed) => {
      if (changed === which) choose();
      const [g, delta, own] = [Number(gap.value), Number(taken.value), points[which.value]];
      const { box, x, y } = places();
      const bent = [-most, 0, delta, most].map((value) => [x(value), y(law(value, delta))]);
      box.append(line([[x(-most), y(0)], [x(most), y(0)]], { class: "axis" }),
        line([[x(delta / 2), y(-most)], [x(delta / 2), y(most)]], { class: "axis", "stroke-dasharray": "3 3" }),
        word(x(delta / 2) + 5, y(most) + 12, `Δ/2 = ${plain(delta / 2)}`),
        line(bent, { stroke: "currentColor", "stroke-width": 2 }));
      points.forEach((one, place) => {
        const like = Math.abs(one.taken - delta) <= Math.max(1, delta / 5);
        const shape = mark(one, x(one.gap), y(one.change));
        shape.setAttribute("opacity", like || one === own ? 1 : 0.25);
        shape.dataset.hold = place;
        shape.append(svg("title", {}, one.text));
        box.append(shape);
      });
      const handle = (at, hold) => {
        const ring = circle(at, 11, { class: "handle", "data-hold": hold });
        box.append(ring);
      };
      box.append(circle([x(own.gap), y(own.change)], 8, { fill: "none" }));
      handle([x(delta / 2), y(0)], "turn");
      handle([x(g), y(law(g, delta))], "gap");
      const change = law(g, delta);
      const how = Math.abs(change) < 0.05 ? "does not change" : `${change < 0 ? "falls" : "rises"} by ${plain(Math.abs(change))}`;
      const side = g > delta / 2 ? "right" : "left";
      return {
        pictures: [box],
        said: `A baseline with a gap of ${plain(g)} points, of which ${plain(delta)} are taken off: by the law ECE ` +
          `${how}. The sign changes at g = ${plain(delta / 2)}; this baseline is ${side} of it. ` +
          `Measured, ${own.text}: a gap of ${plain(own.gap)}, ${plain(own.taken)} taken off, ECE ` +
          `${signed(own.change)}; the rest is ${signed(own.change - law(own.gap, own.taken))}.`,
      };
    };
  }

  // MaxSup's field, chapter 7 -----------------------------------------------------------------------------------------

  /* plane: two directions of three logits; points: of it, where arrows stand; looks: of the three losses. */
  function maxsupField({ plane, points, looks }, ui, { svg, line, circle, word, chart, picture, square, drawRegions, colorOf }) {
    const [REACH, NAMES, SIDE] = [4.6, ["A", "B", "C"], 400];
    const digits = (value) => plain(value, 2);
    const [start, most] = [[0.5, 2, -1], 2.8];
    const sliders = NAMES.map((name, place) => ui.slider(`logit of ${name}${place ? "" : ", the true class"}`,
      [start[place], -most, most, 0.05], digits));
    const strength = ui.slider("strength α", [0.4, 0, 1, 0.05], digits);
    const shown = ui.choice("arrows", ["cross-entropy", "with label smoothing", "with MaxSup", "what label smoothing adds",
      "what MaxSup adds"]);
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
      drawRegions(part, NAMES.map((_, label) => plane.map((direction) => direction[label])), [0, 0, 0], REACH, () => 0.25,
        false);
      const parts = [[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]][shown.value];
      const ahead = (at, force, times) => at.map((value, axis) => value + times * force[axis]);
      for (const at of points) {
        const { forces } = forcesOn(lift(at), alpha);
        const force = flat([0, 1, 2].map((label) => dot(parts, forces.map((one) => one[label]))));
        inside.append(arrow(place(ahead(at, force, -0.4)), place(ahead(at, force, 0.4)), { class: "faint" }));
      }
      NAMES.forEach((name, label) => {
        const at = plane.map((direction) => 4 * 1.22 * 0.9 * direction[label]);
        inside.append(word(...place(at), name, { "text-anchor": "middle", class: "halo", "font-weight": 700 }));
      });
      const { p, top, forces, rates } = forcesOn(logits, alpha);
      const here = flat(logits);
      forces.forEach((force, loss) => inside.append(arrow(place(here), place(ahead(here, flat(force), 1.7)),
        { stroke: colorOf(looks[loss]), "stroke-width": 3 })));
      inside.append(circle(place(here), 11, { class: "handle", "data-hold": "logits" }));
      box.append(inside);

      const bars = chart("how fast each loss changes the log-probability of the leading class", [ui.width(330), 190],
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
        ? `A leads, rightly: cross-entropy ${ce}, and both penalties add the same, −α (1 − p(A)) = ${ls}.`
        : `${NAMES[top]} leads, wrongly: cross-entropy ${ce}; label smoothing adds α p(A) = ${ls}, MaxSup ` +
          `−α (1 − ${share(top)}) = ${ms}. Whole losses: ${both[0]} and ${both[1]}.`;
      return { pictures: [box, bars.box], said: `${chances}. ${said}` };
    };
  }

  return { law, forcesOn, calibrationOf, nearestApex, pictures: { "gap-law": gapLaw, "maxsup-field": maxsupField } };
}

if (typeof module !== "undefined") module.exports = makeExplorables;
