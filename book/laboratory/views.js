/* Pictures of networks and their heads, as SVG in the colour of the text. Each view is a function of numbers and gives
   an element, or {picture, told}: the picture and what is to be seen in it, in words. */
function makeViews(laboratory, classes) {
  "use strict";
  const { largest, softmax, dot, length } = laboratory;
  // matplotlib's tab10, as in the book's planes
  const CLASS_COLORS = "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf".split(" ")
    .map((one) => `#${one}`);
  const MARKERS = { o: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", s: "M-4.5-4.5h9v9h-9z", "^": "M0-5.5L5.5 4.5h-11z",
    v: "M0 5.5L5.5-4.5h-11z", D: "M0-6L6 0 0 6-6 0z" };

  const maker = (space) => (tag, attributes = {}, ...children) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const html = maker("http://www.w3.org/1999/xhtml");
  const svg = maker("http://www.w3.org/2000/svg");
  const rounded = (value) => String(Number(value.toPrecision(2)));
  const listed = (words) =>
    words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

  // Parts of pictures -------------------------------------------------------------------------------------------------

  const DASHED = { class: "axis", "stroke-dasharray": "3 3" };
  const corners = (points) => points.map((point) => point.map((value) => value.toFixed(1)).join()).join(" ");
  const line = (points, look) => svg("polyline", { points: corners(points), fill: "none", ...look });
  const word = (x, y, text, look = {}) => svg("text", { x, y, ...look }, text);
  const circle = ([cx, cy], r, look) => svg("circle", { cx, cy, r, stroke: "currentColor", ...look });

  /* A network is {label, color, marker}. Plain black would be lost in the dark theme: the text has another colour. */
  const colorOf = ({ color }) => (color === "#000000" ? "currentColor" : color);
  const mark = (network, x, y) =>
    svg("path", { d: MARKERS[network.marker] ?? MARKERS.o, fill: colorOf(network), transform: `translate(${x} ${y})` });
  const key = (network) =>
    svg("svg", { class: "key", viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(network, 0, 0));

  const picture = (label, width, height, look = {}) =>
    svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, ...look });

  /* An empty chart with its axes, and the functions from values to places in it. It is drawn at its size in pixels.
     across, up: {from, to, ticks, label}. */
  function chart(label, [width, height], [left, right, top, bottom], across, up) {
    const x = (value) => left + ((value - across.from) / (across.to - across.from)) * (width - left - right);
    const y = (value) => height - bottom - ((value - up.from) / (up.to - up.from)) * (height - top - bottom);
    const box = picture(label, width, height, { style: `width: ${width}px` });
    box.append(line([[left, top], [left, height - bottom], [width - right, height - bottom]], { class: "axis" }),
      word((left + width - right) / 2, height - 4, across.label, { "text-anchor": "middle" }), word(4, 12, up.label),
      ...across.ticks.map((value) => word(x(value), height - bottom + 15, value, { "text-anchor": "middle" })),
      ...up.ticks.map((value) => word(left - 6, y(value) + 4, value, { "text-anchor": "end" })));
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

  /* A square of a plane around its origin, in a part of a picture: {inside, to draw into, and place: a point of the
     plane -> where it is drawn}. What sticks out is cut. */
  function square(reach, left, top, side) {
    const place = ([x, y]) => [x, -y].map((value) => (side / 2) * (1 + value / reach));
    const inside = svg("svg", { x: left, y: top, width: side, height: side },
      svg("rect", { width: side, height: side, class: "axis paper" }));
    return { inside, place };
  }

  /* The regions of classes in a square, with their names, where there is room, in the middle of what is seen of them. */
  function drawRegions({ inside, place }, rows, bias, reach, opacity, named = true) {
    const seen = laboratory.regions(rows, bias, [0, 0], reach).map((polygon) => polygon.map(place));
    seen.forEach((polygon, label) => polygon.length > 2 && inside.append(svg("polygon", { points: corners(polygon),
      fill: CLASS_COLORS[label], "fill-opacity": opacity(label), stroke: "currentColor", "stroke-width": 0.5 })));
    seen.forEach((polygon, label) => {
      const sides = [0, 1].map((axis) => polygon.map((corner) => corner[axis]));
      const [width, height] = sides.map((side) => Math.max(...side) - Math.min(...side));
      if (!named || polygon.length < 3 || width < 40 || height < 16) return;
      const middle = sides.map((side) => side.reduce((a, b) => a + b) / side.length);
      inside.append(word(...middle, classes[label], { "text-anchor": "middle", class: "halo" }));
    });
  }

  /* A dot for each image in a square. */
  function drawDots({ inside, place }, points, labels, radius) {
    inside.append(...points.map((one, index) => {
      const point = circle(place(one), radius, { fill: CLASS_COLORS[labels[index]] });
      point.append(svg("title", {}, classes[labels[index]])); // for those who do not tell the colours apart
      return point;
    }));
  }

  const CELLS = 48; // along a side of the square
  const TINY = 1e-9; // keeps odds finite

  /* Contours of the confidence, the largest probability, in a square; levels: from a half on. Cells of a grid are cut
     into two triangles each, in which a class's log-odds are taken to be linear: they nearly are. A class that crosses
     a level in a triangle leads at one of its corners. */
  function drawContours({ inside, place }, rows, bias, reach, levels) {
    const steps = [...Array(CELLS + 1).keys()];
    const at = (step) => reach * ((2 * step) / CELLS - 1);
    const corner = (point) => {
      const shares = softmax(rows.map((row, label) => dot(row, point) + bias[label]));
      const odds = Array.from(shares, (share) => Math.log((share + TINY) / (1 - share + TINY)));
      return { place: place(point), odds, leader: largest(shares) };
    };
    const grid = steps.map((up) => steps.map((across) => corner([at(across), at(up)])));
    const inner = steps.slice(1);
    const triangles = inner.flatMap((up) => inner.flatMap((across) => {
      const [first, second] = [grid[up - 1][across - 1], grid[up][across]];
      return [[first, grid[up - 1][across], second], [first, grid[up][across - 1], second]];
    }));
    const segment = ([a, b, c], label, level) => [[a, b], [b, c], [a, c]]
      .filter(([from, to]) => from.odds[label] < level !== to.odds[label] < level)
      .map(([from, to]) => {
        const share = (level - from.odds[label]) / (to.odds[label] - from.odds[label]);
        return from.place.map((value, axis) => (value + share * (to.place[axis] - value)).toFixed(1));
      });
    const crossed = ([a, b, c], label, level) => {
      const below = a.odds[label] < level;
      return below !== b.odds[label] < level || below !== c.odds[label] < level;
    };
    const leaders = triangles.map((triangle) => [...new Set(triangle.map(({ leader }) => leader))]);
    for (const level of levels.map((share) => Math.log(share / (1 - share)))) {
      const d = triangles.flatMap((triangle, index) => leaders[index]
        .filter((label) => crossed(triangle, label, level))
        .map((label) => `M${segment(triangle, label, level).join("L")}`)).join("");
      inside.append(svg("path", { d, class: "contour" }));
    }
  }

  // Views -------------------------------------------------------------------------------------------------------------

  /* Confidence in the class under attack at each step. lines: [{network, shares, fall: step or null}, …]. */
  function fall(lines, step, width) {
    const last = lines[0].shares.length - 1;
    const steps = { from: 0, to: last, ticks: [...new Set([0, Math.round(last / 2), last])], label: "step" };
    const { box, x, y } = chart("confidence in the class under attack at each step, a line for each network",
      [width, 240], [42, 130, 22, 34], steps, { from: 0, to: 1, ticks: [0, 0.5, 1], label: "confidence" });
    box.append(line([[x(step), y(0)], [x(step), y(1)]], DASHED));
    const places = spread(lines.map(({ shares }) => y(shares.at(-1))), 16, y(0));
    lines.forEach(({ network, shares, fall: fallen }, place) => {
      const points = shares.map((share, turn) => [x(turn), y(share)]);
      const look = { stroke: colorOf(network), fill: "none", "stroke-width": 2 };
      box.append(line(points, look), mark(network, ...points[step]), mark(network, x(last) + 18, places[place]),
        word(x(last) + 28, places[place] + 4, network.label));
      if (fallen !== null) box.append(circle(points[fallen], 9, look));
    });
    return box;
  }

  /* A mark for each image that was attacked: filled where the network holds, hollow where it gives in, a stroke where it
     was wrong before; a dot for those to come. Images of one class stand together.
     fates: as of laboratory.fate, of the first images.  labels: of all. */
  function strip(network, fates, labels) {
    const side = 9;
    const apart = 4;
    const last = labels.length - 1;
    const color = colorOf(network);
    const count = (kind) => fates.filter((fate) => fate === kind).length;
    const said = `holds ${count("holds")}, gives in on ${count("falls")}, wrong before on ${count("wrong")}`;
    const box = picture(`${network.label}: ${said}`, (last + 1) * side + labels[last] * apart, 14);
    labels.forEach((label, place) => {
      const x = place * side + label * apart + 1;
      const y = 3;
      const frame = { x, y, width: side - 2, height: side - 1, stroke: color };
      const marks = {
        holds: () => svg("rect", { ...frame, fill: color }),
        falls: () => svg("rect", { ...frame, fill: "none" }),
        wrong: () => line([[x, y + side / 2], [x + side - 2, y + side / 2]], { stroke: "currentColor" }),
        undefined: () => circle([x + side / 2 - 1, y + side / 2], 0.5, { fill: "currentColor" }),
      };
      const mark = marks[fates[place]]();
      mark.append(svg("title", {}, `${classes[label]}: ${SAID[fates[place]] ?? "to come"}`));
      box.append(mark);
    });
    return box;
  }

  const SAID = { holds: "holds", falls: "gives in", wrong: "wrong before the attack" };

  const LONGEST = 4; // times the feature, at most, in the view of its ray

  /* The logits of a head {rows, bias} along the ray of a feature. */
  function ray(head, feature, width) {
    const slopes = head.rows.map((row) => dot(row, feature));
    const stages = laboratory.envelope(head, feature);
    const onset = stages.at(-1).from;
    const end = Math.min(LONGEST, Math.max(2, 1.2 * onset));
    const at = (label, t) => t * slopes[label] + head.bias[label];
    const all = slopes.flatMap((_, label) => [at(label, 0), at(label, end)]);
    const [least, most] = [Math.min(...all), Math.max(...all)];
    const { box, x, y } = chart("a logit for each class along the ray of the feature", [width, 340], [42, 92, 38, 36],
      { from: 0, to: end, ticks: [0, 1, Math.floor(end)], label: "t, times the feature" },
      { from: least, to: most, ticks: [Math.ceil(least), 0, Math.floor(most)], label: "centred logit" });
    const shown = stages.filter(({ from }) => from < end);
    const last = shown.at(-1).label;
    const top = [...shown.map(({ label, from }) => [x(from), y(at(label, from))]), [x(end), y(at(last, end))]];
    box.append(line(top, { stroke: "currentColor", "stroke-width": 7, opacity: 0.25 }));
    const places = spread(slopes.map((_, label) => y(at(label, end))), 14, y(least) + 8);
    slopes.forEach((_, label) => {
      const stroke = CLASS_COLORS[label];
      box.append(line([[x(0), y(at(label, 0))], [x(end), y(at(label, end))]], { stroke, "stroke-width": 2 }),
        line([[x(end), y(at(label, end))], [x(end) + 10, places[label]]], { stroke }),
        word(x(end) + 13, places[label] + 4, classes[label], label === last ? { "font-weight": 700 } : {}));
    });
    const apart = Math.abs(onset - 1) > 0.08 * end; // else one line stands for both
    for (const [t, text] of apart ? [[1, "f"], [onset, "t₀"]] : [[onset, "t₀, f"]])
      if (t < end) box.append(line([[x(t), y(least)], [x(t), y(most)]], DASHED),
        word(x(t), 32, text, { "text-anchor": "middle", class: "halo" }));
    const way = stages.slice(1).map(({ from }, place) => `${classes[stages[place].label]} up to t = ${rounded(from)}`);
    const ever = classes[stages.at(-1).label];
    const told = way.length
      ? `As the feature grows from nothing: ${way.join(", ")} (this is t₀), then ${ever} for ever. ` +
        "The pale band follows the largest logit."
      : `The class is ${ever} at every length: t₀ = 0.`;
    return { picture: box, told };
  }

  /* The plane through origin, apex and a feature, so its regions are those that the feature meets; the steps of its way
     are projected on it. Around the origin it is drawn once more, magnified: the apex is near.
     share: how much of the bias is left, in [0, 1].  reach: how far the plane is seen. */
  function plane({ rows, bias }, feature, way, share, reach) {
    const trained = laboratory.apex({ rows, bias });
    const across = trained.map((value) => value / length(trained));
    const rest = Array.from(feature, (value, place) => value - dot(feature, across) * across[place]);
    const up = rest.map((value) => value / length(rest));
    const flat = (vector) => [dot(vector, across), dot(vector, up)];
    const [left, apex] = [bias, trained].map((vector) => vector.map((value) => share * value));
    const near = 2.5 * length(trained);
    const box = picture("the plane of origin, apex and feature", 400, 545);
    for (const [extent, top, side] of [[reach, 0, 400], [near, 415, 130]]) {
      const part = square(extent, 0, top, side);
      const { inside, place } = part;
      drawRegions(part, rows.map(flat), left, extent, () => 0.35, extent === reach);
      const [middle, here, points] = [place([0, 0]), place(flat(feature)), way.map((one) => place(flat(one)))];
      const [x, y] = middle;
      inside.append(line([middle, here], { stroke: "currentColor", "stroke-dasharray": "4 3" }),
        line(points, { stroke: "currentColor" }), ...points.map((one) => circle(one, 2.5, { fill: "currentColor" })),
        ...(extent === near ? [svg("path", { d: `M${x - 6} ${y}h12M${x} ${y - 6}v12`, class: "cross" })] : []),
        circle(place(flat(apex)), 4, { fill: "var(--background)", "stroke-width": 2 }),
        circle(here, 6, { fill: "currentColor", stroke: "var(--background)" }));
      box.append(inside);
    }
    box.append(word(142, 485, `around the origin, × ${rounded(((reach / near) * 130) / 400)}`));
    const answer = largest(rows.map((row, label) => dot(row, feature) + left[label]));
    const told = `Ring: the apex, ${rounded(length(apex))} from the origin (cross), where all borders meet. ` +
      `Large dot: the feature, ${length(feature).toFixed(2)} long, ${classes[answer]}` +
      `${way.length > 1 ? "; small dots: its steps, as they fall on this plane" : ""}.`;
    return { picture: box, told };
  }

  /* The whole plane of two features, and the place of a point in it; bounded classes are filled.
     points: features of images, of these labels.  reach: how far it is seen. */
  function wholePlane({ rows, bias }, points, labels, reach, bounded) {
    const part = square(reach, 0, 0, 400);
    drawRegions(part, rows, bias, reach, (label) => (bounded[label] ? 0.8 : 0.25));
    drawDots(part, points, labels, 3.5);
    const box = picture("the plane of two features", 400, 400);
    box.append(part.inside);
    return { box, ...part };
  }

  /* The rows of a head with two features, and their hull.  most: the largest number that has to fit. */
  function hullOfRows(rows, most, bounded) {
    const place = ([x, y]) => [200 + (115 * x) / most, 135 - (115 * y) / most];
    const box = picture("the rows of the head, and their hull", 400, 270);
    box.append(svg("polygon", { points: corners(laboratory.hull(rows).map(place)), class: "axis" }));
    rows.map(place).forEach(([x, y], label) => {
      const [shift, anchor] = x < 200 ? [-9, "end"] : [9, "start"];
      box.append(circle([x, y], bounded[label] ? 6 : 4, { fill: CLASS_COLORS[label] }),
        word(x + shift, y + 4, classes[label], { class: "halo", "text-anchor": anchor }));
    });
    return { box, place };
  }

  /* Both of a network.  own: the feature to be ringed.  zoom: how many times as far it is seen. */
  function two(head, points, labels, own, zoom) {
    const reach = 1.15 * zoom * Math.max(...[...points, own].flatMap((one) => Array.from(one, Math.abs)));
    const bounded = laboratory.bounded(head.rows, head.bias);
    const whole = wholePlane(head, points, labels, reach, bounded);
    whole.inside.append(circle(whole.place(own), 9, { fill: "none", "stroke-width": 3 }));
    const hull = hullOfRows(head.rows, Math.max(...head.rows.flat().map(Math.abs)), bounded);
    const told = "Above, regions and the test images in the colours of their classes; ring: the image chosen now. " +
      `Below, the head’s rows and their hull. ${closed(bounded)}`;
    return { picture: html("div", {}, whole.box, hull.box), told };
  }

  const closed = (bounded) => {
    const names = classes.filter((_, label) => bounded[label]);
    return names.length ? `Bounded, and filled: ${listed(names)}.` : "No class is bounded.";
  };

  return { html, svg, key, listed, rounded, colorOf, mark, line, word, circle, picture, chart, square, drawRegions,
    drawDots, drawContours, fall, strip, ray, plane, two, wholePlane, hullOfRows, closed };
}
