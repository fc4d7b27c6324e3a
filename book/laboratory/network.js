/* A ResNet-8 and its linear head in plain JavaScript: weights from half precision, logits, the gradient with respect to
   the image, attacks along it, and the geometry of the head. It reads from top to bottom.

   Everything is inside one function, because its source text is used three times: by the page as a classic script, by
   the page's worker, which is made of this very text (a page from disk may not load a worker), and by node in tests.

   A map is a Float32Array of channels × side × side; an image has 28 × 28 values in [0, 1]. The sums are those of
   softlab/training/models.py in evaluation mode, with batch normalisation folded into the convolution before it. */
function makeLaboratory() {
  "use strict";
  const SIDE = 28;
  const EPSILON = 1e-5; // of batch normalisation, as torch has it

  // Weights -----------------------------------------------------------------------------------------------------------

  function bytesOf(base64) {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  }

  /* Half precision, two bytes a number, to float32: no value changes. */
  function fromHalf(bytes) {
    return Float32Array.from({ length: bytes.length / 2 }, (_, place) => {
      const bits = bytes[2 * place] | (bytes[2 * place + 1] << 8);
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
    });
  }

  /* file: {name, label, tensors: [[name, shape], …], weights: base64}, what workflow/laboratory.py writes.
     Throws one line if a tensor is missing, or has another shape than a ResNet-8 needs. */
  function read(file) {
    const numbers = fromHalf(bytesOf(file.weights));
    const tensors = new Map();
    let start = 0;
    for (const [name, shape] of file.tensors) {
      const length = shape.reduce((a, b) => a * b, 1);
      tensors.set(name, { shape, values: numbers.subarray(start, start + length) });
      start += length;
    }
    const misfit = (why) => new Error(`The weights of ${file.label} do not fit this page’s network: ${why}.`);
    if (start !== numbers.length) throw misfit(`${numbers.length} numbers, not ${start}`);
    return (name, ...shape) => {
      const found = tensors.get(name);
      if (!found) throw misfit(`there is no ${name}`);
      const same = (size, axis) => size === null || size === found.shape[axis];
      if (shape.length !== found.shape.length || !shape.every(same))
        throw misfit(`${name} is ${found.shape.join(" × ")}, not ${shape.map((size) => size ?? "any").join(" × ")}`);
      return found;
    };
  }

  /* The network of a file; a projection to fewer features stands behind the pooling where the file has one. */
  function build(file) {
    const tensor = read(file);
    const narrow = file.tensors.some(([name]) => name.startsWith("body.0.0."));
    const body = narrow ? "body.0." : "body.";

    function convolution(weight, norm, outputs, inputs, kernel, stride, side) {
      const values = tensor(body + weight, outputs, inputs, kernel, kernel).values;
      const part = (name) => tensor(`${body}${norm}.${name}`, outputs).values;
      const [gain, offset, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(part);
      const scale = gain.map((value, channel) => value / Math.sqrt(variance[channel] + EPSILON));
      const each = values.length / outputs;
      const bias = offset.map((value, channel) => value - mean[channel] * scale[channel]);
      const folded = values.map((value, place) => value * scale[Math.floor(place / each)]);
      const transposed = folded.map((_, place) => folded[(place % outputs) * each + Math.floor(place / outputs)]);
      return { weight: folded, transposed, bias, inputs, kernel, stride, side, after: Math.ceil(side / stride) };
    }

    const stem = convolution("0.weight", "1", 16, 1, 3, 2, SIDE);
    const blocks = [[16, 16, 1, 14], [16, 32, 2, 14], [32, 64, 2, 7]].map(([inputs, outputs, stride, side], place) => {
      const name = `${place + 3}`;
      return {
        first: convolution(`${name}.conv1.weight`, `${name}.bn1`, outputs, inputs, 3, stride, side),
        second: convolution(`${name}.conv2.weight`, `${name}.bn2`, outputs, outputs, 3, 1, Math.ceil(side / stride)),
        shortcut: stride > 1 &&
          convolution(`${name}.downsample.0.weight`, `${name}.downsample.1`, outputs, inputs, 1, stride, side),
      };
    });
    const linear = (name, outputs, inputs) => {
      const weight = tensor(`${name}.weight`, outputs, inputs);
      return { weight: weight.values, bias: tensor(`${name}.bias`, outputs).values, outputs: weight.shape[0], inputs };
    };
    const projection = narrow && linear("body.1", null, 64);
    const head = linear("head", file.classes, projection ? projection.outputs : 64);
    const [mean, std] = ["mean", "std"].map((name) => tensor(name, 1, 1, 1, 1).values[0]);
    return { stem, blocks, projection, head, mean, std };
  }

  // Layers, forwards and backwards ------------------------------------------------------------------------------------

  /* target (rows × area) += weight (rows × inner) · source (inner × area), four terms at a time: more than half the
     time of a network is spent here. */
  function multiply(weight, source, target, inner, area) {
    for (let start = 0, row = 0; start < weight.length; start += inner, row += area) {
      let term = 0;
      for (; term + 3 < inner; term += 4) {
        const a = weight[start + term];
        const b = weight[start + term + 1];
        const c = weight[start + term + 2];
        const d = weight[start + term + 3];
        for (let place = 0, from = term * area; place < area; place++, from++)
          target[row + place] += a * source[from] + b * source[from + area] + c * source[from + 2 * area]
            + d * source[from + 3 * area];
      }
      for (; term < inner; term++)
        for (let place = 0, from = term * area; place < area; place++, from++)
          target[row + place] += weight[start + term] * source[from];
    }
  }

  /* Where each tap of a kernel looks: shifted copies of a map, inputs · kernel² × area; back: their sum on the map. */
  function shifts({ inputs, kernel, stride, side, after: small }, map, copies, back) {
    const pad = kernel >> 1;
    for (let input = 0, start = 0; input < inputs; input++)
      for (let row = 0; row < kernel; row++)
        for (let column = 0; column < kernel; column++, start += small ** 2)
          for (let y = 0; y < small; y++) {
            const line = y * stride + row - pad;
            if (line < 0 || line >= side) continue; // outside there are zeros
            for (let x = 0; x < small; x++) {
              const across = x * stride + column - pad;
              if (across < 0 || across >= side) continue;
              const there = (input * side + line) * side + across;
              if (back) map[there] += copies[start + y * small + x];
              else copies[start + y * small + x] = map[there];
            }
          }
  }

  function convolve(layer, before) {
    const [area, taps] = [layer.after ** 2, layer.inputs * layer.kernel ** 2];
    const copies = new Float32Array(taps * area);
    shifts(layer, before, copies, false);
    const after = new Float32Array(layer.bias.length * area);
    layer.bias.forEach((value, output) => after.fill(value, output * area, (output + 1) * area));
    multiply(layer.weight, copies, after, taps, area);
    return after;
  }

  function convolveBack(layer, gradient, before = new Float32Array(layer.inputs * layer.side ** 2)) {
    const [area, outputs] = [layer.after ** 2, layer.bias.length];
    const copies = new Float32Array((layer.transposed.length / outputs) * area);
    multiply(layer.transposed, gradient, copies, outputs, area);
    shifts(layer, before, copies, true);
    return before;
  }

  const relu = (values) => values.map((value) => (value > 0 ? value : 0));
  const where = (map, gradient) => gradient.map((value, place) => (map[place] > 0 ? value : 0));

  function apply({ weight, bias, outputs, inputs }, vector) {
    return Float32Array.from({ length: outputs }, (_, row) => {
      let sum = bias[row];
      for (let column = 0; column < inputs; column++) sum += weight[row * inputs + column] * vector[column];
      return sum;
    });
  }

  function applyBack({ weight, outputs, inputs }, gradient) {
    return Float32Array.from({ length: inputs }, (_, column) => {
      let sum = 0;
      for (let row = 0; row < outputs; row++) sum += weight[row * inputs + column] * gradient[row];
      return sum;
    });
  }

  /* {logits, features} of an image, and the maps that the way back needs. */
  function forward(network, image) {
    const maps = [relu(convolve(network.stem, image.map((value) => (value - network.mean) / network.std)))];
    const inner = [];
    for (const { first, second, shortcut } of network.blocks) {
      const before = maps.at(-1);
      inner.push(relu(convolve(first, before)));
      const beside = shortcut ? convolve(shortcut, before) : before;
      maps.push(relu(convolve(second, inner.at(-1)).map((value, place) => value + beside[place])));
    }
    const last = maps.at(-1);
    const area = last.length / 64;
    const pooled = Float32Array.from({ length: 64 }, (_, channel) => {
      let sum = 0;
      for (let place = 0; place < area; place++) sum += last[channel * area + place];
      return sum / area;
    });
    const features = network.projection ? apply(network.projection, pooled) : pooled;
    return { logits: apply(network.head, features), features, maps, inner };
  }

  /* Gradient with respect to the image of what has this gradient with respect to the logits. */
  function backward(network, { maps, inner }, logitGradient) {
    let pooled = applyBack(network.head, logitGradient);
    if (network.projection) pooled = applyBack(network.projection, pooled);
    const area = maps.at(-1).length / 64;
    let gradient = Float32Array.from({ length: 64 * area }, (_, place) => pooled[Math.floor(place / area)] / area);
    for (let block = network.blocks.length - 1; block >= 0; block--) {
      const { first, second, shortcut } = network.blocks[block];
      gradient = where(maps[block + 1], gradient);
      const beside = shortcut ? convolveBack(shortcut, gradient) : gradient.slice();
      gradient = convolveBack(first, where(inner[block], convolveBack(second, gradient)), beside);
    }
    return convolveBack(network.stem, where(maps[0], gradient)).map((value) => value / network.std);
  }

  // Confidence, losses, attacks ---------------------------------------------------------------------------------------

  const largest = (values) => values.reduce((best, value, place) => (value > values[best] ? place : best), 0);
  const without = (values, left) => values.map((value, place) => (place === left ? -Infinity : value));

  function softmax(logits, temperature = 1) {
    const top = Math.max(...logits);
    const powers = Array.from(logits, (value) => Math.exp((value - top) / temperature));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((value) => value / sum);
  }

  /* Gradients with respect to the logits of what an attack wants larger. The margin is the largest other logit minus
     the label's, which no scaling of the logits changes. */
  const LOSSES = {
    cross_entropy: (logits, label) => softmax(logits).map((value, place) => value - (place === label)),
    margin: (logits, label) => {
      const other = largest(without(logits, label));
      return Array.from(logits, (_, place) => (place === other) - (place === label));
    },
  };

  function gradientAt(network, loss, image, label) {
    const seen = forward(network, image);
    return { seen, gradient: backward(network, seen, LOSSES[loss](seen.logits, label)) };
  }

  /* How sure, how steep, how far (softlab.lenses.steepness): the gap between the two largest logits, what an attack takes off
     it for each unit of epsilon, and the epsilon at which nothing is left, all from one gradient. A pixel goes no further
     than to the edge of [0, 1]. */
  function marginAndSlope(network, image, epsilon) {
    const seen = forward(network, image);
    const [first, second] = Float64Array.from(seen.logits).sort().reverse();
    const gradient = backward(network, seen, LOSSES.margin(seen.logits, largest(seen.logits)));
    const taken = (reach) => gradient.reduce((sum, value, place) =>
      sum + Math.abs(value) * Math.min(reach, value > 0 ? 1 - image[place] : image[place]), 0);
    const margin = first - second;
    let low = 0;
    let high = 1;
    for (let turn = 0; turn < 40; turn++) {
      const middle = (low + high) / 2;
      if (taken(middle) < margin) low = middle;
      else high = middle;
    }
    return { logits: seen.logits, features: seen.features, margin, slope: taken(epsilon) / epsilon, radius: high };
  }

  /* Numbers in [-1, 1], the same for the same seed (mulberry32). */
  function offsets(seed, length = SIDE * SIDE) {
    return Float32Array.from({ length }, () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
    });
  }

  /* Projected gradient ascent in the maximum norm (Madry 2018), from image + epsilon · start; FGSM is one step of full
     length from the image itself (start: zeros). Yields each point of the walk with what the network sees there. The
     walk goes on where the network has given in, to show where it leads. */
  function* attack(network, image, label, { epsilon, steps, loss, start, step = (2.5 * epsilon) / steps }) {
    const allowed = (point) => point.map((value, place) =>
      Math.min(1, Math.max(0, image[place] + Math.min(epsilon, Math.max(-epsilon, value - image[place])))));
    let point = allowed(image.map((value, place) => value + epsilon * start[place]));
    for (let turn = 0; turn < steps; turn++) {
      const { seen, gradient } = gradientAt(network, loss, point, label);
      yield { point, logits: seen.logits, features: seen.features };
      point = allowed(point.map((value, place) => value + step * Math.sign(gradient[place])));
    }
    yield* follow(network, [point]);
  }

  /* What a network sees at each of these points, perhaps of a walk made for another network. */
  function* follow(network, points) {
    for (const point of points) {
      const { logits, features } = forward(network, point);
      yield { point, logits, features };
    }
  }

  /* The first step at which a network has another class than the label; null: it holds. */
  function givesIn(walk, label) {
    const step = walk.findIndex(({ logits }) => largest(logits) !== label);
    return step < 0 ? null : step;
  }

  /* What becomes of an image under attack: the network is "wrong" before it, "falls" at a step of the walk, or "holds".
     The walk, of `attack` or of `follow`, is made only as far as that takes. */
  function fate(network, image, label, walk) {
    const right = ({ logits }) => largest(logits) === label;
    if (!right(forward(network, image))) return "wrong";
    for (const step of walk) if (!right(step)) return "falls";
    return "holds";
  }

  // The head: rows, rays, regions -------------------------------------------------------------------------------------

  const dot = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);
  const length = (vector) => Math.sqrt(dot(vector, vector));
  const degrees = (a, b) => (180 / Math.PI) * Math.acos(Math.min(1, Math.max(-1, dot(a, b) / (length(a) * length(b)))));

  /* Rows (K of D numbers) and biases without their means, in float64: all that softmax sees. */
  function centred({ weight, bias, outputs, inputs }) {
    const rows = Array.from(bias, (_, row) => Array.from(weight.slice(row * inputs, (row + 1) * inputs)));
    const mean = rows[0].map((_, column) => rows.reduce((sum, row) => sum + row[column], 0) / outputs);
    const middle = dot(Array.from(bias), Array(outputs).fill(1)) / outputs;
    return {
      rows: rows.map((row) => row.map((value, column) => value - mean[column])),
      bias: Array.from(bias, (value) => value - middle),
    };
  }

  /* Gauss's elimination with the largest pivot. */
  function solve(matrix, right) {
    const lines = matrix.map((line, row) => [...line, right[row]]);
    const size = lines.length;
    for (let column = 0; column < size; column++) {
      const pivot = largest(lines.map((line, row) => (row < column ? -1 : Math.abs(line[column]))));
      [lines[column], lines[pivot]] = [lines[pivot], lines[column]];
      for (const line of lines.filter((one) => one !== lines[column])) {
        const factor = line[column] / lines[column][column];
        for (let place = column; place <= size; place++) line[place] -= factor * lines[column][place];
      }
    }
    return lines.map((line, row) => line[size] / line[row]);
  }

  /* Where all logits are equal, the nearest such point to the origin; for centred rows of rank K - 1. */
  function apex({ rows, bias }) {
    const products = rows.map((a) => rows.map((b) => dot(a, b) + 1 / rows.length));
    const shares = solve(products, bias);
    return rows[0].map((_, column) => -rows.reduce((sum, row, place) => sum + shares[place] * row[column], 0));
  }

  /* The classes of t · feature for t from 0 on, [{label, from}, …]; the last one stays: its start is the onset t₀
     (softlab.lenses.geometry.cone_onset). Logits are straight lines in t: the next class is the one that crosses first. */
  function envelope({ rows, bias }, feature) {
    const slopes = rows.map((row) => dot(row, feature));
    const stages = [{ label: largest(bias), from: 0 }];
    for (;;) {
      const { label: now, from } = stages.at(-1);
      const crossings = slopes.map((slope, place) =>
        slope > slopes[now] ? -Math.max(from, (bias[now] - bias[place]) / (slope - slopes[now])) : -Infinity);
      const next = largest(crossings);
      if (crossings[next] === -Infinity) return stages;
      stages.push({ label: next, from: -crossings[next] });
    }
  }

  /* The part of a polygon in which x · [1, 0] + y · [0, 1] → a x + b y + c >= 0. */
  function clip(polygon, a, b, c) {
    const side = ([x, y]) => a * x + b * y + c;
    return polygon.flatMap((corner, place) => {
      const before = polygon.at(place - 1);
      const [here, there] = [side(corner), side(before)];
      const share = there / (there - here);
      const cut = corner.map((value, axis) => before[axis] + share * (value - before[axis]));
      return [...(here >= 0 !== there >= 0 ? [cut] : []), ...(here >= 0 ? [corner] : [])];
    });
  }

  /* For each class, the polygon of a square (middle, half its side) in which its logit is the largest.
     rows: K of two numbers, of the logits in a plane. */
  function regions(rows, bias, [x, y], reach) {
    const square = [[x - reach, y - reach], [x + reach, y - reach], [x + reach, y + reach], [x - reach, y + reach]];
    return rows.map((own, place) => rows.reduce((polygon, row, other) => other === place ? polygon
      : clip(polygon, own[0] - row[0], own[1] - row[1], bias[place] - bias[other]), square));
  }

  /* Which classes have a region in the plane of two features that is bounded and not empty. */
  function bounded(rows, bias) {
    const far = 1e6 * Math.max(...bias.map(Math.abs)) / Math.max(...rows.map(length));
    const near = (corner) => Math.max(...corner.map(Math.abs)) < far / 2;
    const inside = (polygon) => polygon.length > 2 && polygon.every(near);
    return regions(rows, bias, [0, 0], far).map(inside);
  }

  /* Corners of the convex hull of points in the plane, one after the other (Andrew's chain). */
  function hull(points) {
    const sorted = [...points].sort(([a, b], [c, d]) => a - c || b - d);
    const half = (some) => some.reduce((chain, [x, y]) => {
      const turnsRight = ([a, b], [c, d]) => (c - a) * (y - b) <= (d - b) * (x - a);
      while (chain.length > 1 && turnsRight(chain.at(-2), chain.at(-1))) chain.pop();
      return [...chain, [x, y]];
    }, []).slice(0, -1);
    return [...half(sorted), ...half(sorted.reverse())];
  }

  return { SIDE, LOSSES, bytesOf, fromHalf, build, forward, gradientAt, marginAndSlope, attack, follow, offsets, givesIn,
    fate, largest, softmax, dot, length, degrees, centred, apex, envelope, regions, bounded, hull };
}

