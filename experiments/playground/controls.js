// The controls beside the drawing: samples, sliders, buttons, and images that are loaded, pasted or dropped.
"use strict";

class Controls {
  constructor(playground) {
    this.playground = playground;
    this.buildSamples();
    this.connectSliders();
    this.connectButtons();
    this.connectImages();
  }

  buildSamples() {
    const { samples, drawing } = this.playground;
    this.samples = samples.map((sample) => {
      const canvas = element("canvas", { width: drawing.width, height: drawing.height, "aria-hidden": "true" });
      const context = canvas.getContext("2d");
      const image = context.createImageData(drawing.width, drawing.height);
      sample.pixels.forEach((value, i) => image.data.set([value * 255, value * 255, value * 255, 255], 4 * i));
      context.putImageData(image, 0, 0);
      const button = element(
        "button",
        { type: "button", "aria-label": `Sample ${sample.label}`, title: sample.label },
        canvas,
      );
      button.addEventListener("click", () => this.playground.chooseSample(sample));
      byId("samples").append(button);
      return { sample, button };
    });
    byId("samples").hidden = samples.length === 0;
  }

  connectSliders() {
    const { drawing, surface } = this.playground;
    byId("x").min = -Math.floor(drawing.width / 2);
    byId("x").max = Math.floor(drawing.width / 2);
    byId("y").min = -Math.floor(drawing.height / 2);
    byId("y").max = Math.floor(drawing.height / 2);
    const texts = {
      x: (value) => `${value} px`,
      y: (value) => `${value} px`,
      rotation: (value) => `${value}°`,
      scale: (value) => `${Math.round(value * 100)} %`,
      clutter: (value) => plural(+value, "mark"),
      pen: (value) => `${(+value).toFixed(1)} px`,
    };
    const get = { clutter: () => drawing.clutterAmount, pen: () => surface.penWidth };
    const set = {
      clutter: (value) => drawing.scatter(value, drawing.clutterSeed),
      pen: (value) => (surface.penWidth = value),
    };
    this.sliders = Object.keys(texts).map((id) => {
      const [input, output] = [byId(id), byId(`${id}-value`)];
      input.addEventListener("input", () => {
        if (set[id]) set[id](+input.value);
        else drawing[id] = +input.value;
        this.playground.refresh();
      });
      return { input, output, text: texts[id], get: get[id] || (() => drawing[id]) };
    });
  }

  connectButtons() {
    const { playground } = this;
    const { drawing } = playground;
    const act = (id, action) =>
      byId(id).addEventListener("click", () => {
        action();
        playground.refresh();
      });
    act("clear", () => drawing.clear());
    act("undo", () => drawing.undo());
    act("reset", () => {
      drawing.resetTransform();
      drawing.scatter(0, 1);
    });
    act("centre", () => drawing.centre());
    act("other-clutter", () => drawing.scatter(drawing.clutterAmount || 5, drawing.clutterSeed + 1));
    for (const input of document.querySelectorAll("input[name=mode]")) {
      input.addEventListener("change", () => playground.setMode(input.value));
    }
    byId("evidence-class").addEventListener("change", (event) => {
      playground.chosen = event.target.selectedIndex === 0 ? null : event.target.value;
      playground.refresh();
    });
  }

  connectImages() {
    const load = (file) => file && this.loadImage(file);
    byId("file").addEventListener("change", (event) => load(event.target.files[0]));
    byId("like-mnist").addEventListener("change", () => this.photo && this.placePhoto());
    document.addEventListener("paste", (event) => {
      const file = Array.from(event.clipboardData.files).find((each) => each.type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      load(file);
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      load(event.dataTransfer.files[0]);
    });
  }

  async loadImage(file) {
    try {
      this.photo = await readPhoto(file);
      this.placePhoto();
    } catch {
      byId("load-status").textContent = `“${file.name || "The file"}” cannot be read as an image.`;
    }
  }

  placePhoto() {
    const { playground } = this;
    byId("load-status").textContent = placePhoto(playground.drawing, this.photo, byId("like-mnist").checked);
    playground.refresh();
  }

  // Shows the state of the drawing, however it came about.
  show() {
    const { playground } = this;
    for (const { input, output, text, get } of this.sliders) {
      const value = get();
      if (+input.value !== value) input.value = value;
      output.textContent = text(value);
      input.setAttribute("aria-valuetext", text(value));
    }
    for (const { sample, button } of this.samples) {
      button.setAttribute("aria-pressed", String(playground.sample === sample && playground.drawing.label !== null));
    }
    byId("undo").disabled = playground.drawing.strokes.length === 0;
  }
}
