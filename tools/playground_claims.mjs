/* In how many of twenty seeds does each sentence of the playground hold?  node tools/playground_claims.mjs [--json]
   [--experiment=0] [FIRST]

   Under each of its five buttons the page says two sentences, and three more beside the book's networks. Here stands
   what counts as holding, for each of them, in the order of the page: a condition on what is measured after 2,000
   steps, as the page measures it. Seeds are 0 to 19, or twenty from FIRST on: the sentences were written with the
   former in view. All of them take two minutes of one core, those of one experiment (0 to 4) less.

   Printed is the count beside the one that the page has; they are written into book/playground/playground.js by hand.
   Exit 1: a sentence holds in fewer than sixteen seeds. It is to be rewritten, or goes. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const playground = require("../book/playground/playground.js");
const { PLAIN, STEPS, EXPERIMENTS, BESIDE_THE_BOOK, makeData, beginRun, trainStep, measure } = playground;
const FIRST = Number(process.argv.slice(2).find((argument) => /^\d+$/.test(argument)) ?? 0);
const ONLY = process.argv.find((argument) => argument.startsWith("--experiment="))?.split("=")[1];
const SEEDS = 20;
const ENOUGH = 16;
const EPSILON = 0.1; // the page's, before the reader moves it

/* Readouts at the end of training and halfway, by points, knobs and seed; each network is trained once. */
const trained = new Map();
function readouts(setting, knobs, seed) {
  const key = JSON.stringify([setting, knobs, seed]);
  if (!trained.has(key)) {
    const data = makeData({ ...setting, seed });
    const run = beginRun(data, { ...PLAIN, ...knobs }, seed);
    while (run.steps < STEPS / 2) trainStep(run);
    const halfway = measure(run.network, data, EPSILON);
    while (run.steps < STEPS) trainStep(run);
    trained.set(key, { halfway, ...measure(run.network, data, EPSILON) });
  }
  return trained.get(key);
}

const isAlike = (first, second, within) => Math.abs(first - second) <= within;
const [soften, fool, lies, mix, push] = EXPERIMENTS;

/* experiment: whose points, first and second network (A and B) are meant.  holds: of their readouts, and of `also`, a function of a seed that
   trains another network: also(knobs), or also(knobs, points) where these are others. */
const CLAIMS = [
  {
    experiment: soften,
    what: "accuracies within 5 points, B's confidence lower by at least 5",
    holds: (a, b) => isAlike(a.accuracy, b.accuracy, 0.05) && b.confidence <= a.confidence - 0.05,
  },
  {
    experiment: soften,
    what: "A's logits longer than halfway through training; B's less than half as long, and within a tenth of halfway",
    holds: (a, b) =>
      a.length > a.halfway.length && b.length < a.length / 2 && isAlike(b.length / b.halfway.length, 1, 0.1),
  },
  {
    experiment: fool,
    what: "lead and slope less than half",
    holds: (a, b) => b.margin < a.margin / 2 && b.slope < a.slope / 2,
  },
  {
    experiment: fool,
    what: "shares fooled within 5 points",
    holds: (a, b) => isAlike(a.fooled, b.fooled, 0.05),
  },
  {
    experiment: lies,
    what: "A right on at least 85 % of its own labels, too sure by more than 5 points; B's gap less than half of that",
    holds: (a, b) => a.trainAccuracy >= 0.85 && a.gap > 0.05 && Math.abs(b.gap) < a.gap / 2,
  },
  {
    experiment: lies,
    what: "weight decay 0.01: right on fewer own labels, on more fresh points than A and B; two thirds of either's fooled",
    holds: (a, b, also) => {
      const decayed = also({ weightDecay: 0.01 });
      return [a, b].every(
        (one) =>
          decayed.trainAccuracy < one.trainAccuracy &&
          decayed.accuracy > one.accuracy &&
          decayed.fooled <= (2 / 3) * one.fooled,
      );
    },
  },
  {
    experiment: mix,
    what: "B less accurate, at least 5 points more fooled",
    holds: (a, b) => b.accuracy < a.accuracy && b.fooled >= a.fooled + 0.05,
  },
  {
    experiment: mix,
    what: "on blobs: fooled at most 1 point more with Mixup, accuracy at most 1 point less",
    holds: (a, b, also) => {
      const blobs = { ...mix.setting, shape: "blobs" };
      const plain = also({}, blobs);
      const mixed = also({ mixup: 1 }, blobs);
      return mixed.fooled <= plain.fooled + 0.01 && mixed.accuracy >= plain.accuracy - 0.01;
    },
  },
  {
    experiment: push,
    what: "B's logits less than half as long",
    holds: (a, b) => b.length < a.length / 2,
  },
  {
    experiment: push,
    what: "label smoothing 0.2: accuracy and confidence within 3 points of MaxSup's, length within a tenth",
    holds: (a, b, also) => {
      const smoothed = also({ labelSmoothing: 0.2 });
      return (
        isAlike(smoothed.accuracy, b.accuracy, 0.03) &&
        isAlike(smoothed.confidence, b.confidence, 0.03) &&
        isAlike(smoothed.length / b.length, 1, 0.1)
      );
    },
  },
  {
    experiment: soften,
    what: "a smaller share stays along the ray with soft labels",
    holds: (a, b) => b.keeps < a.keeps,
  },
  {
    experiment: fool,
    what: "shares fooled within 5 points",
    holds: (a, b) => isAlike(a.fooled, b.fooled, 0.05),
  },
  {
    experiment: mix,
    what: "accuracy at least 3 points lower with Mixup",
    holds: (a, b) => b.accuracy <= a.accuracy - 0.03,
  },
];

const sentences = [
  ...EXPERIMENTS.flatMap(({ sentences: said, held }) =>
    said.map((sentence, place) => ({ sentence, printed: held[place] })),
  ),
  ...BESIDE_THE_BOOK.map(({ sentence, held }) => ({ sentence, printed: held })),
];
if (sentences.length !== CLAIMS.length) throw new Error(`${sentences.length} sentences, ${CLAIMS.length} conditions`);

const results = CLAIMS.flatMap(({ experiment, what, holds }, place) => {
  if (ONLY && experiment !== EXPERIMENTS[ONLY]) return [];
  const { setting, other } = experiment;
  let count = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const first = readouts(setting, {}, seed);
    const second = readouts(setting, { [other.knob]: other.value }, seed);
    const also = (knobs, points = setting) => readouts(points, knobs, seed);
    if (holds(first, second, also)) count++;
  }
  return { experiment: experiment.name, ...sentences[place], what, holds: count };
});

if (process.argv.includes("--json")) {
  console.log(JSON.stringify(results));
} else {
  for (const { experiment, sentence, what, holds, printed } of results) {
    console.log(`${String(holds).padStart(2)} of ${SEEDS} (the page says ${printed})  ${experiment}: ${what}`);
    console.log(`    ${sentence}`);
  }
}
if (results.some(({ holds }) => holds < ENOUGH)) process.exitCode = 1;
