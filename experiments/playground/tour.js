// The guided tour: five steps, each with what really happens on the page at that moment and the verdict that was measured.
"use strict";

// The distances to try, the first of which at which the kinds of heads differ is taken, and the other changes of the tour.
const TOUR_DISTANCES = [6, 7, 8, 5];
const TOUR_CLUTTER = { words: "with clutter beside it", apply: (drawing) => drawing.scatter(5, 1) };
const TOUR_SCALE = { words: "at 60 % of its size", apply: (drawing) => Object.assign(drawing, { scale: 0.6 }) };

class Tour {
  constructor(playground) {
    this.playground = playground;
    this.at = -1;
    this.run = 0;
    this.steps = [
      {
        title: "Two ways from maps to classes",
        target: "layers",
        verdict: "parameters",
        show: (step) => this.showWays(step),
      },
      {
        title: "In the middle, ask all heads",
        target: "surface",
        verdict: "position",
        show: (step) => this.showMiddle(step),
      },
      { title: "Drag it", target: "surface", verdict: "shift", show: (step) => this.showMove(step) },
      {
        title: "Add clutter, or shrink it",
        target: "surface",
        verdict: "sizes",
        show: (step) => this.showClutter(step),
      },
      {
        title: "Costs, and which to take",
        target: "answers",
        verdict: "accuracy",
        show: (step) => this.showCosts(step),
      },
    ];
    byId("start-tour").addEventListener("click", () => this.go(0));
    byId("tour-close").addEventListener("click", () => this.close());
    byId("tour-previous").addEventListener("click", () => this.go(this.at - 1));
    byId("tour-next").addEventListener("click", () =>
      this.at + 1 < this.steps.length ? this.go(this.at + 1) : this.close(),
    );
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.at >= 0) this.close();
    });
  }

  async go(at) {
    this.at = at;
    const run = ++this.run;
    const step = this.steps[at];
    byId("tour").hidden = false;
    document.body.classList.add("touring");
    byId("tour-title").textContent = step.title;
    byId("tour-count").textContent = `Step ${at + 1} of ${this.steps.length}`;
    byId("tour-previous").disabled = at === 0;
    byId("tour-next").textContent = at + 1 < this.steps.length ? "Next" : "Finish";
    for (const each of document.querySelectorAll(".pointed")) each.classList.remove("pointed");
    const target = byId(step.target);
    target.classList.add("pointed");
    // On a wide screen the drawing and the answers stand beside each other, so that the whole section has to be seen.
    (window.innerWidth < 900 ? target : target.closest("section")).scrollIntoView({ block: "start" });
    byId("tour-title").focus({ preventScroll: true });
    this.now = element("p", { class: "now", role: "status" });
    const verdict = this.playground.verdicts[step.verdict];
    const end = verdict ? [element("p", { class: "measured" }, element("strong", {}, "Measured: "), verdict)] : [];
    const add = (parts, details = []) => byId("tour-body").replaceChildren(...parts, ...end, ...details);
    byId("tour-body").scrollTop = 0;
    add([element("p", {}, "Asking all heads about all samples…")]);
    await step.show({ add, current: () => run === this.run });
  }

  close() {
    this.run++;
    this.at = -1;
    byId("tour").hidden = true;
    document.body.classList.remove("touring");
    for (const each of document.querySelectorAll(".pointed")) each.classList.remove("pointed");
    byId("start-tour").focus();
  }

  // Says what the heads answer to what is on the page now.
  refresh() {
    if (this.at >= 1 && this.now) {
      const sentence = this.playground.answersSentence();
      if (this.now.textContent !== sentence) this.now.textContent = sentence;
    }
  }
}
