// The cards, one for each network: its answer, where its evidence lies, and the probabilities of all classes.
"use strict";

// With more classes than this, only the most probable ones are shown.
const MOST_BARS = 12;

class Cards {
  constructor(root, networks) {
    this.networks = networks;
    this.cards = networks.map((network) => this.build(network));
    // Three cards fit beside each other on a phone; of four, two.
    root.style.setProperty("--columns", networks.length);
    root.style.setProperty("--narrow-columns", networks.length > 3 ? 2 : networks.length);
    root.append(...this.cards.map((card) => card.root));
  }

  build(network) {
    const { head } = network.structure;
    const many = network.classes.length > MOST_BARS;
    const long = network.classes.some((name) => name.length > 3);
    const rows = network.classes.slice(0, MOST_BARS).map(() => {
      const parts = { label: element("span", { class: "bar-label" }), bar: element("span", { class: "bar-fill" }) };
      parts.number = element("span", { class: "bar-number" });
      parts.row = element(
        "li",
        {},
        parts.label,
        element("span", { class: "bar", "aria-hidden": "true" }, parts.bar),
        parts.number,
      );
      return parts;
    });
    const card = { rows, many };
    card.answer = element("span", { class: "answer" });
    card.sure = element("span", { class: "sure" });
    card.verdict = element("p", { class: "verdict" });
    card.evidence = element("canvas", { class: "evidence", role: "img" });
    card.range = element("p", { class: "range" });
    const bars = element("ol", {
      class: long ? "bars long" : "bars",
      "aria-label": `Probabilities by ${network.short}, in per cent`,
    });
    bars.append(...rows.map((parts) => parts.row));
    card.root = element(
      "article",
      { class: "card", "aria-label": `Head ${network.short}` },
      element("h3", {}, network.short),
      element("p", { class: "result" }, card.answer, " ", card.sure),
      card.verdict,
      card.evidence,
      card.range,
      bars,
      element("p", { class: "about" }, `${network.short} ${head.sentence}`),
      factsOf(network),
    );
    return card;
  }

  // Shows the results of all networks. `judgements` are from judge(), `chosen` is a class or null for each one's answer.
  update(results, inputs, judgements, chosen, empty) {
    results.forEach((result, i) => {
      const [card, network] = [this.cards[i], this.networks[i]];
      const best = largestIndex(result.probabilities);
      card.answer.textContent = empty ? "–" : network.classes[best];
      card.sure.textContent = empty ? "" : `${formatPercent(result.probabilities[best])} %`;
      card.verdict.textContent = judgements[i].text;
      card.verdict.className = `verdict ${judgements[i].state}`;
      this.showBars(card, network, result.probabilities, best, empty);
      const index = chosen === null ? best : Math.max(network.classes.indexOf(chosen), 0);
      this.showEvidence(card, network, result, inputs[i], index);
    });
  }

  showBars(card, network, probabilities, best, empty) {
    const order = network.classes.map((_, index) => index);
    if (card.many) order.sort((a, b) => probabilities[b] - probabilities[a]);
    card.rows.forEach((parts, place) => {
      const index = order[place];
      const share = empty ? 0 : probabilities[index];
      parts.label.textContent = network.classes[index];
      parts.label.title = network.classes[index];
      parts.bar.style.width = `${(share * 100).toFixed(1)}%`;
      parts.number.textContent = empty ? "–" : formatPercent(share);
      parts.row.classList.toggle("best", index === best && !empty);
    });
  }

