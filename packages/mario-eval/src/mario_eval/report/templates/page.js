"use strict";
(() => {
  const sheet = getComputedStyle(document.documentElement);
  const colour = (name) => sheet.getPropertyValue("--" + name).trim();
  const painted = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    }
    return value;
  };
  const axis = () => ({
    gridcolor: colour("grid"), linecolor: colour("line"), zerolinecolor: colour("line"),
    automargin: true, fixedrange: false, title: { standoff: 8 },
  });
  const laidOut = (own) => {
    const layout = {
      margin: { l: 48, r: 12, t: 8, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "inherit", size: 12, color: colour("muted") }, hovermode: "closest", bargap: 0,
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
      legend: { orientation: "h", y: 1.12, x: 0 },
      ...painted(own),
    };
    layout.xaxis = { ...axis(), ...painted(own.xaxis || {}) };
    layout.yaxis = { ...axis(), ...painted(own.yaxis || {}) };
    return layout;
  };
  const config = { responsive: true, displayModeBar: false, scrollZoom: false };
  const figures = new Map();
  for (const script of document.querySelectorAll("script[data-figure]")) {
    figures.set(script.dataset.figure, JSON.parse(script.textContent));
  }
  const draw = (key) => {
    const figure = figures.get(key);
    return Plotly.react(key, painted(figure.data), laidOut(figure.layout), config);
  };
  const drawAll = () => Promise.all([...figures.keys()].map(draw));
  drawAll().then(() => document.documentElement.setAttribute("data-drawn", "true"));

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("beforeprint", drawAll);
  addEventListener("afterprint", drawAll);

  // A live page looks whether there is a newer one, and takes it without losing the place.
  const every = Number(document.body.dataset.refresh);
  if (every) {
    let shown = null;
    const look = async () => {
      try {
        const mark = await (await fetch("/mark")).text();
        if (shown !== null && mark !== shown) location.reload();
        shown = mark;
      } catch { /* the server has ended; the page stays as it is */ }
    };
    look();
    setInterval(look, every * 1000);
  }

  for (const group of document.querySelectorAll(".units")) {
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      for (const plot of document.getElementById(group.dataset.for).querySelectorAll(".plot")) {
        const figure = figures.get(plot.id);
        const points = figure.units[button.dataset.unit];
        if (!points) continue;
        figure.data.forEach((trace, index) => { trace.x = points[index]; });
        figure.layout.xaxis.title.text = button.dataset.unit;
        draw(plot.id);
      }
    });
  }
})();
