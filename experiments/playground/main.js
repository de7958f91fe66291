// Puts the parts together: reads the data of the page, runs the networks after each change and shows what they answer.
"use strict";

class Playground {
  constructor(data) {
    this.networks = data.networks.map((description) => new Network(description));
    shortNames(this.networks).forEach((name, i) => (this.networks[i].short = name));
    for (const network of this.networks) network.structure = analyse(network);
    const [, height, width] = this.networks[0].input;
    this.samples = (data.samples || []).map((sample) => ({
      label: sample.label,
      pixels: samplePixels(sample, height * width),
    }));
    this.verdicts = data.verdicts || {};
    this.drawing = new Drawing(height, width);
    this.chosen = null;
    this.plain = { version: -1 };
    this.trials = new Trials(this.networks, this.samples, height, width);
    this.surface = new PaintSurface(
      byId("surface"),
      this.drawing,
      () => this.refresh(),
      () => this.startDrawing(),
    );
    this.cards = new Cards(byId("cards"), this.networks);
    this.maps = new FeatureMaps(this.networks, () => this.showMaps());
    this.controls = new Controls(this);
    this.tour = new Tour(this);
    this.describe();
    new IntersectionObserver(([entry]) => {
      this.mapsVisible = entry.isIntersecting;
      this.showMaps();
    }).observe(byId("layers"));
    addEventListener("resize", () => this.showMaps());
    byId("try-shifts").addEventListener("click", () => this.tryShifts());
  }

  // Fills in the words that depend on the networks.
  describe() {
    const [first] = this.networks;
    const names = this.networks.map((network) => network.short);
    const datasets = [...new Set(this.networks.map((network) => network.dataset).filter(Boolean))];
    const models = [...new Set(this.networks.map((network) => network.model))];
    const heads =
      ["one head", "two heads", "three heads", "four heads"][this.networks.length - 1] ||
      `${this.networks.length} heads`;
    byId("intro").textContent =
      `${listWords(models)}, trained${datasets.length ? ` on ${listWords(datasets)}` : ""}, with ${heads}: ${listWords(names)}. ` +
      "Draw something, drag it about, and see what each head answers and where its evidence lies.";
    const classes = [...new Set(this.networks.flatMap((network) => network.classes))];
    byId("evidence-class").append(
      element("option", {}, "each head’s own answer"),
      ...classes.map((name) => element("option", { value: name }, name)),
    );
    if (first.input[1] !== 28 || datasets.some((name) => !/^mnist/.test(name))) byId("like-mnist").checked = false;
  }

  chooseSample(sample) {
    const { drawing } = this;
    drawing.setImage({ data: sample.pixels, height: drawing.height, width: drawing.width }, 1, sample.label);
    this.sample = sample;
    this.refresh();
  }

  // A first stroke replaces a sample, which one would otherwise have to remove first.
  startDrawing() {
    if (this.drawing.label !== null) this.drawing.clear();
  }

  setMode(mode) {
    this.surface.mode = mode;
    byId("surface").dataset.mode = mode;
    document.querySelector(`input[name=mode][value=${mode}]`).checked = true;
  }

