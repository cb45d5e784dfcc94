"use strict";
// What a page does beyond showing: tables that sort, charts that answer, a film that plays. No library, no network.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// Tables: a click on a heading sorts, another one reverses; a cell without a value stays last.
function sortTable(heading) {
  const table = heading.closest("table"), body = table.tBodies[0], column = heading.cellIndex;
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = row => row.cells[column].dataset.order;
  const rows = [...body.rows];
  const numbers = rows.every(row => order(row) === undefined || !isNaN(order(row)));
  const compare = (a, b) => (numbers ? a - b : a.localeCompare(b)) * (down ? -1 : 1);
  const missing = row => order(row) === undefined;
  rows.sort((a, b) => missing(a) - missing(b) || (missing(a) ? 0 : compare(order(a), order(b))));
  body.append(...rows);
}
for (const button of all(".sortable thead button")) {
  button.addEventListener("click", () => sortTable(button.closest("th")));
}

// Charts: axis, arms, the value under the pointer or under the arrow keys.
const charts = one("#charts"), FEW = 3;

function chooseAxis(axis) {
  for (const svg of all("svg[data-axis]")) svg.toggleAttribute("hidden", svg.dataset.axis !== axis);
  all(".tip").forEach(tip => { tip.hidden = true; });
}

function chooseArms() {
  const boxes = all("#legend input");
  for (const box of boxes) {
    for (const arm of all(`#charts [data-arm="${box.value}"]`)) arm.classList.toggle("off", !box.checked);
  }
  charts.classList.toggle("many", boxes.filter(box => box.checked).length > FEW);
}

function light(number) {
  charts.classList.toggle("dim", number !== null);
  for (const arm of all("#charts .arm")) arm.classList.toggle("lit", arm.dataset.arm === number);
}

const amount = value => Number(value).toLocaleString("en", { maximumFractionDigits: value < 1000 ? 1 : 0 });
function valueText(value, unit) {
  if (unit === "share") return (100 * value).toFixed(1) + "%";
  return (unit === "s" ? value.toFixed(2) : value.toPrecision(4)) + (unit === "1" ? "" : " " + unit);
}

function shownLines(svg) {
  return all(".arm:not(.off) .mean, .arm:not(.off) .seed", svg).filter(line => line.getClientRects().length);
}

function show(svg, line, index) {
  const figure = svg.closest("figure"), tip = one(".tip", figure), mark = one(".mark", svg);
  const point = line.points[index], arm = line.closest(".arm");
  const run = line.dataset.name ? " " + line.dataset.name : one(".seed", arm) ? ", mean" : "";
  const place = new DOMPoint(point.x, point.y).matrixTransform(line.getScreenCTM());
  const own = place.matrixTransform(svg.getScreenCTM().inverse()), box = figure.getBoundingClientRect();
  mark.removeAttribute("hidden");
  mark.setAttribute("cx", own.x);
  mark.setAttribute("cy", own.y);
  tip.textContent = `${arm.dataset.name}${run}: ${valueText(point.y, figure.dataset.unit)} at ${amount(point.x)} ${svg.dataset.unit}`;
  tip.hidden = false;
  const left = Math.min(place.x - box.left + 12, box.width - tip.offsetWidth);
  tip.style.left = Math.max(0, left) + "px";
  tip.style.top = place.y - box.top - tip.offsetHeight - 10 + "px";
  light(arm.dataset.arm);
}

function hide(svg) {
  one(".tip", svg.closest("figure")).hidden = true;
  one(".mark", svg).setAttribute("hidden", "");
  light(null);
}

function nearest(svg, x, y) {
  let best = null, least = 40 * 40; // further away than 40 px nothing is meant
  for (const line of shownLines(svg)) {
    const onto = line.getScreenCTM();
    for (let i = 0; i < line.points.length; i++) {
      const at = line.points[i], dx = onto.a * at.x + onto.e - x, dy = onto.d * at.y + onto.f - y;
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = [line, i]; }
    }
  }
  return best;
}

function step(svg, key) {
  const lines = shownLines(svg), lit = one(".mean[data-at]", svg);
  const means = lines.filter(line => line.classList.contains("mean"));
  if (!means.length) return;
  let number = Math.max(0, means.indexOf(lit)), at = lit ? Number(lit.dataset.at) : -1;
  if (key === "ArrowUp" || key === "ArrowDown") number += key === "ArrowUp" ? -1 : 1;
  const line = means[(number + means.length) % means.length];
  at += key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  at = Math.max(0, Math.min(line.points.length - 1, at));
  means.forEach(each => each.removeAttribute("data-at"));
  line.dataset.at = at;
  show(svg, line, at);
}

for (const svg of all("svg[data-axis]")) {
  svg.addEventListener("pointermove", event => {
    const found = nearest(svg, event.clientX, event.clientY);
    if (found) show(svg, ...found); else hide(svg);
  });
  svg.addEventListener("pointerleave", () => hide(svg));
  svg.addEventListener("blur", () => hide(svg));
  svg.addEventListener("keydown", event => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    step(svg, event.key);
  });
}
for (const radio of all("input[name=axis]")) radio.addEventListener("change", () => chooseAxis(radio.value));
for (const label of all("#legend label")) {
  label.addEventListener("change", chooseArms);
  label.addEventListener("pointerenter", () => light(label.dataset.arm));
  label.addEventListener("pointerleave", () => light(null));
}
for (const button of all("#legend button")) {
  button.addEventListener("click", () => {
    for (const box of all("#legend input")) box.checked = Boolean(button.dataset.all);
    chooseArms();
  });
}

