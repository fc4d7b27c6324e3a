/* A playground for labels: a network small enough to be trained in a page, and everything that the page shows of it.

   The first half is arithmetic: points, a network, what labels ask of it, a step of training, what is measured. It
   needs no page, so that tests and tools/playground_claims.mjs run it in node. The second half draws and listens to the
   reader. Both read from top to bottom. Nothing is loaded, and nothing leaves the page.

   Many points lie behind each other in one Float64Array: x of the first, y of the first, x of the second, … The same
   holds for hidden values, features and logits: `width` numbers for each point. */
"use strict";

// Chance -------------------------------------------------------------------------------------------------------------

/* Numbers in [0, 1), the same for the same seed and purpose (mulberry32). Each purpose has its own, so that a knob
   which draws numbers, as Mixup does, leaves the points, the first weights and the order of the batches as they were.
   */
function randomNumbers(seed, purpose) {
  let state = 2166136261;
  for (const letter of `${seed} ${purpose}`) state = Math.imul(state ^ letter.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/* A number from a normal distribution (Box and Muller). */
function normal(random) {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

/* A share from Beta(beta, beta), by which Mixup mixes (Jöhnk's method). With beta = 1 all shares are equally likely. */
function betaShare(random, beta) {
  for (;;) {
    const first = random() ** (1 / beta);
    const second = random() ** (1 / beta);
    if (first + second > 0 && first + second <= 1) return first / (first + second);
  }
}

function shuffled(count, random) {
  const order = Array.from({ length: count }, (_, place) => place);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

// Points -------------------------------------------------------------------------------------------------------------

const TEST_POINTS = 300;

/* Where a point of a class lies, about within [-1, 1]². */
const SHAPES = {
  blobs(label, classes, random) {
    const angle = Math.PI / 2 + (2 * Math.PI * label) / classes;
    return [0.5 * Math.cos(angle) + 0.24 * normal(random), 0.5 * Math.sin(angle) + 0.24 * normal(random)];
  },
  rings(label, classes, random) {
    const angle = 2 * Math.PI * random();
    const radius = (0.9 * (label + 0.45)) / (classes - 0.55) + 0.05 * normal(random);
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  spirals(label, classes, random) {
    const along = Math.sqrt(random());
    const angle = 3.6 * along + (2 * Math.PI * label) / classes;
    const radius = 0.1 + 0.8 * along;
    return [radius * Math.cos(angle) + 0.035 * normal(random), radius * Math.sin(angle) + 0.035 * normal(random)];
  },
};

/* {points, labels, given}: `given` are the labels as the network is told them, some of them wrong. */
function drawPoints(shape, classes, count, labelNoise, random) {
  const points = new Float64Array(2 * count);
  const labels = Array.from({ length: count }, (_, place) => place % classes);
  labels.forEach((label, place) => points.set(SHAPES[shape](label, classes, random), 2 * place));
  const given = labels.map((label) => {
    const isWrong = random() < labelNoise;
    const shift = 1 + Math.floor(random() * (classes - 1));
    return isWrong ? (label + shift) % classes : label;
  });
  return { points, labels, given };
}

/* Points to train on, and others from the same source to test on, whose labels are right. */
function makeData({ shape, classes, points, labelNoise, seed }) {
  return {
    classes,
    train: drawPoints(shape, classes, points, labelNoise, randomNumbers(seed, "train")),
    test: drawPoints(shape, classes, TEST_POINTS, 0, randomNumbers(seed, "test")),
  };
}

// The network --------------------------------------------------------------------------------------------------------

const FEATURES = 2; // so that all of them are one picture

/* Layers from 2 inputs over 16 and 16 hidden values to 2 features, and the head, from features to logits: a list of
   {weight, bias, inputs, outputs, bends}. `bends`: negative values become 0 behind the layer (ReLU). Features and
   logits may be negative. */
function makeNetwork(classes, random) {
  const widths = [2, 16, 16, FEATURES, classes];
  return widths.slice(1).map((outputs, place) => {
    const inputs = widths[place];
    const bends = place < 2;
    const reach = Math.sqrt((bends ? 6 : 3) / inputs); // He et al. 2015: values keep their size from layer to layer
    const weight = Float64Array.from({ length: inputs * outputs }, () => reach * (2 * random() - 1));
    return { weight, bias: new Float64Array(outputs), inputs, outputs, bends };
  });
}

const headOf = (network) => network.at(-1);

function applyLayer({ weight, bias, inputs, outputs, bends }, before) {
  const count = before.length / inputs;
  const after = new Float64Array(count * outputs);
  for (let point = 0; point < count; point++) {
    for (let row = 0; row < outputs; row++) {
      let sum = bias[row];
      for (let column = 0; column < inputs; column++)
        sum += weight[row * inputs + column] * before[point * inputs + column];
      after[point * outputs + row] = bends && sum < 0 ? 0 : sum;
    }
  }
  return after;
}

/* [points, hidden, hidden, features, logits]: what enters the network, and what leaves each of its layers. */
function forward(network, points) {
  const values = [points];
  for (const layer of network) values.push(applyLayer(layer, values.at(-1)));
  return values;
}

const logitsOf = (network, points) => forward(network, points).at(-1);

/* The way back. values: of `forward`.  change: the derivative of something by each logit.  gradient: like the network;
   its weights and biases grow by the derivatives of that thing, unless it is null.  Returns the derivative by each
   number of the points. */
function backward(network, values, change, gradient) {
  let after = Float64Array.from(change);
  for (let place = network.length - 1; place >= 0; place--) {
    const { weight, inputs, outputs, bends } = network[place];
    const into = values[place];
    const out = values[place + 1];
    const before = new Float64Array(into.length);
    for (let point = 0; point * outputs < out.length; point++) {
      for (let row = 0; row < outputs; row++) {
        if (bends && out[point * outputs + row] === 0) continue;
        const here = after[point * outputs + row];
        if (gradient) gradient[place].bias[row] += here;
        for (let column = 0; column < inputs; column++) {
          if (gradient) gradient[place].weight[row * inputs + column] += here * into[point * inputs + column];
          before[point * inputs + column] += here * weight[row * inputs + column];
        }
      }
    }
    after = before;
  }
  return after;
}

const zerosLike = (network) =>
  network.map((layer) => ({
    weight: new Float64Array(layer.weight.length),
    bias: new Float64Array(layer.bias.length),
  }));

// What labels ask for ------------------------------------------------------------------------------------------------

/* Every knob of training at "off", but for what any training has. The book's package, softlab, calls them alike. */
const PLAIN = {
  labelSmoothing: 0, // share of the label that all classes get, each the same: alpha
  mixup: 0, // points and labels are mixed by shares from Beta(mixup, mixup); 0: not at all
  maxSup: 0, // times largest logit minus mean logit, added to the loss: alpha
  noise: 0, // how far points are moved at each step, at random: sigma
  weightDecay: 0.0005,
  gradientPenalty: 0, // times the squared steepness of the loss around a point: strength
  learningRate: 0.05,
};
const MOMENTUM = 0.9; // Nesterov's
const BATCH = 32;
const STRIDE = 0.05; // how far the gradient penalty looks to either side

function largest(values, start, width) {
  let best = 0;
  for (let place = 1; place < width; place++) if (values[start + place] > values[start + best]) best = place;
  return best;
}

/* Probabilities of all points, `classes` numbers each. */
function softmax(logits, classes) {
  const shares = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const top = logits[start + largest(logits, start, classes)];
    let sum = 0;
    for (let label = 0; label < classes; label++) {
      shares[start + label] = Math.exp(logits[start + label] - top);
      sum += shares[start + label];
    }
    for (let label = 0; label < classes; label++) shares[start + label] /= sum;
  }
  return shares;
}

/* Cross-entropy of each point, and its derivative by each logit: probability minus target. */
function crossEntropy(logits, targets, classes) {
  const shares = softmax(logits, classes);
  const losses = new Float64Array(logits.length / classes);
  for (let place = 0; place < logits.length; place++)
    if (targets[place] > 0) losses[Math.floor(place / classes)] -= targets[place] * Math.log(shares[place]);
  return { losses, slopes: shares.map((share, place) => share - targets[place]) };
}

/* A batch as one knob after the other leaves it: {points, targets}. Nothing is changed in place. */
function softened(points, labels, classes, knobs, random) {
  const { labelSmoothing, mixup, noise } = knobs;
  let inputs = Float64Array.from(points);
  let targets = new Float64Array(labels.length * classes).fill(labelSmoothing / classes);
  labels.forEach((label, place) => (targets[place * classes + label] += 1 - labelSmoothing));
  if (noise > 0) inputs = inputs.map((value) => value + noise * normal(random.noise));
  if (mixup > 0) {
    const share = betaShare(random.mixing, mixup);
    // Each with the point before it, the first with the last.
    const mixed = (values, width) =>
      values.map((value, place) => share * value + (1 - share) * values.at(place - width));
    inputs = mixed(inputs, 2);
    targets = mixed(targets, classes);
  }
  return { points: inputs, targets };
}

/* The mean loss of a batch; `gradient` grows by its derivatives.

   Cross-entropy against the targets, and, where the knobs are turned up:

   MaxSup (Zhou et al. 2025): alpha · (largest logit − mean logit).

   Gradient penalty (Drucker & LeCun 1992): strength · ‖∇ cross-entropy by the point‖². The norm is taken as softlab
   takes it, as the loss's difference along its own gradient, (L(x + hv) − L(x − hv)) / 2h with v = ∇L / ‖∇L‖. v counts
   as fixed: a unit vector turns at right angles to itself, so where v is ∇L's own direction, its turning changes v · ∇L
   by nothing. */
function lossOf(network, points, targets, knobs, gradient) {
  const { outputs: classes } = headOf(network);
  const count = points.length / 2;
  const values = forward(network, points);
  const logits = values.at(-1);
  const { losses, slopes } = crossEntropy(logits, targets, classes);
  let total = losses.reduce((sum, loss) => sum + loss, 0);

  if (knobs.gradientPenalty > 0) {
    const steepest = backward(network, values, slopes, null);
    const step = steepest.slice();
    for (let place = 0; place < step.length; place += 2) {
      const length = Math.max(1e-12, Math.hypot(steepest[place], steepest[place + 1]));
      step[place] *= STRIDE / length;
      step[place + 1] *= STRIDE / length;
    }
    const sides = [1, -1].map((sign) => {
      const there = forward(network, points.map((value, place) => value + sign * step[place]));
      return { there, ...crossEntropy(there.at(-1), targets, classes) };
    });
    const rates = losses.map((_, point) => (sides[0].losses[point] - sides[1].losses[point]) / (2 * STRIDE));
    for (const rate of rates) total += knobs.gradientPenalty * rate ** 2;
    [1, -1].forEach((sign, side) => {
      const factor = (sign * knobs.gradientPenalty) / (STRIDE * count);
      const weighed = sides[side].slopes.map((slope, place) => factor * rates[Math.floor(place / classes)] * slope);
      backward(network, sides[side].there, weighed, gradient);
    });
  }

  if (knobs.maxSup > 0) {
    for (let start = 0; start < logits.length; start += classes) {
      const top = largest(logits, start, classes);
      total += knobs.maxSup * logits[start + top];
      slopes[start + top] += knobs.maxSup;
      for (let label = 0; label < classes; label++) {
        total -= (knobs.maxSup * logits[start + label]) / classes;
        slopes[start + label] -= knobs.maxSup / classes;
      }
    }
  }

  backward(network, values, slopes.map((slope) => slope / count), gradient);
  return total / count;
}

// Training -----------------------------------------------------------------------------------------------------------

/* A network at its start. Two runs with the same seed and data begin alike, and see the same batches. */
function beginRun(data, knobs, seed) {
  const network = makeNetwork(data.classes, randomNumbers(seed, "weights"));
  const random = {};
  for (const purpose of ["order", "mixing", "noise"]) random[purpose] = randomNumbers(seed, purpose);
  return { network, data, knobs, random, velocity: zerosLike(network), order: [], steps: 0 };
}

function nextBatch(run) {
  const { points, given } = run.data.train;
  const size = Math.min(BATCH, given.length);
  if (run.order.length < size) run.order = shuffled(given.length, run.random.order);
  const places = run.order.splice(0, size);
  const chosen = places.flatMap((place) => [points[2 * place], points[2 * place + 1]]);
  return { points: Float64Array.from(chosen), labels: places.map((place) => given[place]) };
}

/* One step of stochastic gradient descent with Nesterov's momentum; returns the loss before it. Biases do not decay. */
function trainStep(run) {
  const { network, knobs, velocity } = run;
  const batch = nextBatch(run);
  const { points, targets } = softened(batch.points, batch.labels, run.data.classes, knobs, run.random);
  const gradient = zerosLike(network);
  const loss = lossOf(network, points, targets, knobs, gradient);
  network.forEach((layer, place) => {
    for (const part of ["weight", "bias"]) {
      const decay = part === "weight" ? knobs.weightDecay : 0;
      const values = layer[part];
      const speeds = velocity[place][part];
      for (let index = 0; index < values.length; index++) {
        const slope = gradient[place][part][index] + decay * values[index];
        speeds[index] = MOMENTUM * speeds[index] + slope;
        values[index] -= knobs.learningRate * (slope + MOMENTUM * speeds[index]);
      }
    }
  });
  run.steps++;
  return loss;
}

// What is measured ---------------------------------------------------------------------------------------------------

const RINGS = [0.5, 1]; // of the reach
const DIRECTIONS = 16;

/* Within epsilon of a point, a place where the network gives another answer than `label`; null: none was found among
   32. In two dimensions one can look everywhere; an attack on an image has to climb a gradient instead. */
function foolingPlace(network, x, y, label, epsilon) {
  const { outputs: classes } = headOf(network);
  const places = new Float64Array(2 * DIRECTIONS);
  for (const ring of RINGS) {
    for (let turn = 0; turn < DIRECTIONS; turn++) {
      const angle = (2 * Math.PI * turn) / DIRECTIONS;
      places[2 * turn] = x + ring * epsilon * Math.cos(angle);
      places[2 * turn + 1] = y + ring * epsilon * Math.sin(angle);
    }
    const logits = logitsOf(network, places);
    for (let turn = 0; turn < DIRECTIONS; turn++)
      if (largest(logits, turn * classes, classes) !== label) return [places[2 * turn], places[2 * turn + 1]];
  }
  return null;
}

/* How far the largest logit of each point is ahead of the second (margin), and how fast that shrinks on the steepest
   way (slope, from one gradient): straight on, the lead is gone at margin / slope. */
function marginsAndSlopes(network, points) {
  const { outputs: classes } = headOf(network);
  const values = forward(network, points);
  const logits = values.at(-1);
  const lead = new Float64Array(logits.length);
  const margins = [];
  for (let start = 0; start < logits.length; start += classes) {
    const first = largest(logits, start, classes);
    const others = logits.slice(start, start + classes);
    others[first] = -Infinity;
    const second = largest(others, 0, classes);
    lead[start + first] = 1;
    lead[start + second] = -1;
    margins.push(logits[start + first] - logits[start + second]);
  }
  const steepest = backward(network, values, lead, null);
  const slopes = margins.map((_, point) => Math.hypot(steepest[2 * point], steepest[2 * point + 1]));
  return { margins, slopes };
}

/* Where three regions of the head meet: [[x, y], …] in the plane of features. With three classes it is always one
   point, the apex (but for parallel borders); with four, each three of them may have their own. */
function corners({ weight, bias, outputs: classes }) {
  const found = [];
  for (let first = 0; first < classes; first++)
    for (let second = first + 1; second < classes; second++)
      for (let third = second + 1; third < classes; third++) {
        const [[a, b, c], [d, e, f]] = [second, third].map((other) => [
          weight[2 * first] - weight[2 * other],
          weight[2 * first + 1] - weight[2 * other + 1],
          bias[other] - bias[first],
        ]);
        const determinant = a * e - b * d;
        if (determinant === 0) continue;
        const place = [(c * e - b * f) / determinant, (a * f - c * d) / determinant];
        const logitOf = (label) => weight[2 * label] * place[0] + weight[2 * label + 1] * place[1] + bias[label];
        const others = [0, 1, 2, 3].slice(0, classes).filter((label) => ![first, second, third].includes(label));
        if (others.every((label) => logitOf(label) < logitOf(first))) found.push(place);
      }
  return found;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const shareOf = (values, holds) => values.filter(holds).length / values.length;

function median(values) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(sorted.length / 2)];
}

function accuracy(network, { points, labels }) {
  const { outputs: classes } = headOf(network);
  const logits = logitsOf(network, points);
  return shareOf(labels, (label, place) => largest(logits, place * classes, classes) === label);
}

/* All readouts of a network: shares in [0, 1], the others in units of logits, or of logits per unit of the plane. */
function measure(network, data, epsilon) {
  const { classes, test } = data;
  const [, , , features, logits] = forward(network, test.points);
  const probabilities = softmax(logits, classes);
  const places = test.labels.map((_, place) => place);
  const answers = places.map((place) => largest(logits, place * classes, classes));
  const right = places.filter((place) => answers[place] === test.labels[place]);
  const confidence = mean(places.map((place) => probabilities[place * classes + answers[place]]));
  const { margins, slopes } = marginsAndSlopes(network, test.points);
  const lengths = places.map((place) => {
    const own = logits.slice(place * classes, (place + 1) * classes);
    const middle = mean(own);
    return Math.hypot(...own.map((value) => value - middle));
  });
  const isFooled = (place) =>
    foolingPlace(network, test.points[2 * place], test.points[2 * place + 1], answers[place], epsilon) !== null;
  const classAt = (times) => {
    const there = applyLayer(headOf(network), features.map((value) => times * value));
    return places.map((place) => largest(there, place * classes, classes));
  };
  const near = classAt(0.1);
  const far = classAt(10);

  return {
    trainAccuracy: accuracy(network, { points: data.train.points, labels: data.train.given }),
    accuracy: right.length / places.length,
    confidence,
    gap: confidence - right.length / places.length,
    length: median(lengths),
    margin: median(margins),
    slope: median(slopes),
    fooled: shareOf(right, isFooled),
    estimate: shareOf(right, (place) => margins[place] <= epsilon * slopes[place]),
    keeps: shareOf(places, (place) => near[place] === far[place]),
  };
}

// Five experiments ---------------------------------------------------------------------------------------------------

const STEPS = 2000; // after which training pauses, and by which the sentences are to hold

const NETWORKS = ["first", "second"];

/* Each: points, the second network's own, two sentences, and in how many of twenty seeds each held at step 2,000
   (tools/playground_claims.mjs). What stands in [ ] is a button that changes what followUp says. */
const EXPERIMENTS = [
  {
    name: "Soften the labels",
    setting: { shape: "blobs", classes: 3, points: 150, labelNoise: 0 },
    other: { knob: "labelSmoothing", value: 0.2 },
    sentences: [
      "Told soft labels, the second network gets about as many fresh points right, but it is less sure of them.",
      "The scores behind the first one’s answers (its logits) keep growing; the other’s stop once they say what the "
        + "soft label says, at less than half the size.",
    ],
    held: [20, 20],
  },
  {
    name: "Try to fool it",
    setting: { shape: "blobs", classes: 3, points: 60, labelNoise: 0 },
    other: { knob: "labelSmoothing", value: 0.2 },
    sentences: [
      "Soft labels shrink the winner’s lead to less than half, and with it the slope at which an attacker wears it "
        + "down.",
      "The border hardly moves, so about as many points can be fooled: a smaller lead is not a smaller distance.",
    ],
    held: [20, 20],
  },
  {
    name: "Tell it lies",
    setting: { shape: "blobs", classes: 3, points: 60, labelNoise: 0.2 },
    other: { knob: "labelSmoothing", value: 0.2 },
    followUp: { other: { knob: "weightDecay", value: 0.01 } },
    sentences: [
      "A fifth of the labels are wrong; the first network learns even those and ends up surer than it is right. "
        + "Soft labels take most of that excess away.",
      "[Give the second one weight decay 0.01] instead: it lets go of the wrong labels, gets more fresh points right, "
        + "and far fewer of them can be fooled.",
    ],
    held: [17, 19],
  },
  {
    name: "Mix the points",
    setting: { shape: "rings", classes: 3, points: 150, labelNoise: 0 },
    other: { knob: "mixup", value: 1 },
    followUp: { setting: { shape: "blobs" } },
    sentences: [
      "Half-way between two points of the outer ring lies another class, and Mixup gives it the outer ring’s label: "
        + "the second network gets fewer points right, and more of them can be fooled.",
      "[Choose blobs], where no other class lies in between: there Mixup does no such harm.",
    ],
    held: [20, 19],
  },
  {
    name: "Push the winner down",
    setting: { shape: "blobs", classes: 3, points: 150, labelNoise: 0 },
    other: { knob: "maxSup", value: 0.2 },
    followUp: { other: { knob: "labelSmoothing", value: 0.2 } },
    sentences: [
      "MaxSup keeps the labels hard and pulls down the largest logit instead; logits end up less than half as long.",
      "Label smoothing pulls down the label’s logit, which is the largest wherever the network is right: [give "
        + "it label smoothing 0.2], and it ends up much the same.",
    ],
    held: [20, 20],
  },
];

/* Beside the book: what of its networks is seen here too, and what is not. held: of what is said of this page, as
   above; what is said of the book is held to its records by tests/workflow/test_playground.py. */
const BESIDE_THE_BOOK = [
  {
    sentence: "Alike: soft labels leave fewer points in their class along the ray, here as in the book.",
    held: 19,
  },
  {
    sentence:
      "Not alike: here soft labels leave the share fooled about where it was. In the book it depends: with 1,000 "
      + "images label smoothing costs some robustness, with 55,000 it adds some.",
    held: 20,
  },
  {
    sentence:
      "Not alike: on rings Mixup costs several points of accuracy. On the book’s images of clothes it costs next to "
      + "nothing: half-way between two shirts there is no shoe.",
    held: 18,
  },
];

// The page -----------------------------------------------------------------------------------------------------------

/* What each knob is called, where it can be turned to, and where it is for the second. */
const KNOBS = {
  labelSmoothing: { label: "label smoothing", values: [0, 0.05, 0.1, 0.2, 0.3, 0.5], usual: 0.2 },
  mixup: { label: "Mixup", values: [0, 0.2, 0.5, 1], usual: 1 },
  maxSup: { label: "MaxSup", values: [0, 0.05, 0.1, 0.2, 0.3, 0.5], usual: 0.2 },
  noise: { label: "noise", values: [0, 0.03, 0.1, 0.2, 0.3], usual: 0.1 },
  weightDecay: { label: "weight decay", values: [0, 0.0005, 0.002, 0.01, 0.03], usual: 0.01 },
  gradientPenalty: { label: "gradient penalty", values: [0, 0.001, 0.003, 0.01], usual: 0.01 },
  learningRate: { label: "learning rate", values: [0.005, 0.01, 0.02, 0.05, 0.1], usual: 0.01 },
};

const percent = (value) => `${(100 * value).toFixed(0)} %`;
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(0)}`;
const rounded = (value) => value.toFixed(value < 9.95 ? 1 : 0);

/* A row of the table for each readout; `low` and `high` are the ends of its curve, null where the values give them. */
const READOUTS = [
  { id: "trainAccuracy", label: "right, training points", note: "by the labels told", text: percent, low: 0.3, high: 1 },
  { id: "accuracy", label: "right, fresh points", note: "what counts", text: percent, low: 0.3, high: 1 },
  { id: "gap", label: "too sure by", note: "confidence − accuracy", text: signed, low: null, high: null },
  { id: "length", label: "length of the logits", note: "median", text: rounded, low: 0, high: null },
  { id: "margin", label: "lead", note: "over the second", text: rounded, low: 0, high: null },
  { id: "slope", label: "slope of the lead", note: "median", text: rounded, low: 0, high: null },
  { id: "fooled", label: "fooled within ε", note: "of those it gets right", text: percent, low: 0, high: 0.6 },
  { id: "estimate", label: "estimate: share with", note: "lead ÷ slope ≤ ε", text: percent, low: 0, high: 0.6 },
  { id: "keeps", label: "stay along the ray", note: "shrunk and stretched", text: percent, low: 0, high: 1 },
];

const CELLS = { moving: 36, still: 96 }; // across a plane: each is asked about, and the browser smooths between them
const EVERY = 40; // steps between two rows of readouts
const BUDGET = 15; // milliseconds of a frame for training: a slow machine makes fewer steps a frame, on the same curve
const CIRCLED = [0.03, 0.12, 0.4, 0.8]; // which test points of a class have a circle: see circledPoints
const EPSILON = 0.1; // the attacker's reach, before the reader moves it; the sentences were checked with it
const HALF = 1.15; // the plane of inputs is [−HALF, HALF]²
const COLOUR_NAMES = ["blue", "orange", "green", "pink"];

function openPlayground() {
  const $ = (id) => document.getElementById(id);
  const state = {
    setting: null, // shape, classes, points, labelNoise
    knobs: { ...PLAIN }, // the first's
    other: { knob: "labelSmoothing", value: 0 }, // the second's; knob "": none
    experiment: 0, // the place of the one chosen last
    seed: 0,
    epsilon: EPSILON,
    data: null,
    circled: [], // places of the test points that have a circle
    runs: [],
    history: [], // of each run: {step, …readouts}
    reaches: [1, 1], // of each network's plane of features
    probe: null, // [x, y] of the reader's own point
    until: STEPS, // where training pauses
    playing: false,
    visible: true,
    scheduled: false, // is a frame waited for?
    frames: 0, // drawn while playing; tests read it
  };
  const sections = [...document.querySelectorAll(".network")];
  let colours = {};

  // Training, frame by frame -----------------------------------------------------------------------------------------

  const knobText = (knob, value) => `${KNOBS[knob].label} ${value}`;
  const knobsOf = (place) => (place === 0 ? state.knobs : { ...state.knobs, [state.other.knob]: state.other.value });
  const places = () => (state.other.knob ? [0, 1] : [0]);
  const isBlownUp = (run) => !Number.isFinite(run.network[0].weight[0]);

  /* Both networks from the start, on the same points. */
  function restart() {
    state.data = makeData({ ...state.setting, seed: state.seed });
    state.circled = circledPoints(state.data);
    state.runs = places().map((place) => beginRun(state.data, knobsOf(place), state.seed));
    state.history = state.runs.map(() => []);
    state.until = STEPS;
    state.reaches = [1, 1];
    readOut();
    draw();
  }

  function readOut() {
    state.runs.forEach((run, place) => {
      if (isBlownUp(run)) return;
      const row = { step: run.steps, ...measure(run.network, state.data, state.epsilon) };
      if (state.history[place].at(-1)?.step === run.steps) state.history[place].pop();
      state.history[place].push(row);
    });
  }

  function stepAll() {
    for (const run of state.runs) trainStep(run);
    if (state.runs[0].steps % EVERY === 0) readOut();
  }

  function frame() {
    state.scheduled = false;
    if (!state.playing || !state.visible) return;
    const latest = performance.now() + BUDGET;
    let left = Number($("speed").value);
    while (left > 0 && state.runs[0].steps < state.until && performance.now() < latest) {
      stepAll();
      left--;
    }
    state.frames++;
    if (state.runs[0].steps >= state.until) return pause();
    draw();
    schedule();
  }

  /* At most one frame is waited for; none while the page is paused or not seen. */
  function schedule() {
    if (state.scheduled || !state.playing || !state.visible) return;
    state.scheduled = true;
    requestAnimationFrame(frame);
  }

  function play() {
    if (state.runs[0].steps >= state.until) state.until += STEPS;
    state.playing = true;
    tellPlaying();
    schedule();
  }

  /* On a phone an experiment's button may be far above the planes. */
  function playInView() {
    document.querySelector(".inputs").scrollIntoView({ block: "nearest" });
    play();
  }

  function pause() {
    state.playing = false;
    readOut();
    draw();
    tellPlaying();
    $("status").textContent = `Step ${state.runs[0].steps}. ${state.runs.map(summary).join(" ")}`;
  }

  function tellPlaying() {
    $("play").textContent = state.playing ? "❚❚ Pause" : "▶ Play";
  }

  const nameOf = (place) => {
    if (place === 1) return `${NETWORKS[1]}: ${knobText(state.other.knob, state.other.value)}`;
    const turned = Object.keys(KNOBS).filter((knob) => state.knobs[knob] !== PLAIN[knob] && knob !== state.other.knob);
    const own = state.other.knob && state.knobs[state.other.knob] > 0 ? [state.other.knob] : [];
    const said = [...own, ...turned].map((knob) => knobText(knob, state.knobs[knob]));
    return `${NETWORKS[0]}: ${said.join(", ") || "hard labels"}`;
  };

  /* What a network is told of a blue point. */
  function toldLabel({ labelSmoothing, mixup }) {
    const blue = 1 - labelSmoothing + labelSmoothing / state.setting.classes;
    const said = labelSmoothing > 0 ? `${percent(blue)} blue, the rest shared` : "blue";
    return `told “${said}”${mixup > 0 ? ", and mixtures in between" : ""}`;
  }

  function summary(run, place) {
    const now = state.history[place].at(-1);
    if (isBlownUp(run) || !now) return `The ${NETWORKS[place]} has blown up.`;
    const facts = READOUTS.map(({ id, label: name, text }) => `${name} ${text(now[id])}`);
    return `${nameOf(place)}: ${facts.join(", ")}.`;
  }

  // Pictures ---------------------------------------------------------------------------------------------------------

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const parts = (hex) => {
      const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
      return [1, 3, 5].map((start) => parseInt(full.slice(start, start + 2), 16));
    };
    const classes = [0, 1, 2, 3].map((place) => read(`class-${place}`));
    colours = {
      text: read("text"),
      background: read("background"),
      fooled: read("fooled"),
      classes,
      shades: classes.map(parts),
      paper: parts(read("background")),
    };
  }

  /* The canvas cleared, sharp on any screen, and `place`, which takes a point of a plane to its pixel. */
  function paper(canvas, half) {
    const size = canvas.clientWidth;
    const pixels = Math.round(size * Math.min(2, devicePixelRatio));
    if (canvas.width !== pixels) {
      canvas.width = pixels;
      canvas.height = pixels;
    }
    const context = canvas.getContext("2d");
    context.setTransform(pixels / size, 0, 0, pixels / size, 0, 0);
    context.clearRect(0, 0, size, size);
    const place = (x, y) => [(0.5 + x / (2 * half)) * size, (0.5 - y / (2 * half)) * size];
    return { context, size, half, place };
  }

  const shadeCanvas = document.createElement("canvas");

  /* The whole plane in the colours of its answers, stronger where the network is surer. */
  function shade({ context, size, half }, logitsAt) {
    const cells = state.playing ? CELLS.moving : CELLS.still;
    const middles = new Float64Array(2 * cells * cells);
    for (let row = 0; row < cells; row++)
      for (let column = 0; column < cells; column++) {
        const start = 2 * (row * cells + column);
        middles[start] = half * ((2 * (column + 0.5)) / cells - 1);
        middles[start + 1] = half * (1 - (2 * (row + 0.5)) / cells);
      }
    const { classes } = state.data;
    const probabilities = softmax(logitsAt(middles), classes);
    shadeCanvas.width = cells;
    shadeCanvas.height = cells;
    const small = shadeCanvas.getContext("2d");
    const image = small.createImageData(cells, cells);
    for (let cell = 0; cell < cells * cells; cell++) {
      const answer = largest(probabilities, cell * classes, classes);
      const sureness = (probabilities[cell * classes + answer] - 1 / classes) / (1 - 1 / classes);
      const strength = 0.06 + 0.62 * sureness;
      for (let channel = 0; channel < 3; channel++)
        image.data[4 * cell + channel] =
          (1 - strength) * colours.paper[channel] + strength * colours.shades[answer][channel];
      image.data[4 * cell + 3] = 255;
    }
    small.putImageData(image, 0, 0);
    context.drawImage(shadeCanvas, 0, 0, size, size);
  }

  /* A disc, a square, a triangle, a diamond: a class is told without its colour too. */
  function mark(context, [x, y], shape, radius, isWrong = false) {
    context.beginPath();
    if (isWrong) {
      context.moveTo(x - radius, y - radius);
      context.lineTo(x + radius, y + radius);
      context.moveTo(x - radius, y + radius);
      context.lineTo(x + radius, y - radius);
      context.lineWidth = 4;
      context.strokeStyle = colours.background;
      context.stroke();
      context.lineWidth = 2;
      context.strokeStyle = colours.classes[shape];
      context.stroke();
      return;
    }
    if (shape === 0) context.arc(x, y, radius, 0, 2 * Math.PI);
    if (shape === 1) context.rect(x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius);
    if (shape > 1) {
      const turns = shape === 2 ? 3 : 4;
      for (let turn = 0; turn < turns; turn++) {
        const angle = (2 * Math.PI * turn) / turns - Math.PI / 2;
        context.lineTo(x + 1.25 * radius * Math.cos(angle), y + 1.25 * radius * Math.sin(angle));
      }
      context.closePath();
    }
    context.lineWidth = 1;
    context.fillStyle = colours.classes[shape];
    context.strokeStyle = colours.background;
    context.fill();
    context.stroke();
  }

  function ring(context, [x, y], radius, colour, width, dash = []) {
    context.beginPath();
    context.setLineDash(dash);
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
    context.setLineDash([]);
  }

  /* The reader's own point. */
  function target(context, middle) {
    ring(context, middle, 7, colours.background, 5);
    ring(context, middle, 7, colours.text, 2.5);
    ring(context, middle, 1.5, colours.text, 3);
  }

  function line(context, from, to, width, dash = []) {
    context.beginPath();
    context.setLineDash(dash);
    context.moveTo(...from);
    context.lineTo(...to);
    context.lineWidth = width;
    context.strokeStyle = colours.text;
    context.stroke();
    context.setLineDash([]);
  }

  const radiusOf = (size) => (state.data.train.given.length > 300 ? 2 : size < 220 ? 2.4 : 3.2);
  const pointAt = (points, place) => [points[2 * place], points[2 * place + 1]];

  /* Of each class some test points from near another class, and some from far inside; no network is asked. */
  function circledPoints({ classes, test: { points, labels } }) {
    const all = labels.map((_, place) => place);
    const distance = (one, other) =>
      Math.hypot(points[2 * one] - points[2 * other], points[2 * one + 1] - points[2 * other + 1]);
    const toOthers = all.map((one) => {
      const others = all.filter((other) => labels[other] !== labels[one]);
      return Math.min(...others.map((other) => distance(one, other)));
    });
    return Array.from({ length: classes }, (_, label) => {
      const own = all.filter((place) => labels[place] === label);
      own.sort((one, other) => toOthers[one] - toOthers[other]);
      return CIRCLED.map((share) => own[Math.floor(share * own.length)]);
    }).flat();
  }

  function drawInputs(canvas, network) {
    const plane = paper(canvas, HALF);
    const { context, size, place } = plane;
    shade(plane, (points) => logitsOf(network, points));
    const { points, labels, given } = state.data.train;
    given.forEach((shape, index) =>
      mark(context, place(...pointAt(points, index)), shape, radiusOf(size), shape !== labels[index]));
    const { test, classes } = state.data;
    for (const index of state.circled) {
      const [x, y] = pointAt(test.points, index);
      const isRight = largest(logitsOf(network, Float64Array.of(x, y)), 0, classes) === test.labels[index];
      const there = isRight ? foolingPlace(network, x, y, test.labels[index], state.epsilon) : null;
      const radius = (state.epsilon / (2 * HALF)) * size;
      if (there) {
        ring(context, place(x, y), radius, colours.background, 4.5);
        ring(context, place(x, y), radius, colours.fooled, 2.5);
        ring(context, place(...there), 1.5, colours.fooled, 3);
      } else ring(context, place(x, y), radius, colours.text, 1, isRight ? [] : [2, 3]);
      mark(context, place(x, y), test.labels[index], radiusOf(size));
    }
    if (state.probe) target(context, place(...state.probe));
  }

  /* The border between two classes, as far as it is one: the part of a line on which no third logit is larger. */
  function border({ weight, bias, outputs: classes }, first, second, half) {
    const across = [0, 1].map((axis) => weight[2 * first + axis] - weight[2 * second + axis]);
    const squared = across[0] ** 2 + across[1] ** 2;
    if (squared === 0) return null;
    const shift = (bias[second] - bias[first]) / squared;
    const foot = across.map((value) => value * shift);
    const along = [-across[1], across[0]].map((value) => value / Math.sqrt(squared));
    let low = -4 * half - Math.hypot(...foot);
    let high = 4 * half + Math.hypot(...foot);
    for (let third = 0; third < classes; third++) {
      if (third === first || third === second) continue;
      const ahead = [0, 1].map((axis) => weight[2 * first + axis] - weight[2 * third + axis]);
      const start = ahead[0] * foot[0] + ahead[1] * foot[1] + bias[first] - bias[third];
      const rate = ahead[0] * along[0] + ahead[1] * along[1];
      if (rate > 0) low = Math.max(low, -start / rate);
      else if (rate < 0) high = Math.min(high, -start / rate);
      else if (start < 0) return null;
    }
    if (low >= high) return null;
    return [low, high].map((far) => [foot[0] + far * along[0], foot[1] + far * along[1]]);
  }

  function drawFeatures(canvas, network, found, which) {
    const head = headOf(network);
    const reach = state.reaches[which];
    const plane = paper(canvas, reach);
    const { context, size, place } = plane;
    const featuresOf = (points) => forward(network, points).at(-2);
    shade(plane, (features) => applyLayer(head, features));
    for (let first = 0; first < head.outputs; first++)
      for (let second = first + 1; second < head.outputs; second++) {
        const ends = border(head, first, second, reach);
        if (ends) line(context, place(...ends[0]), place(...ends[1]), 1.5);
      }
    const { points, labels, given } = state.data.train;
    const features = featuresOf(points);
    given.forEach((shape, index) =>
      mark(context, place(...pointAt(features, index)), shape, 0.8 * radiusOf(size), shape !== labels[index]));
    // A ray from the origin through the innermost circled point of each class.
    for (let index = CIRCLED.length - 1; index < state.circled.length; index += CIRCLED.length) {
      const inner = Float64Array.from(pointAt(state.data.test.points, state.circled[index]));
      const [x, y] = featuresOf(inner);
      const far = (2 * reach) / Math.max(1e-9, Math.hypot(x, y));
      line(context, place(0, 0), place(far * x, far * y), 1, [2, 4]);
    }
    const [x, y] = place(0, 0);
    line(context, [x - 6, y], [x + 6, y], 1.5);
    line(context, [x, y - 6], [x, y + 6], 1.5);
    for (const corner of found) star(context, place(...corner));
    drawOtherView(plane, which);
    if (state.probe) target(context, place(...featuresOf(Float64Array.from(state.probe))));
    context.fillStyle = colours.text;
    context.font = "11px system-ui, sans-serif";
    context.fillText(`± ${rounded(reach)}`, 5, size - 6);
  }

  function star(context, [x, y]) {
    context.beginPath();
    for (let tip = 0; tip < 10; tip++) {
      const angle = (Math.PI * tip) / 5 - Math.PI / 2;
      const radius = tip % 2 ? 3.5 : 8;
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
    context.lineWidth = 1.5;
    context.fillStyle = colours.background;
    context.strokeStyle = colours.text;
    context.fill();
    context.stroke();
  }

  /* Each plane of features is as wide as its features need; it follows them without a jump. */
  function followReaches() {
    state.runs.forEach((run, place) => {
      if (isBlownUp(run)) return;
      const features = forward(run.network, state.data.train.points).at(-2);
      const lengths = state.data.train.given.map((_, index) => Math.hypot(...pointAt(features, index)));
      lengths.sort((first, second) => first - second);
      const goal = Math.max(0.2, 1.15 * lengths[Math.floor(0.97 * lengths.length)]);
      const share = state.playing && run.steps > 1 ? 0.15 : 1;
      state.reaches[place] += share * (goal - state.reaches[place]);
    });
  }

  /* Where the other network's picture lies in this one: so that shorter features are seen to be shorter. */
  function drawOtherView({ context, place, half }, which) {
    const other = state.reaches[1 - which];
    if (state.runs.length < 2 || other > 0.85 * half) return;
    const [left, top] = place(-other, other);
    const [right, bottom] = place(other, -other);
    context.setLineDash([4, 3]);
    context.lineWidth = 1.5;
    context.strokeStyle = colours.text;
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
    context.fillStyle = colours.text;
    context.font = "bold 11px system-ui, sans-serif";
    context.fillText(NETWORKS[1 - which], right + 3, top + 9);
  }

  function toldFeatures(found, which) {
    const closer = state.runs.length > 1 ? state.reaches[1 - which] / state.reaches[which] : 1;
    const features = closer > 1.5 ? `Features, zoomed in ${Math.round(closer)} ×` : "Features";
    if (state.data.classes === 3) return `${features}: cones, one apex ★`;
    return `${features}: ${found.length} ${found.length === 1 ? "corner" : "corners"} ★, no apex`;
  }

  function drawRows() {
    for (const { id, text, low, high } of READOUTS) {
      const row = $(`row-${id}`);
      const values = state.history.flatMap((rows) => rows.map((one) => one[id]));
      const bottom = low ?? Math.min(-0.05, ...values);
      const top = high ?? Math.max(low === null ? 0.05 : 1, ...values);
      const last = Math.max(EVERY, ...state.history.map((rows) => rows.at(-1)?.step ?? 0));
      const height = (value) => (28 * (1 - Math.min(1, Math.max(0, (value - bottom) / (top - bottom)))) + 1).toFixed(1);
      [0, 1].forEach((place) => {
        const rows = state.history[place] ?? [];
        const now = rows.at(-1);
        row.cells[place + 1].textContent = now ? (isBlownUp(state.runs[place]) ? "∞" : text(now[id])) : "";
        const corners = rows.map((one) => `${((100 * one.step) / last).toFixed(1)} ${height(one[id])}`);
        row.querySelectorAll(".curve")[place].setAttribute("d", corners.length ? `M${corners.join("L")}` : "");
      });
      row.querySelector(".zero").setAttribute("d", bottom < 0 ? `M0 ${height(0)}H100` : "");
    }
  }

  function tellProbe() {
    $("invitation").hidden = state.probe !== null;
    for (const id of ["probe", "forget"]) $(id).hidden = state.probe === null;
    if (!state.probe) return;
    const { classes } = state.data;
    const said = state.runs.map((run, place) => {
      if (isBlownUp(run)) return `the ${NETWORKS[place]} says nothing`;
      const { network } = run;
      const shares = softmax(logitsOf(network, Float64Array.from(state.probe)), classes);
      const answer = largest(shares, 0, classes);
      return `the ${NETWORKS[place]} says ${COLOUR_NAMES[answer]} (${percent(shares[answer])} sure)`;
    });
    const text = `At your point, ${said.join(", ")}.`;
    if ($("probe").textContent !== text) $("probe").textContent = text;
  }

  function draw() {
    followReaches();
    sections.forEach((section, place) => {
      const run = state.runs[place];
      section.hidden = !run;
      if (!run) return;
      const blown = isBlownUp(run);
      const name = nameOf(place);
      section.querySelector(".name").textContent = blown ? `${name} has blown up: take a smaller learning rate` : name;
      if (blown) return;
      const found = corners(headOf(run.network));
      const [inputs, features] = section.querySelectorAll("canvas");
      drawInputs(inputs, run.network);
      drawFeatures(features, run.network, found, place);
      inputs.setAttribute("aria-label", `${name}: points, and regions of the plane`);
      features.setAttribute("aria-label", `${name}: features and regions; borders meet in ${found.length} places`);
      section.querySelector(".corners").textContent = toldFeatures(found, place);
    });
    drawRows();
    tellProbe();
    const [step, last] = [state.runs[0].steps, state.until].map((steps) => steps.toLocaleString("en"));
    $("steps").textContent = `step ${step} of ${last}`;
  }

  // Controls ---------------------------------------------------------------------------------------------------------

  /* A slider over the values of a knob; its output and what a screen reader says are the value, not its place. */
  function setSlider(slider, values, value) {
    slider.max = values.length - 1;
    slider.step = 1;
    slider.value = values.indexOf(value);
    tellSlider(slider, String(values[slider.value]));
  }

  function tellSlider(slider, text) {
    document.querySelector(`output[for="${slider.id}"]`).textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }

  /* Everything on the page that says how the networks are trained. */
  function showControls() {
    for (const id of ["shape", "classes", "points", "labelNoise"]) $(id).value = state.setting[id];
    tellSlider($("labelNoise"), percent(state.setting.labelNoise));
    tellSlider($("epsilon"), state.epsilon.toFixed(2));
    $("epsilon").value = state.epsilon;
    $("seed").value = state.seed;
    for (const [knob, { values }] of Object.entries(KNOBS)) setSlider($(knob), values, state.knobs[knob]);
    $("other").value = state.other.knob;
    $("otherValue").disabled = !state.other.knob;
    if (state.other.knob) setSlider($("otherValue"), KNOBS[state.other.knob].values, state.other.value);
    else tellSlider($("otherValue"), "–");
    sections.forEach((section, place) => (section.querySelector(".label").textContent = toldLabel(knobsOf(place))));
    const { knob, value } = state.other;
    $("pair").hidden = !knob;
    if (knob) $("differs").textContent = `${KNOBS[knob].label} (first ${state.knobs[knob]}, second ${value})`;
    tellWhereWeAre();
  }

  /* Are the page's knobs as an experiment has them, with a change or without? */
  function isAt({ setting, other }, change = {}) {
    const wanted = [{ ...setting, ...change.setting }, PLAIN, change.other ?? other, EPSILON];
    return JSON.stringify(wanted) === JSON.stringify([state.setting, state.knobs, state.other, state.epsilon]);
  }

  /* Which sentences are about what the reader sees: both, the second, or neither? */
  function tellWhereWeAre() {
    const experiment = EXPERIMENTS[state.experiment];
    const { followUp, held } = experiment;
    const isAsChosen = isAt(experiment);
    const isFollowedUp = followUp !== undefined && isAt(experiment, followUp);
    document.querySelectorAll("#experiments button").forEach((button, place) =>
      button.setAttribute("aria-pressed", place === state.experiment && (isAsChosen || isFollowedUp)));
    $("told").classList.toggle("past", !isAsChosen && !isFollowedUp);
    $("back").hidden = isAsChosen;
    if (isAsChosen)
      $("where").textContent = "Checked at step 2,000 with 20 random starts (seeds): the first sentence held in "
        + `${held[0]} of them, the second in ${held[1]}.`;
    else if (isFollowedUp)
      $("where").textContent = "You now see the second sentence’s setting; the first was about the one before.";
    else $("where").textContent = "You have turned a knob: these sentences were about the setting before.";
  }

  /* Everything as the experiment has it, the attacker's reach too, and no point of the reader's. */
  function chooseExperiment(place) {
    const { setting, other, sentences } = EXPERIMENTS[place];
    state.setting = { ...setting };
    state.knobs = { ...PLAIN };
    state.other = { ...other };
    state.epsilon = EPSILON;
    state.probe = null;
    state.experiment = place;
    $("told").innerHTML = sentences.join(" ").replace(/\[(.+)\]/, '<button type="button" class="inline">$1</button>');
    $("told").querySelector("button")?.addEventListener("click", () => follow(EXPERIMENTS[place]));
    showControls();
    restart();
  }

  /* What the second sentence suggests. */
  function follow({ setting, other, followUp }) {
    state.setting = { ...setting, ...followUp.setting };
    state.knobs = { ...PLAIN };
    state.other = { ...other, ...followUp.other };
    state.epsilon = EPSILON;
    showControls();
    restart();
    playInView();
  }

  /* From the start; at once, if training goes on or had come to its end. */
  function startAgain() {
    const isDone = state.runs[0].steps >= state.until;
    showControls();
    restart();
    if (isDone) play();
  }

  function prepareControls() {
    EXPERIMENTS.forEach(({ name }, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${place + 1} ${name}`;
      button.addEventListener("click", () => {
        chooseExperiment(place);
        playInView();
      });
      $("experiments").append(button);
    });
    $("back").addEventListener("click", () => {
      document.querySelectorAll("#experiments button")[state.experiment].focus({ preventScroll: true });
      chooseExperiment(state.experiment);
      playInView();
    });
    $("other").append(new Option("nothing: one network", ""));
    for (const [knob, { label: name, values }] of Object.entries(KNOBS)) {
      const row = document.createElement("p");
      row.innerHTML = `<label for="${knob}">${name}</label>
        <input type="range" id="${knob}" min="0"><output for="${knob}"></output>`;
      $("both").append(row);
      $("other").append(new Option(name, knob));
      $(knob).addEventListener("input", () => {
        state.knobs[knob] = values[$(knob).value];
        startAgain();
      });
    }
    $("other").addEventListener("change", () => {
      const knob = $("other").value;
      state.other = { knob, value: knob ? KNOBS[knob].usual : 0 };
      startAgain();
    });
    $("otherValue").addEventListener("input", () => {
      state.other.value = KNOBS[state.other.knob].values[$("otherValue").value];
      startAgain();
    });
    $("shape").addEventListener("change", () => {
      state.setting.shape = $("shape").value;
      startAgain();
    });
    for (const id of ["classes", "points", "labelNoise"])
      $(id).addEventListener("input", () => {
        state.setting[id] = Number($(id).value);
        startAgain();
      });
    $("epsilon").addEventListener("input", () => {
      state.epsilon = Number($("epsilon").value);
      showControls();
      readOut();
      draw();
    });
    const newSeed = (seed) => {
      state.seed = seed;
      startAgain();
    };
    $("seed").addEventListener("change", () => newSeed(Math.max(0, Math.floor(Number($("seed").value)) || 0)));
    $("again").addEventListener("click", () => newSeed(state.seed + 1));
    $("play").addEventListener("click", () => (state.playing ? pause() : play()));
    $("restart").addEventListener("click", startAgain);
    $("step").addEventListener("click", () => {
      state.playing = false;
      tellPlaying();
      stepAll();
      readOut();
      draw();
    });
  }

  function prepareProbe() {
    const move = (x, y) => {
      state.probe = [x, y].map((value) => Math.min(HALF, Math.max(-HALF, value)));
      draw();
    };
    const forget = () => {
      state.probe = null;
      document.querySelector(".inputs").focus({ preventScroll: true });
      draw();
    };
    $("forget").addEventListener("click", forget);
    for (const canvas of document.querySelectorAll(".inputs")) {
      const follow = (event) => {
        const box = canvas.getBoundingClientRect();
        const across = (event.clientX - box.left) / box.width;
        const down = (event.clientY - box.top) / box.height;
        move(HALF * (2 * across - 1), HALF * (1 - 2 * down));
      };
      canvas.addEventListener("pointerdown", follow);
      canvas.addEventListener("pointermove", (event) => event.buttons && follow(event));
      canvas.addEventListener("keydown", (event) => {
        const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
        if (!ways[event.key]) return;
        event.preventDefault();
        const [x, y] = state.probe ?? [0, 0];
        move(x + 0.05 * ways[event.key][0], y + 0.05 * ways[event.key][1]);
        $("status").textContent = $("probe").textContent; // aloud; while training moves the numbers, nothing is
      });
    }
  }

  function prepareRows() {
    for (const { id, label: name, note } of READOUTS) {
      const row = document.createElement("tr");
      row.id = `row-${id}`;
      row.innerHTML = `<th scope="row">${name}<small>${note}</small></th><td></td><td></td>
        <td><svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
          <path class="zero"/><path class="curve"/><path class="curve second"/></svg></td>`;
      $("rows").append(row);
    }
    for (const { sentence, held } of BESIDE_THE_BOOK) {
      const item = document.createElement("li");
      item.textContent = `${sentence} (The toy: in ${held} of 20 random starts.)`;
      $("differences").append(item);
    }
  }

  /* Nothing is computed for a page in the background, or while the planes are scrolled away. */
  function prepareIdling() {
    let onScreen = true;
    const look = () => {
      state.visible = onScreen && !document.hidden;
      schedule();
    };
    new IntersectionObserver(([entry]) => {
      onScreen = entry.isIntersecting;
      look();
    }).observe(document.querySelector(".bench"));
    document.addEventListener("visibilitychange", look);
  }

  $("playground").hidden = false;
  prepareTheme($("theme"), () => {
    readColours();
    if (state.data) draw();
  });
  prepareRows();
  prepareControls();
  prepareProbe();
  prepareIdling();
  chooseExperiment(0);
  tellPlaying();
  addEventListener("resize", draw);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
  return state;
}

const inPage = typeof document !== "undefined";
const playground = inPage ? openPlayground() : null; // its state: for tests, and for the curious at the console
if (!inPage)
  module.exports = { PLAIN, STEPS, EXPERIMENTS, BESIDE_THE_BOOK, makeData, beginRun, nextBatch, softened, lossOf,
    zerosLike, trainStep, headOf, foolingPlace, corners, measure };
