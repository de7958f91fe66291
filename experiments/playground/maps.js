// The feature maps of one network, layer by layer, and how its head reduces them.
"use strict";

class FeatureMaps {
  // Calls `chosen(index)` when another network is chosen.
  constructor(networks, chosen) {
    Object.assign(this, { networks, index: 0 });
    const choice = byId("layer-choice");
    networks.forEach((network, i) => {
      const input = element("input", { type: "radio", name: "layer-network", value: i, checked: i === 0 });
      input.addEventListener("change", () => {
        this.index = i;
        this.build();
        chosen();
      });
      choice.append(element("label", {}, input, element("span", {}, network.short)));
    });
    this.build();
  }

  get network() {
    return this.networks[this.index];
  }

  // Makes the elements for the network, without values yet.
  build() {
    const { layers, head } = this.network.structure;
    const last = layers[layers.length - 1];
    this.figures = layers.slice(1).map((layer) => this.figure(`${layer.words}: `, sizeWords(layer.shape), layer));
    const kept = `${formatCount(head.kept)} value${head.kept === 1 ? "" : "s"}`;
    this.headFigure = this.figure(
      `Head ${this.network.short}: `,
      `${formatCount(sizeOf(last.shape))} values become ${kept}`,
      null,
    );
    const parameters = this.network.headParameters;
    const weights = parameters === undefined ? "" : ` The head has ${formatCount(parameters)} parameters.`;
    this.headFigure.root.append(element("p", {}, `${this.network.short} ${head.sentence}${weights}`));
    byId("maps").replaceChildren(...this.figures.map((figure) => figure.root), this.headFigure.root);
    const sides = layers.map((layer) => layer.shape[2]);
    const counts = [...layers.map((layer) => sizeOf(layer.shape)), head.kept];
    byId("sizes").replaceChildren(
      element("strong", {}, sides.join(" → ")),
      ` pixels high; ${counts.map(formatCount).join(" → ")} values.`,
    );
    this.links = layers.map((layer, i) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const kind = i === 0 ? "image" : /Pool/.test(layer.operator) ? "pool" : "conv";
      const link = element(
        "figure",
        {},
        canvas,
        element("figcaption", {}, layer.shape.slice(2).join("×"), element("br"), kind),
      );
      return { layer, canvas, root: link };
    });
    const end = element("figure", {}, element("figcaption", {}, kept, element("br"), "head"));
    byId("chain").replaceChildren(...this.links.map((link) => link.root), end);
  }

  figure(words, size, layer) {
    const canvas = element("canvas", { role: "img", "aria-label": `${words}${size}` });
    const numbers = element("span", { class: "numbers" });
    const caption = element("figcaption", {}, element("strong", {}, words), size, numbers);
    return { layer, canvas, numbers, root: element("figure", { class: "layer" }, caption, canvas) };
  }

  update(result) {
    const { head } = this.network.structure;
    const room = Math.max(byId("maps").clientWidth, 200);
    for (const link of this.links) this.showLink(link, result.values.get(link.layer.name));
    for (const figure of this.figures) {
      const marked = head.kind === "max" && figure.layer.name === head.last;
      this.showLayer(figure, result.values.get(figure.layer.name), room, marked);
    }
    this.showVector(result.values.get(head.vector), room);
  }

  showLink({ canvas }, { shape, data }) {
    const [, channels, rows, columns] = shape;
    const size = rows * columns;
    const offset =
      largestIndex(Array.from({ length: channels }, (_, c) => varianceOf(data.subarray(c * size, (c + 1) * size)))) *
      size;
    const map = data.subarray(offset, offset + size);
    const side = this.network.input[1];
    const zoom = Math.max(1, Math.floor((window.innerWidth < 600 ? 84 : 140) / side));
    canvas.width = columns * zoom;
    canvas.height = rows * zoom;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    paintTile(image, 0, 0, data, offset, rows, columns, Math.min(...map), Math.max(...map), zoom);
    context.putImageData(image, 0, 0);
  }

  // All maps of a layer as tiles. Where the head takes maxima, a frame marks the one value that it takes from each map.
  showLayer({ canvas, numbers }, { shape, data }, room, marked) {
    const [, channels, rows, columns] = shape;
    const zoom = Math.max(1, Math.round((room < 600 ? 32 : 44) / columns));
    const [tileWidth, tileHeight] = [columns * zoom + 3, rows * zoom + 3];
    const across = Math.max(1, Math.min(channels, Math.floor(room / tileWidth)));
    canvas.width = across * tileWidth;
    canvas.height = Math.ceil(channels / across) * tileHeight;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const [least, most, zeros] = rangeOf(data);
    const place = (channel) => [(channel % across) * tileWidth, Math.floor(channel / across) * tileHeight];
    for (let channel = 0; channel < channels; channel++) {
      paintTile(image, ...place(channel), data, channel * rows * columns, rows, columns, least, most, zoom);
    }
    context.putImageData(image, 0, 0);
    if (marked) {
      context.strokeStyle = "#ff4d6d";
      context.lineWidth = 2;
      for (let channel = 0; channel < channels; channel++) {
        const at = largestIndex(data.subarray(channel * rows * columns, (channel + 1) * rows * columns));
        const [left, top] = place(channel);
        context.strokeRect(
          left + (at % columns) * zoom + 1,
          top + Math.floor(at / columns) * zoom + 1,
          zoom - 2,
          zoom - 2,
        );
      }
    }
    const frames = marked ? "; a red frame marks the value that the head takes" : "";
    numbers.textContent = ` ${rangeWords(least, most, zeros)}${frames}`;
  }

  showVector({ data }, room) {
    const cell = data.length > 400 ? 6 : 14;
    const across = Math.max(1, Math.min(data.length, Math.floor(room / cell)));
    const { canvas, numbers } = this.headFigure;
    canvas.width = across * cell;
    canvas.height = Math.ceil(data.length / across) * cell;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const [least, most, zeros] = rangeOf(data);
    data.forEach((_, i) => {
      const [left, top] = [(i % across) * cell, Math.floor(i / across) * cell];
      paintTile(image, left, top, data, i, 1, 1, least, most, cell - 1);
    });
    context.putImageData(image, 0, 0);
    numbers.textContent = ` ${rangeWords(least, most, zeros)}`;
  }
}

function varianceOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

function sizeWords([, channels, rows, columns]) {
  const count = formatCount(channels * rows * columns);
  return `${channels} map${channels === 1 ? "" : "s"} of ${rows}×${columns}, ${count} values`;
}

// The smallest and the largest value, and the share of zeros.
function rangeOf(data) {
  let [least, most, zeros] = [Infinity, -Infinity, 0];
  for (const value of data) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    if (value === 0) zeros++;
  }
  return [least, most, zeros / data.length];
}

function rangeWords(least, most, zeros) {
  const number = (value) => value.toFixed(1).replace("-", "−");
  return `from ${number(least)} to ${number(most)}, ${Math.round(zeros * 100)} % zeros`;
}