  showEvidence(card, network, result, pixels, index) {
    const [, height, width] = network.input;
    if (!result.evidence) {
      const nowhere = { jump: [height, width], start: [height / 2, width / 2], field: [1, 1] };
      paintEvidence(card.evidence, pixels, height, width, [0], 1, 1, nowhere, 1);
      card.evidence.setAttribute("aria-label", `The drawing; ${network.short} has no map of its evidence`);
      card.range.textContent = "no map of evidence";
      return;
    }
    const { shape, data } = result.evidence;
    const [rows, columns] = shape.slice(-2);
    const map = data.subarray(index * rows * columns, (index + 1) * rows * columns);
    const most = map.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-6);
    const places = evidencePlaces(network, network.structure, shape);
    paintEvidence(card.evidence, pixels, height, width, map, rows, columns, places, most);
    const best = largestIndex(map);
    const where = placeWords(Math.floor(best / columns), best % columns, rows, columns);
    const name = network.classes[index];
    card.evidence.setAttribute(
      "aria-label",
      `Evidence of ${network.short} for ${name}: most of it ${where}, ${formatSigned(map[best])}`,
    );
    card.range.textContent = `for ${name}, ±${most.toFixed(1)}`;
  }
}

// The numbers of a network that do not change.
function factsOf(network) {
  const facts = element("dl", { class: "facts" });
  const add = (term, value) => facts.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  if (network.headParameters !== undefined) add("parameters of the head", formatCount(network.headParameters));
  if (network.parameters !== undefined) add("of the network", formatCount(network.parameters));
  if (network.macs !== undefined) add("multiply-adds", `${(network.macs / 1e6).toFixed(2)} M`);
  if (typeof network.top1 === "number") add("test images right", `${(network.top1 * 100).toFixed(2)} %`);
  return facts;
}

// Words for a position in a map.
function placeWords(row, column, rows, columns) {
  const third = (value, size, words) => words[size < 2 ? 1 : Math.min(Math.floor((value / (size - 1)) * 3), 2)];
  const [down, across] = [
    third(row, rows, ["at the top", "", "at the bottom"]),
    third(column, columns, ["left", "", "right"]),
  ];
  if (!down && !across) return "in the middle";
  return down ? [down, across].filter(Boolean).join(" ") : `on the ${across}`;
}

// Whether an answer is right: by the label of a sample or, for a drawing of one's own, by comparison with the answer before
// it was changed. The state is “right”, “wrong” or “open”.
function judge(answer, label, unchanged) {
  if (label !== null) {
    return answer === label ? { state: "right", text: "✓ right" } : { state: "wrong", text: `✗ not ${label}` };
  }
  if (unchanged === null) return { state: "open", text: "" };
  return answer === unchanged
    ? { state: "right", text: "✓ as before" }
    : { state: "wrong", text: `✗ was ${unchanged}` };
}

// A map of all shifts: one cell for each, with the answer in it. Colour is not the only sign: cells that are wrong are crossed.
function paintShifts(canvas, cells, columns, expected, network, index) {
  const size = 36;
  canvas.width = columns * size;
  canvas.height = (cells.length / columns) * size;
  const context = canvas.getContext("2d");
  context.textAlign = "center";
  context.textBaseline = "middle";
  const long = network.classes.some((name) => name.length > 2);
  context.font = `bold ${long ? 13 : 22}px system-ui, sans-serif`;
  cells.forEach((cell, i) => {
    const answer = cell.answers[index];
    const [left, top] = [(i % columns) * size, Math.floor(i / columns) * size];
    const right = answer.name === expected;
    context.fillStyle = right ? "#0b5d33" : "#8f1d2c";
    context.fillRect(left + 1, top + 1, size - 2, size - 2);
    context.fillStyle = "#ffffff";
    context.fillText(long ? answer.name.slice(0, 3) : answer.name, left + size / 2, top + size / 2 + 1);
    if (!right) {
      context.strokeStyle = "rgba(255,255,255,.55)";
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(left + 3, top + size - 3);
      context.lineTo(left + size - 3, top + 3);
      context.stroke();
    }
    if (cell.x === 0 && cell.y === 0) {
      context.strokeStyle = "#ffffff";
      context.lineWidth = 3;
      context.strokeRect(left + 2.5, top + 2.5, size - 5, size - 5);
    }
  });
}