// The film: races side by side, where each car is at one race time.
class Film {
  constructor(data) {
    Object.assign(this, data); // step_s, decimetres x, y and way, speed in km/h, time_s per race
    this.map = one("#map");
    this.near = one("#near");
    this.slider = one("#time");
    this.rows = all(".standings tbody tr");
    this.playing = false;
    this.listen();
    this.draw();
  }

  get time() { return Number(this.slider.value); }
  get chosen() { return this.rows.map((row, i) => [row, i]).filter(([row]) => one("input", row).checked).map(([, i]) => i); }

  listen() {
    one("#play").addEventListener("click", () => this.play(!this.playing));
    this.slider.addEventListener("input", () => { this.play(false); this.draw(); });
    one("#follow").addEventListener("change", () => this.draw());
    for (const row of this.rows) row.addEventListener("change", () => this.draw());
    addEventListener("resize", () => this.draw());
  }

  play(on) {
    if (on && this.time >= Number(this.slider.max)) this.slider.value = 0;
    this.playing = on;
    const button = one("#play");
    button.textContent = on ? "\u23f8" : "\u25b6";
    button.setAttribute("aria-label", on ? "Pause" : "Play");
    let before = performance.now();
    const next = now => {
      if (!this.playing) return;
      this.slider.value = this.time + (now - before) / 1000 * Number(one("#rate").value);
      before = now;
      this.draw();
      if (this.time >= Number(this.slider.max)) this.play(false); else requestAnimationFrame(next);
    };
    if (on) requestAnimationFrame(next);
  }

  // Sample i of a race is at i * step_s, the last one at the end of the race.
  at(race, time) {
    const last = race.x.length - 1, place = Math.min(time, race.time_s) / this.step_s;
    const i = Math.max(0, Math.min(last - 1, Math.floor(place)));
    const length = i === last - 1 ? race.time_s / this.step_s - i : 1;
    const part = Math.min(1, (place - i) / length);
    const mix = name => race[name][i] + part * (race[name][i + 1] - race[name][i]);
    const turn = Math.atan2(race.y[i + 1] - race.y[i], race.x[i + 1] - race.x[i]);
    return { x: mix("x"), y: mix("y"), way: mix("way"), speed: mix("speed"), turn };
  }

  // When a race came past a place for the first time.
  passed(race, way) {
    const i = race.way.findIndex(each => each >= way);
    if (i < 0) return race.time_s;
    if (i === 0) return 0;
    const after = Math.min(i * this.step_s, race.time_s), before = (i - 1) * this.step_s;
    return before + (after - before) * (way - race.way[i - 1]) / (race.way[i] - race.way[i - 1]);
  }

  gap(race, leader, here, time) {
    if (race === leader) return 0;
    if (race.finished && time >= race.time_s) return race.time_s - leader.time_s;
    return Math.min(time, race.time_s) - this.passed(leader, here.way);
  }

  draw() {
    const time = this.time, chosen = this.chosen, here = this.races.map(race => this.at(race, time));
    const ended = i => this.races[i].finished && time >= this.races[i].time_s;
    const ahead = (a, b) => ended(b) - ended(a) || (ended(a) ? this.races[a].time_s - this.races[b].time_s : here[b].way - here[a].way);
    const order = [...chosen].sort((a, b) => ahead(a, b) || a - b);
    one("#clock").textContent = time.toFixed(2) + " s";
    this.slider.setAttribute("aria-valuetext", time.toFixed(2) + " s");
    this.standings(order, here, time);
    for (const spot of all("#trace .spot")) {
      const { way, speed } = here[spot.dataset.race];
      spot.setAttribute("points", `${way},${speed} ${way},${speed}`);
    }
    for (const ghost of all("#film [data-race]:not(tr)")) {
      ghost.toggleAttribute("hidden", !chosen.includes(Number(ghost.dataset.race)));
    }
    const followed = one("#follow").value;
    this.move(here, here[followed === "" ? order[0] ?? 0 : Number(followed)]);
  }

  move(here, centre) {
    const size = this.map.viewBox.baseVal, box = this.map.getBoundingClientRect();
    const dot = 6.5 * Math.max(size.width / (box.width || 1), size.height / (box.height || 1));
    for (const ghost of all(".ghost", this.map)) {
      const { x, y } = here[ghost.dataset.race];
      ghost.setAttribute("transform", `translate(${x} ${y}) scale(${dot})`);
    }
    for (const ghost of all(".ghost", this.near)) {
      const { x, y, turn } = here[ghost.dataset.race];
      ghost.setAttribute("transform", `translate(${x} ${y}) rotate(${turn * 180 / Math.PI})`);
    }
    this.near.setAttribute("viewBox", `${centre.x - 450} ${centre.y - 450} 900 900`); // 90 m
  }

  standings(order, here, time) {
    this.rows.forEach((row, i) => {
      const put = (name, text) => { one(`[data-show=${name}]`, row).textContent = text; };
      const place = order.indexOf(i), race = this.races[i], leader = this.races[order[0]];
      const shown = place >= 0;
      put("place", shown ? place + 1 : "");
      put("gap", shown && place ? "+" + this.gap(race, leader, here[i], time).toFixed(2) + " s" : "");
      put("speed", shown ? Math.round(here[i].speed) : "");
      put("way", shown ? Math.max(0, Math.round(here[i].way / 10)) + " m" : "");
    });
  }
}
const filmData = one("#film-data");
if (filmData) new Film(JSON.parse(filmData.textContent));
