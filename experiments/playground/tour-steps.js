// What the steps of the tour show. Each sentence about answers is computed from the networks on the page.
"use strict";

Object.assign(Tour.prototype, {
  showWays({ add }) {
    const { networks } = this.playground;
    const { layers, head } = networks[0].structure;
    const same = networks.every((network) => network.model === networks[0].model);
    const trunk = same
      ? `The same layers turn an image of ${networks[0].input.slice(1).join("×")} pixels into small maps (${layers
          .map((layer) => layer.shape[2])
          .join(" → ")}). Then the heads part:`
      : "Layers turn an image into small maps. Then the heads part:";
    const items = networks.map((network) => {
      const parameters = network.headParameters;
      const count = parameters === undefined ? "" : ` ${formatCount(parameters)} parameters.`;
      return element("li", {}, element("strong", {}, network.short), ` ${network.structure.head.sentence}${count}`);
    });
    add([element("p", {}, trunk), element("ul", {}, ...items)]);
  },

  showMiddle({ add }) {
    const { playground } = this;
    const { samples, drawing } = playground;
    if (samples.length && (drawing.isEmpty() || drawing.label !== null)) playground.chooseSample(this.firstSample());
    else drawing.resetTransform();
    playground.drawing.scatter(0, 1);
    const text = "Choose a sample, or draw. Red in the pictures is evidence for the answer, blue against it.";
    add([element("p", {}, text), this.now]);
    playground.refresh();
  },

  // The sample that the tour moves later, if that is known already.
  firstSample() {
    return this.moved ? this.moved.best.sample : this.playground.samples[0];
  },

  // Finds out what happens to all samples when they are moved.
  async findMove(current) {
    if (this.moved) return this.moved;
    const { trials } = this.playground;
    const begin = performance.now();
    for (const distance of TOUR_DISTANCES) {
      const results = await trials.samplesUnder(movesBy(distance), () => !current());
      if (!results) return null;
      const best = trials.mostTelling(results, true);
      const bound = trials.networks.map((network) => network.structure.head.knowsPositions);
      const apart = best && best.right.every((right, i) => right !== bound[i]);
      if (!this.moved || apart) this.moved = { distance, results, best };
      // Large networks need so long that the first distance has to do.
      if (apart || performance.now() - begin > 2000) break;
    }
    return this.moved;
  },

  async findChanges(current) {
    const { trials } = this.playground;
    this.changed = this.changed || new Map();
    for (const change of [TOUR_CLUTTER, TOUR_SCALE]) {
      if (this.changed.has(change)) continue;
      const results = await trials.samplesUnder([change], () => !current());
      if (!results) return null;
      this.changed.set(change, { results, best: trials.mostTelling(results, false) });
    }
    return this.changed;
  },

  // How many of the samples each network has right as they are.
  beforeWords() {
    const { trials, samples } = this.playground;
    const counts = trials.countRightBefore();
    if (counts.every((count) => count === samples.length)) return "All heads have all samples right where they are.";
    return `Right where they are, of ${samples.length}: ${this.countWords(counts)}.`;
  },

  // “fc 22, gap 37 and gmp-fc 36”.
  countWords(counts) {
    return listWords(this.playground.networks.map((network, i) => `${network.short} ${counts[i]}`));
  },

  chosenWords(best) {
    const bound = this.playground.networks.map((network) => network.structure.head.knowsPositions);
    const asExpected =
      bound.includes(true) && bound.includes(false) && best.right.every((right, i) => right !== bound[i]);
    if (asExpected) return "This one was chosen because heads that know positions fail on it and the others do not.";
    const differ = best.right.includes(true) && best.right.includes(false);
    return differ ? "This one was chosen because the heads differ on it." : "The heads do not differ on any of them.";
  },

  async showMove({ add, current }) {
    const found = await this.findMove(current);
    if (!found || !current()) return;
    const { playground } = this;
    const { trials } = playground;
    const { best, results, distance } = found;
    if (!best) {
      playground.setMode("move");
      add([element("p", {}, "Drag your drawing (the pointer drags now), or use the arrow keys in it."), this.now]);
      playground.refresh();
      return;
    }
    const moved = `The sample “${best.sample.label}” was moved ${best.change.words}.`;
    const all = `All ${plural(playground.samples.length, "sample")}, moved by ${distance} pixels in four directions, make ${results.length} images. ${this.beforeWords()} Right when moved: ${this.countWords(trials.countRight(results))}.`;
    const own = `${this.chosenWords(best)} Drag it on (the pointer drags now), or use the arrow keys in the drawing.`;
    add([element("p", {}, moved), this.now], [element("p", {}, all), element("p", {}, own)]);
    playground.chooseSample(best.sample);
    playground.setMode("move");
    await this.glide(best.change, current);
  },

  // Moves the drawing step by step, or at once for people who do not want motion.
  async glide({ x, y }, current) {
    const { playground } = this;
    const steps = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : Math.max(Math.abs(x), Math.abs(y));
    for (let step = 1; step <= steps; step++) {
      await new Promise((resume) => setTimeout(resume, steps === 1 ? 0 : 110));
      if (!current()) return;
      playground.surface.moveTo((x * step) / steps, (y * step) / steps);
    }
  },

  async showClutter({ add, current }) {
    const found = await this.findChanges(current);
    if (!found || !current()) return;
    const { playground } = this;
    const { trials } = playground;
    if (!playground.samples.length) {
      add([element("p", {}, "Draw something, and move the sliders for clutter and scale."), this.now]);
      playground.refresh();
      return;
    }
    const what = element("p");
    const show = (change) => {
      const { best } = found.get(change);
      playground.chooseSample(best.sample);
      change.apply(playground.drawing);
      what.textContent = `The sample “${best.sample.label}” is shown ${change.words}. ${this.chosenWords(best)}`;
      playground.refresh();
    };
    const button = (change, words) => {
      const made = element("button", { type: "button" }, words);
      made.addEventListener("click", () => show(change));
      return made;
    };
    const counts = [TOUR_CLUTTER, TOUR_SCALE].map(
      (change) => `${change.words}: ${this.countWords(trials.countRight(found.get(change).results))}`,
    );
    const all = `${this.beforeWords()} Right of ${plural(playground.samples.length, "sample")}, ${counts.join("; ")}.`;
    const buttons = element(
      "div",
      { class: "row" },
      button(TOUR_CLUTTER, "With clutter"),
      button(TOUR_SCALE, "At 60 % of its size"),
    );
    add([what, this.now, buttons], [element("p", {}, all)]);
    show(TOUR_CLUTTER);
  },

  async showCosts({ add, current }) {
    const [moved, changed] = [await this.findMove(current), await this.findChanges(current)];
    if (!moved || !changed || !current()) return;
    const { networks, trials, samples } = this.playground;
    const tried = [
      {
        words: "parameters",
        best: Math.min,
        of: (n) => n.headParameters,
        text: formatCount,
        name: "fewest parameters of the head",
      },
      {
        words: "test right",
        best: Math.max,
        of: (n) => n.top1,
        text: (v) => `${(v * 100).toFixed(2)} %`,
        name: "most test images right",
      },
      ...[
        [`moved by ${moved.distance}`, moved.results],
        ["with clutter", changed.get(TOUR_CLUTTER).results],
        ["at 60 %", changed.get(TOUR_SCALE).results],
      ].map(([words, results]) => {
        const counts = trials.countRight(results);
        return {
          words,
          best: Math.max,
          of: (n) => counts[networks.indexOf(n)],
          text: (v) => `${v}/${results.length}`,
          name: `most right ${words}`,
        };
      }),
    ];
    const known = samples.length ? tried : tried.slice(0, 2);
    const columns = known.filter((column) => networks.every((network) => typeof column.of(network) === "number"));
    const head = element(
      "tr",
      {},
      element("th", { scope: "col" }, "head"),
      ...columns.map((c) => element("th", { scope: "col" }, c.words)),
    );
    const rows = networks.map((network) => {
      const cells = columns.map((column) => element("td", {}, column.text(column.of(network))));
      return element("tr", {}, element("th", { scope: "row" }, network.short), ...cells);
    });
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
    const winners = columns.map((column) => {
      const top = column.best(...networks.map(column.of));
      const names = networks.filter((network) => column.of(network) === top).map((network) => network.short);
      return `${column.name}: ${names.length === networks.length ? "all alike" : listWords(names)}`;
    });
    const few = samples.length ? ` ${plural(samples.length, "sample")} illustrate; they do not prove.` : "";
    const advice =
      "Flattening can pay where objects are always in the same place. Global pooling is the choice where they may be anywhere, where images have several sizes (a flattened head takes only one), or where parameters count.";
    const scrolled = element(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": "Costs of the heads" },
      table,
    );
    const summary =
      winners.length && networks.length > 1
        ? `${winners.join("; ")}.${few}`.replace(/^./, (first) => first.toUpperCase())
        : few;
    add([scrolled], [element("p", {}, summary), element("p", {}, advice)]);
  },
});
