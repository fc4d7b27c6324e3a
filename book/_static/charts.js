/* Charts (softbook.figures.charts) are SVG: this shows what a mark says when it is pointed at, or reached by keyboard. */
document.addEventListener("DOMContentLoaded", () => {
  const charts = document.querySelectorAll("div.chart");
  if (!charts.length) return;
  const note = document.createElement("div");
  note.className = "chart-note";
  note.setAttribute("aria-hidden", "true"); // a screen reader has the mark's own name
  document.body.append(note);
  const show = (mark) => {
    const place = mark.getBoundingClientRect();
    note.textContent = mark.getAttribute("aria-label");
    note.style.display = "block";
    const left = Math.min(place.left + scrollX, scrollX + document.documentElement.clientWidth - note.offsetWidth - 8);
    note.style.left = `${Math.max(8, left)}px`;
    note.style.top = `${place.bottom + scrollY + 6}px`;
  };
  const hide = () => (note.style.display = "none");
  for (const chart of charts) {
    const marks = [...chart.querySelectorAll('[role="graphics-symbol"][aria-label]')];
    marks.forEach((mark, place) => {
      mark.querySelector("title")?.remove(); // what is shown without this script
      mark.setAttribute("tabindex", place ? "-1" : "0"); // Tab enters a chart once, arrows walk through it
      mark.addEventListener("pointerenter", () => show(mark));
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("blur", hide);
      mark.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (event.key === "Escape") hide();
        if (!step || !marks[place + step]) return;
        event.preventDefault();
        marks[place + step].focus();
      });
    });
  }
});
