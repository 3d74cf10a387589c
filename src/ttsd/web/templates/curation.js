const read = id => JSON.parse(document.getElementById(id).textContent);
const packed = read("data"), sounds = read("sounds"), settings = read("settings");
const $ = id => document.getElementById(id);
const rows = packed.rows.map(r => ({
  id: r[0], kept: r[1], reason: r[2], value: r[3], overruled: r[4], text: r[5], transcript: r[6] === null ? r[5] : r[6],
  heard: r[7] === 0 ? r[5] : r[7], clip: r[8], duration: r[9], fails: r[11], readable: r[10].some(value => value !== null),
  figures: Object.fromEntries(packed.figures.map((name, i) => [name, r[10][i]])),
}));
const element = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== null && text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const plain = name => (name || "").replaceAll("_", " ");
const UNITS = { s: "s", db: "dB", hz: "Hz", lufs: "LUFS", lu: "LU" };
const named = figure => {
  const parts = figure.split("_"), unit = figure === "chars_per_s" ? "" : UNITS[parts[parts.length - 1]];
  return unit && parts.length > 1 ? [parts.slice(0, -1).join(" "), unit] : [plain(figure), ""];
};
const number = value => value === null || value === undefined ? "–" : typeof value === "number" ? `${+value.toPrecision(4)}` : `${value}`;
const decisions = new Map();
const filter = { text: "", verdict: "0", reason: "", figure: null, from: 0, to: 0 };
let order = { by: "place", sign: 1 }, shown = [], selected = null;

// Reasons.
const lost = new Map();
for (const row of rows) if (!row.kept) {
  const sum = lost.get(row.reason) || { n: 0, seconds: 0 };
  sum.n += 1; sum.seconds += row.duration || 0;
  lost.set(row.reason, sum);
}
const most = Math.max(1, ...[...lost.values()].map(sum => sum.n));
for (const [reason, sum] of [...lost].sort((a, b) => b[1].n - a[1].n)) {
  const item = element("li"), button = element("button", null, { type: "button", "aria-pressed": "false", "data-reason": reason });
  const bar = element("span", null, { class: "bar" });
  bar.style.width = `${100 * sum.n / most}%`;
  button.append(element("span", plain(reason)), bar, element("span", `${sum.n.toLocaleString("en")} clips, ${(sum.seconds / 60).toFixed(1)} min`, { class: "num" }));
  button.onclick = () => { filter.reason = filter.reason === reason ? "" : reason; filter.verdict = filter.reason ? "0" : filter.verdict; update(); };
  item.append(button); $("reasons").append(item);
  $("reason").append(element("option", plain(reason), { value: reason }));
}
if (!lost.size) $("reasons").append(element("li", "Nothing was dropped."));

