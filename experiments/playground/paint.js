// The surface to draw on: turns the pointer, the keyboard and the controls into changes of the drawing.
"use strict";

class PaintSurface {
  // Calls `changed()` after each change, and `starting()` before a stroke is drawn.
  constructor(canvas, drawing, changed, starting) {
    Object.assign(this, { canvas, drawing, changed, starting });
    this.mode = "draw";
    this.penWidth = 2.2;
    this.pointer = null;
    canvas.width = drawing.width;
    canvas.height = drawing.height;
    canvas.style.aspectRatio = `${drawing.width} / ${drawing.height}`;
    this.context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.release(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // The place of an event in pixels of the networks.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.drawing;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  press(event) {
    if (this.pointer !== null || event.button > 0) return;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event);
    if (this.mode === "move") {
      this.grabbed = [x - this.drawing.x, y - this.drawing.y];
    } else {
      if (this.mode === "draw") this.starting();
      this.drawing.beginStroke(this.penWidth / 2, this.mode === "erase");
      this.drawing.extendStroke(x, y);
    }
    this.changed();
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    if (this.mode === "move") {
      const [x, y] = this.place(event);
      this.moveTo(x - this.grabbed[0], y - this.grabbed[1]);
      return;
    }
    // The browser may have seen more places than it has sent events.
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of events.length ? events : [event]) this.drawing.extendStroke(...this.place(each));
    this.changed();
  }

  release(event) {
    if (event.pointerId === this.pointer) this.pointer = null;
  }

  // Moves the drawing by whole pixels, so that it is not blurred, and not so far that it could get lost.
  moveTo(x, y) {
    const [mostX, mostY] = [this.drawing.width / 2, this.drawing.height / 2];
    this.drawing.x = Math.min(Math.max(Math.round(x), -mostX), mostX) || 0;
    this.drawing.y = Math.min(Math.max(Math.round(y), -mostY), mostY) || 0;
    this.changed();
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Home") this.moveTo(0, 0);
    else if (steps[event.key] && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const by = event.shiftKey ? 4 : 1;
      this.moveTo(this.drawing.x + by * steps[event.key][0], this.drawing.y + by * steps[event.key][1]);
    } else return;
    event.preventDefault();
  }

  // Shows exactly the pixels that the networks get.
  show(pixels) {
    const image = this.context.createImageData(this.drawing.width, this.drawing.height);
    pixels.forEach((value, i) => {
      image.data.fill(Math.round(value * 255), 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    });
    this.context.putImageData(image, 0, 0);
  }
}
