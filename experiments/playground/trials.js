// Asks all networks about many drawings, in short pieces so that the page stays usable.
"use strict";

// Milliseconds of work after which the page gets its turn.
const PIECE = 12;

function largestIndex(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

// A drawing of a sample {label, pixels}, untransformed.
function drawingOfSample(sample, height, width) {
  const drawing = new Drawing(height, width);
  drawing.setImage({ data: sample.pixels, height, width }, 1, sample.label);
  return drawing;
}

// The answer of a network to a drawing: the index of the class, its name and its probability.
function answerOf(network, drawing) {
  const [, height, width] = network.input;
  const { probabilities } = network.run(drawing.render(height, width));
  const best = largestIndex(probabilities);
  return { index: best, name: network.classes[best], probability: probabilities[best] };
}

class Trials {
  constructor(networks, samples, height, width) {
    Object.assign(this, { networks, samples, height, width, unchanged: new Map() });
  }

  // Calls `ask` for each case in turn. Returns all results, or null once `stopped()` is true.
  async each(cases, ask, stopped = () => false) {
    const results = [];
    let begin = performance.now();
    for (const one of cases) {
      if (performance.now() - begin > PIECE) {
        await new Promise((resume) => setTimeout(resume, 0));
        if (stopped()) return null;
        begin = performance.now();
      }
      results.push(ask(one));
    }
    return results;
  }

  // Changes each sample by each of the changes, which are functions of the drawing, and asks all networks.
  samplesUnder(changes, stopped) {
    const cases = this.samples.flatMap((sample) => changes.map((change) => ({ sample, change })));
    const rightOf = (sample, answers) => answers.map((answer) => answer.name === sample.label);
    const ask = ({ sample, change }) => {
      const drawing = drawingOfSample(sample, this.height, this.width);
      const askAll = () => this.networks.map((network) => answerOf(network, drawing));
      if (!this.unchanged.has(sample)) this.unchanged.set(sample, rightOf(sample, askAll()));
      const before = this.unchanged.get(sample);
      change.apply(drawing);
      const answers = askAll();
      const right = rightOf(sample, answers);
      return { sample, change, answers, right, before, cutOff: drawing.cutOff() };
    };
    return this.each(cases, ask, stopped);
  }

  // How many of the results each network has right.
  countRight(results) {
    return this.networks.map((_, i) => results.filter((result) => result.right[i]).length);
  }

  // How many of the networks have the samples of the results right before they are changed.
  countRightBefore() {
    return this.networks.map((_, i) => this.samples.filter((sample) => this.unchanged.get(sample)[i]).length);
  }

  // The result that shows best how the heads differ: some right and some wrong; all right before and hardly cut off, if
  // there is such a result; and, with `byPosition`, as many wrong answers as possible from heads that know positions and as
  // many right ones as possible from the others.
  mostTelling(results, byPosition) {
    const bound = this.networks.map((network) => network.structure.head.knowsPositions);
    const telling = (result) => {
      const differ = result.right.includes(true) && result.right.includes(false);
      const apart = byPosition ? result.right.filter((right, i) => right !== bound[i]).length : 0;
      const sure = result.answers.reduce((sum, answer, i) => sum + (result.right[i] ? answer.probability : 0), 0);
      const fair = (result.before.every(Boolean) ? 2 : 0) + (result.cutOff < 0.02 ? 1 : 0);
      return (differ ? 1000 : 0) + 100 * fair + 10 * apart + sure / this.networks.length;
    };
    return results.reduce((best, result) => (telling(result) > telling(best) ? result : best), results[0]);
  }

  // The answers to the drawing at all shifts of a square grid: rows of {x, y, answers}.
  shiftMap(drawing, most, step, stopped) {
    const cases = [];
    for (let y = -most; y <= most; y += step) for (let x = -most; x <= most; x += step) cases.push({ x, y });
    const copy = Object.assign(new Drawing(drawing.height, drawing.width), drawing);
    const ask = ({ x, y }) => {
      Object.assign(copy, { x, y });
      return { x, y, answers: this.networks.map((network) => answerOf(network, copy)) };
    };
    return this.each(cases, ask, stopped);
  }
}

// The four moves by a number of pixels, with the words for them.
function movesBy(pixels) {
  const move = (words, x, y) => ({ words, x, y, apply: (drawing) => Object.assign(drawing, { x, y }) });
  return [
    move(`${pixels} pixels to the left`, -pixels, 0),
    move(`${pixels} pixels to the right`, pixels, 0),
    move(`${pixels} pixels up`, 0, -pixels),
    move(`${pixels} pixels down`, 0, pixels),
  ];
}