// Distributions.
const svg = (tag, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
for (const figure of packed.figures) {
  const values = rows.map(row => row.figures[figure]).filter(value => typeof value === "number").sort((a, b) => a - b);
  if (!values.length) continue;
  const bounds = settings.thresholds[figure] || { min: null, max: null };
  // The bulk and the thresholds are in view; what lies farther out is in the first and last bar.
  const at = share => values[Math.min(Math.floor(share * values.length), values.length - 1)];
  const seen = [at(0.005), at(0.995), bounds.min, bounds.max].filter(value => value !== null);
  let low = Math.min(...seen), high = Math.max(...seen);
  if (high === low) { low -= 0.5; high += 0.5; }
  const pad = 0.04 * (high - low), n = 32, bins = new Array(n).fill(0);
  low -= pad; high += pad;
  const bin = value => Math.min(Math.max(Math.floor((value - low) / (high - low) * n), 0), n - 1);
  const ranges = bins.map(() => [Infinity, -Infinity]);
  for (const value of values) {
    const place = bin(value), range = ranges[place];
    bins[place]++;
    range[0] = Math.min(range[0], value); range[1] = Math.max(range[1], value);
  }
  const tallest = Math.max(...bins), drawing = svg("svg", { viewBox: "0 0 256 92", role: "img", "aria-label": `Distribution of ${plain(figure)}` });
  bins.forEach((count, i) => {
    if (!count) return;
    const tall = Math.max(70 * Math.sqrt(count / tallest), 1.5), from = low + i * (high - low) / n, to = from + (high - low) / n;
    // By the clips in it, not by its edges: a bar of those at the limit itself is within it.
    const out = (bounds.min !== null && ranges[i][1] < bounds.min) || (bounds.max !== null && ranges[i][0] > bounds.max);
    const bar = svg("rect", { x: i * 8 + 0.5, y: 74 - tall, width: 7, height: tall, class: out ? "out" : "" });
    bar.append(svg("title", {}));
    bar.firstChild.textContent = `${count.toLocaleString("en")} clips from ${number(from)} to ${number(to)}`;
    bar.onclick = () => { Object.assign(filter, { figure, from: i ? from : -Infinity, to: i < n - 1 ? to : Infinity, verdict: "", reason: "" }); update(); $("clips").scrollIntoView(); };
    drawing.append(bar);
  });
  for (const bound of [bounds.min, bounds.max]) if (bound !== null) {
    const x = 256 * (bound - low) / (high - low);
    drawing.append(svg("line", { x1: x, x2: x, y1: 0, y2: 76 }));
    const label = svg("text", { x: Math.min(Math.max(x, 12), 244), y: 88, "text-anchor": "middle" });
    label.textContent = number(bound); drawing.append(label);
  }
  for (const [x, anchor, value] of [[0, "start", values[0]], [256, "end", values[values.length - 1]]]) {
    const near = [bounds.min, bounds.max].some(bound => bound !== null && Math.abs(256 * (bound - low) / (high - low) - x) < 44);
    if (near) continue;
    const label = svg("text", { x, y: 88, "text-anchor": anchor });
    label.textContent = number(value); drawing.append(label);
  }
  const [name, unit] = named(figure), box = element("figure", null, { "data-figure": figure }), caption = element("figcaption", name);
  caption.append(element("span", `${unit ? unit + ", " : ""}median ${number(at(0.5))}`));
  box.append(caption, drawing); $("figures").append(box);
}

// The table, of which only the rows in view exist.
const HEIGHT = 36;
const COLUMNS = [["verdict", "verdict"], ["reason", "reason"], ["text", "text"], ["duration", "s"], ["cer", "CER"], ["dnsmos", "MOS"]];
const valueOf = (row, by) => by === "verdict" ? row.kept : by in row ? row[by] : row.figures[by];
for (const [key, title] of COLUMNS) {
  const cell = element("span", null, { role: "columnheader", class: key === "duration" || key === "cer" || key === "dnsmos" ? "num" : "" });
  const button = element("button", title, { type: "button", "data-key": key });
  button.onclick = () => { order = { by: key, sign: order.by === key ? -order.sign : 1 }; update(); };
  cell.append(button); document.querySelector(".head").append(cell);
}
for (const key of ["place", "id", "verdict", "reason", "text", "duration", ...packed.figures]) $("by").append(element("option", key === "place" ? "place in the corpus" : plain(key), { value: key }));
rows.forEach((row, index) => { row.place = index; row.words = `${row.id} ${row.text} ${row.transcript} ${row.heard || ""}`.toLowerCase(); });

function update() {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  shown = rows.filter(row =>
    (filter.verdict === "" || row.kept === +filter.verdict) && (!filter.reason || (!row.kept && row.reason === filter.reason)) &&
    (!filter.figure || (typeof row.figures[filter.figure] === "number" && row.figures[filter.figure] >= filter.from && row.figures[filter.figure] < filter.to)) &&
    words.every(word => row.words.includes(word)));
  const { by, sign } = order;
  shown.sort((a, b) => {
    const x = valueOf(a, by), y = valueOf(b, by), none = v => v === null || v === undefined || v === "unmeasured";
    if (none(x) || none(y)) return none(x) - none(y) || a.place - b.place;
    const less = typeof x === "number" && typeof y === "number" ? x - y : `${x}`.localeCompare(`${y}`, "en", { numeric: true });
    return sign * less || a.place - b.place;
  });
  $("verdict").value = filter.verdict; $("reason").value = filter.reason; $("search").value = filter.text; $("by").value = by;
  document.querySelectorAll("#reasons button").forEach(b => b.setAttribute("aria-pressed", b.dataset.reason === filter.reason));
  document.querySelectorAll(".head button").forEach(b => b.setAttribute("data-sort", b.dataset.key === by ? sign : ""));
  const range = filter.figure ? `, ${plain(filter.figure)} from ${number(filter.from)} to ${number(filter.to)}` : "";
  $("count").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} clips${range}`;
  $("space").style.height = `${Math.max(shown.length, 1) * HEIGHT}px`;
  $("view").style.height = `${Math.min(Math.max(shown.length, 4), 15) * HEIGHT + 4}px`;
  draw();
}

function draw() {
  const first = Math.max(Math.floor($("view").scrollTop / HEIGHT) - 5, 0), last = Math.min(first + Math.ceil($("view").clientHeight / HEIGHT) + 10, shown.length);
  const made = [];
  for (let i = first; i < last; i++) {
    const row = shown[i], line = element("div", null, { class: "row", role: "row", "data-id": row.id, "aria-selected": row === selected });
    line.style.top = `${i * HEIGHT}px`;
    const decided = decisions.get(row.id);
    const verdict = decided ? `${decided}!` : row.kept ? "keep" : "drop";
    line.append(
      element("span", verdict, { role: "gridcell", class: (decided || verdict) === "keep" ? "keep" : "drop" }),
      element("span", row.kept && !row.overruled ? "" : plain(row.reason), { role: "gridcell", title: row.value || "" }),
      element("span", row.text, { role: "gridcell", title: row.text }),
      element("span", row.duration === null ? "–" : row.duration.toFixed(2), { role: "gridcell", class: "num" }),
      element("span", number(row.figures.cer), { role: "gridcell", class: "num" }),
      element("span", number(row.figures.dnsmos), { role: "gridcell", class: "num" }));
    line.onclick = () => choose(row);
    made.push(line);
  }
  $("space").replaceChildren(...made);
}

// Words that differ: a longest common subsequence of the words without case and punctuation.
function difference(wanted, heard) {
  const split = text => text.split(/\s+/).filter(Boolean), key = word => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const a = split(wanted), b = split(heard), table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) {
    table[i][j] = key(a[i]) === key(b[j]) ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  }
  const line = element("p");
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && key(a[i]) === key(b[j])) { line.append(b[j] + " "); i++; j++; }
    else if (i < a.length && (j === b.length || table[i + 1][j] >= table[i][j + 1])) line.append(element("del", a[i++]), " ");
    else line.append(element("ins", b[j++]), " ");
  }
  return line;
}

const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0)).buffer;
async function picture(canvas, row) {
  const context = new OfflineAudioContext(1, 1, 22050), decoded = await context.decodeAudioData(bytesOf(sounds[row.id]));
  if (row === selected) { drawMel(canvas, decoded.getChannelData(0), decoded.sampleRate, settings.mel); canvas.dataset.drawn = "1"; }
}

function choose(row) {
  selected = row;
  const box = $("detail"), parts = [element("h3", row.id)];
  const why = row.overruled ? `${row.overruled === "keep" ? "kept" : "dropped"} by a person` + (row.reason && row.overruled === "keep" ? `, against: ${plain(row.reason)} (${row.value})` : "") : row.kept ? "kept" : `dropped: ${plain(row.reason)} (${row.value})`;
  parts.push(element("p", why, { class: row.kept ? "keep" : "drop" }));
  if (sounds[row.id]) {
    const canvas = element("canvas", null, { "aria-label": "Mel spectrogram", role: "img" });
    parts.push(element("audio", null, { controls: "", src: `data:audio/mpeg;base64,${sounds[row.id]}`, preload: "auto" }), canvas);
    picture(canvas, row).catch(() => canvas.replaceWith(element("p", "This browser cannot decode the clip.", { class: "hint" })));
  } else if (settings.link !== null && row.readable) {
    parts.push(element("audio", null, { controls: "", src: `${settings.link}/${row.clip}`.split("/").map(encodeURIComponent).join("/"), preload: "none" }), element("p", `Played from its file, ${row.clip}.`, { class: "hint" }));
  } else parts.push(element("p", `No sound to play: ${row.clip}.`, { class: "hint" }));
  if (row.transcript !== row.text) parts.push(element("p", `Written: ${row.transcript}`, { class: "hint" }));
  parts.push(element("p", row.heard === null ? "To be said:" : "To be said, and what was heard of it:", { class: "hint" }));
  parts.push(row.heard === null ? element("p", row.text) : difference(row.text, row.heard));
  const act = element("div", null, { class: "acts" });
  for (const decision of ["keep", "drop"]) {
    const button = element("button", decision === "keep" ? "Keep it" : "Drop it", { type: "button" });
    button.disabled = !row.readable;
    button.onclick = () => decide(row, decision);
    act.append(button);
  }
  const list = element("dl"), failed = new Set(row.fails);
  for (const figure of packed.figures) {
    const [name, unit] = named(figure), value = row.figures[figure], bound = settings.thresholds[figure];
    if (value === null || value === undefined) continue;
    const bad = bound && typeof value === "number" && failed.size && ((bound.min !== null && value < bound.min) || (bound.max !== null && value > bound.max));
    list.append(element("dt", name), element("dd", `${number(value)} ${unit}`, bad ? { class: "bad" } : {}));
  }
  box.replaceChildren(...parts, act, list);
  draw();
}

function decide(row, decision) {
  if (!row.readable) return;
  if ((decision === "keep") === !!row.kept && !row.overruled) decisions.delete(row.id); else decisions.set(row.id, decision);
  $("lines").value = [...decisions].map(([id, verb]) => `${verb} ${id}`).join("\n");
  draw();
}

function move(step) {
  if (!shown.length) return;
  const index = Math.min(Math.max(shown.indexOf(selected) + step, 0), shown.length - 1), view = $("view");
  if (index * HEIGHT < view.scrollTop) view.scrollTop = index * HEIGHT;
  if ((index + 1) * HEIGHT > view.scrollTop + view.clientHeight) view.scrollTop = (index + 1) * HEIGHT - view.clientHeight;
  choose(shown[index]);
}

const reset = () => { $("view").scrollTop = 0; update(); };
$("view").onscroll = draw;
$("search").oninput = event => { filter.text = event.target.value; reset(); };
$("verdict").onchange = event => { filter.verdict = event.target.value; if (filter.verdict === "1") filter.reason = ""; reset(); };
$("reason").onchange = event => { filter.reason = event.target.value; if (filter.reason) filter.verdict = "0"; reset(); };
$("by").onchange = event => { order = { by: event.target.value, sign: 1 }; reset(); };
$("clear").onclick = () => { Object.assign(filter, { text: "", verdict: "", reason: "", figure: null }); order = { by: "place", sign: 1 }; reset(); };
$("copy").onclick = async () => { $("lines").select(); try { await navigator.clipboard.writeText($("lines").value); } catch { document.execCommand("copy"); } };
document.addEventListener("keydown", event => {
  if (/^(INPUT|SELECT|TEXTAREA|AUDIO)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const player = document.querySelector("#detail audio");
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === " " && player && event.target.tagName !== "BUTTON") { event.preventDefault(); if (player.paused) player.play(); else player.pause(); }
  else if (event.key === "y" && selected) decide(selected, "keep");
  else if (event.key === "x" && selected) decide(selected, "drop");
});
addEventListener("resize", draw);
if (!lost.size) filter.verdict = "";
update();