  // Runs the networks before the next picture is shown, once, however many changes there were.
  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.compute();
    });
  }

  compute() {
    const { drawing, networks } = this;
    const empty = drawing.isEmpty();
    const inputs = networks.map((network) => drawing.render(network.input[1], network.input[2]));
    this.results = networks.map((network, i) => network.run(inputs[i]));
    this.answers = this.results.map((result, i) => networks[i].classes[largestIndex(result.probabilities)]);
    const unchanged = this.unchangedAnswers();
    this.judgements = this.answers.map((answer, i) =>
      empty ? { state: "open", text: "" } : judge(answer, drawing.label, unchanged && unchanged[i]),
    );
    this.surface.show(drawing.render());
    this.cards.update(this.results, inputs, this.judgements, this.chosen, empty);
    this.controls.show();
    this.showMaps();
    this.tour.refresh();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.announce(), 600);
  }

  // The answers to a drawing of one's own before it was moved, or null if it is as it was drawn or its label is known.
  unchangedAnswers() {
    const { drawing } = this;
    if (drawing.label !== null || drawing.isEmpty()) return null;
    if (!drawing.isTransformed() && drawing.clutter.length === 0) return null;
    if (this.plain.version !== drawing.version) {
      const copy = Object.assign(new Drawing(drawing.height, drawing.width), drawing, { clutter: [] });
      copy.resetTransform();
      const answers = this.networks.map((network) => answerOf(network, copy).name);
      this.plain = { version: drawing.version, answers };
    }
    return this.plain.answers;
  }

  // What the heads answer, in one or two sentences.
  answersSentence() {
    if (this.drawing.isEmpty()) return "There is nothing to see yet.";
    const groups = new Map();
    this.answers.forEach((answer, i) => groups.set(answer, [...(groups.get(answer) || []), this.networks[i].short]));
    const { label } = this.drawing;
    const say = ([answer, names]) => {
      const verdict = label === null ? "" : answer === label ? ", which is right" : ", which is wrong";
      const all = names.length === this.networks.length && names.length > 1;
      return `${all ? "all heads" : listWords(names)} ${names.length > 1 ? "answer" : "answers"} ${answer}${verdict}`;
    };
    const sentence = [...groups].map(say).join("; ");
    return `${sentence[0] === "a" && groups.size === 1 ? sentence[0].toUpperCase() + sentence.slice(1) : sentence}.`;
  }

  // Tells screen readers once the drawing has come to rest, and how much of it lies outside.
  announce() {
    const lost = this.drawing.cutOff();
    byId("cut-off").textContent =
      lost >= 0.005 ? `${Math.max(1, Math.round(lost * 100))} % of the ink lies outside.` : "";
    const certain = this.results.map(
      (result, i) => `${this.networks[i].short} ${formatPercent(Math.max(...result.probabilities))} per cent`,
    );
    byId("summary").textContent = this.drawing.isEmpty()
      ? "The drawing is empty."
      : `${this.answersSentence()} Certainty: ${listWords(certain)}.`;
  }

  showMaps() {
    if (this.mapsVisible && this.results) this.maps.update(this.results[this.maps.index]);
  }

  async tryShifts() {
    const status = byId("shifts-status");
    if (this.drawing.isEmpty()) {
      status.textContent = "Draw something first.";
      return;
    }
    const { drawing } = this;
    const run = (this.shiftRun = (this.shiftRun || 0) + 1);
    status.textContent = "Asking…";
    const cells = await this.trials.shiftMap(drawing, 8, 2, () => run !== this.shiftRun);
    if (!cells) return;
    const middle = cells.find((cell) => cell.x === 0 && cell.y === 0);
    const label = drawing.label;
    const counts = [];
    const figures = this.networks.map((network, i) => {
      const expected = label === null ? middle.answers[i].name : label;
      const count = cells.filter((cell) => cell.answers[i].name === expected).length;
      const words = `${network.short}: ${count} of ${cells.length} ${label === null ? "as in the middle" : "right"}`;
      counts.push(words);
      const canvas = element("canvas", { role: "img", "aria-label": words });
      paintShifts(canvas, cells, 9, expected, network, i);
      return element("figure", {}, canvas, element("figcaption", {}, words));
    });
    byId("shift-maps").replaceChildren(...figures);
    status.textContent = `${counts.join("; ")}.`;
  }
}

// The grey values of a sample from 0 to 1; the mean of its channels if it has several.
function samplePixels(sample, size) {
  const bytes = bytesFromBase64(sample.pixels);
  const channels = Math.max(1, Math.round(bytes.length / size));
  return Float32Array.from({ length: size }, (_, i) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += bytes[channel * size + i];
    return sum / (255 * channels);
  });
}

function startPlayground() {
  const failure = byId("failure");
  try {
    const text = byId("data").textContent.trim();
    if (!text) throw new Error("the page has no networks: `experiments playground` writes one that has");
    byId("main").hidden = false;
    window.playground = new Playground(JSON.parse(text));
    byId("start-tour").hidden = false;
    const { playground } = window;
    playground.setMode("draw");
    const agreed = playground.samples.find((sample) => {
      const drawing = drawingOfSample(sample, playground.drawing.height, playground.drawing.width);
      return playground.networks.every((network) => answerOf(network, drawing).name === sample.label);
    });
    if (agreed || playground.samples.length) playground.chooseSample(agreed || playground.samples[0]);
    else playground.refresh();
  } catch (error) {
    byId("main").hidden = true;
    failure.hidden = false;
    failure.textContent = `The page cannot be shown: ${error.message}.`;
  }
}

startPlayground();