/* What the worker does: {id, task, …} in, {id, answer} or {id, error} out. */
function serveLaboratory(laboratory, scope) {
  const networks = {};
  const bare = ({ logits, features }) => ({ logits, features });
  const RADIUS = 4 / 255; // at which the slope is told
  const tasks = {
    load: ({ file }) => {
      networks[file.name] = laboratory.build(file);
      return networks[file.name].head;
    },
    look: ({ names, image }) => names.map((name) => bare(laboratory.forward(networks[name], image))),
    steep: ({ names, image }) => names.map((name) => laboratory.marginAndSlope(networks[name], image, RADIUS)),
    attack: ({ name, image, label, options }) => [...laboratory.attack(networks[name], image, label, options)],
    follow: ({ name, points }) => [...laboratory.follow(networks[name], points)],
    fate: ({ name, image, label, options, points }) => laboratory.fate(networks[name], image, label,
      points ? laboratory.follow(networks[name], points) : laboratory.attack(networks[name], image, label, options)),
  };
  scope.onmessage = ({ data: { id, task, ...asked } }) => {
    try {
      scope.postMessage({ id, answer: tasks[task](asked) });
    } catch (error) {
      scope.postMessage({ id, error: error.message });
    }
  };
}

if (typeof module !== "undefined") module.exports = makeLaboratory();
