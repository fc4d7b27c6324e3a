/* Where softbook.page.widgets.explorable has left <figure class="explorable" data-name="NAME"> with a still picture, and its
   numbers beside it as JSON, controls, a live picture and the result in words take the still picture's place.
   The cover's figure comes from Markdown, which has no place for NAME: there it is with the numbers.
   The laboratory has the code that draws: it is loaded by the pages that need it (from disk, only scripts can be). */
(() => {
  "use strict";
  const here = document.currentScript.src;
  const load = (name) => new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = new URL(`../laboratory/${name}.js`, here);
    script.onload = resolve;
    document.head.append(script);
  });

  /* Makes a figure live. Controls are a form, so that they can be reset; they are never drawn anew, and keep the focus.
     What a pointer takes hold of is drawn anew while it moves: the stage, which stays, follows it. */
  function open(figure, explorable, data, views) {
    const { html } = views;
    const texts = [];
    const form = html("form");
    const [stage, told] = [html("div", { class: "stage" }), html("p", { class: "told", role: "status" })];
    figure.querySelector("a:has(> img), img").replaceWith(form, stage, told);

    function add(control, label, ...parts) {
      control.id = `explorable-${figure.dataset.name}-${form.children.length}`;
      label.setAttribute("for", control.id);
      form.append(html("div", { class: control.type }, ...parts));
      return control;
    }

    const ui = {
      width: (most) => Math.min(most, stage.clientWidth),
      choice(text, options) {
        const select = html("select", {}, ...options.map((option, value) => html("option", { value }, option)));
        const label = html("label", {}, text);
        return add(select, label, label, select);
      },
      tick(text, checked) {
        const box = html("input", { type: "checkbox", ...(checked ? { checked } : {}) });
        const label = html("label", {}, ...text);
        return add(box, label, box, label);
      },
      slider(text, [value, min, max, step], shown) {
        const [input, output] = [html("input", { type: "range", min, max, step, value }), html("output")];
        const label = html("label", {}, text);
        add(input, label, label, input, output);
        texts.push(() => {
          output.textContent = shown(Number(input.value));
          input.setAttribute("aria-valuetext", output.textContent);
        });
        return input;
      },
      /* hold: what is pressed -> a function of the place to which it is moved, in the picture's units; or nothing. */
      take: (hold) => stage.addEventListener("pointerdown", (event) => {
        if (event.target.dataset.hold === undefined) return;
        const move = hold(event.target.dataset.hold);
        if (!move) return refresh();
        event.preventDefault();
        const box = event.target.closest("svg.chart");
        const [{ left, top, width }, units] = [box.getBoundingClientRect(), box.viewBox.baseVal.width];
        const follow = (now) => {
          move([now.clientX - left, now.clientY - top].map((value) => (value * units) / width));
          refresh();
        };
        stage.setPointerCapture(event.pointerId);
        stage.addEventListener("pointermove", follow);
        stage.addEventListener("lostpointercapture", () => stage.removeEventListener("pointermove", follow),
          { once: true });
      }),
    };
    const update = explorable(data, ui, views);
    function refresh(changed) {
      const { pictures, said } = update(changed);
      stage.replaceChildren(...pictures);
      told.textContent = said;
      texts.forEach((show) => show());
    }
    if (form.children.length > 1) form.append(html("button", { type: "reset" }, "Back to the start"));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => refresh(event.target));
    form.addEventListener("reset", () => setTimeout(() => refresh(form)));
    addEventListener("resize", () => refresh());
    refresh();
  }

  document.addEventListener("DOMContentLoaded", async () => {
    const figures = document.querySelectorAll("figure.explorable");
    if (!figures.length) return;
    for (const name of ["network", "views", "explorables"]) await load(name);
    const laboratory = makeLaboratory();
    const { pictures } = makeExplorables(laboratory);
    for (const figure of figures) {
      const numbers = figure.querySelector("script");
      const data = JSON.parse(numbers.textContent);
      figure.dataset.name ??= numbers.dataset.name;
      open(figure, pictures[figure.dataset.name], data, makeViews(laboratory, data.classes));
    }
  });
})();
