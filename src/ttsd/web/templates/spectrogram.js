"use strict";
// A log-mel spectrogram on a canvas, with its axes: Hann window, magnitudes, triangles on Slaney's mel scale.
const toMel = hz => hz < 1000 ? hz * 3 / 200 : 15 + 27 * Math.log(hz / 1000) / Math.log(6.4);
const toHz = mel => mel < 15 ? mel * 200 / 3 : 1000 * Math.exp((mel - 15) * Math.log(6.4) / 27);

function melFilters(rate, mel) {
  const top = mel.f_max || rate / 2, low = toMel(mel.f_min), step = (toMel(top) - low) / (mel.n_mels + 1);
  const edges = Array.from({ length: mel.n_mels + 2 }, (_, i) => toHz(low + i * step) * mel.n_fft / rate);
  return Array.from({ length: mel.n_mels }, (_, i) => {
    const [a, b, c] = edges.slice(i, i + 3), bins = [];
    for (let k = Math.ceil(a); k <= Math.min(Math.floor(c), mel.n_fft / 2); k++) {
      bins.push([k, 2 * (k < b ? (k - a) / (b - a) : (c - k) / (c - b)) / (c - a)]);
    }
    return bins;
  });
}

function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [re[i], re[j]] = [re[j], re[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1, angle = -2 * Math.PI / size;
    for (let k = 0; k < half; k++) {
      const cos = Math.cos(angle * k), sin = Math.sin(angle * k);
      for (let i = k; i < n; i += size) {
        const j = i + half, r = re[j] * cos - im[j] * sin, m = re[j] * sin + im[j] * cos;
        re[j] = re[i] - r; im[j] = im[i] - m; re[i] += r; im[i] += m;
      }
    }
  }
}

function melDb(wav, rate, mel) {
  const n = mel.n_fft, filters = melFilters(rate, mel), frames = [];
  const window = Float32Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / n));
  const power = new Float32Array(n / 2 + 1);
  for (let at = 0; at + n <= wav.length + n / 2; at += mel.hop) {
    const re = new Float32Array(n), im = new Float32Array(n);
    for (let i = 0; i < n; i++) re[i] = (wav[at + i - n / 4] || 0) * window[i];
    fft(re, im);
    for (let k = 0; k <= n / 2; k++) power[k] = re[k] * re[k] + im[k] * im[k];
    frames.push(filters.map(bins => 10 * Math.log10(bins.reduce((sum, [k, weight]) => sum + weight * power[k], 1e-10))));
  }
  return frames;
}

// Seven stops from dark to light, evenly spaced in lightness, so that it reads in grey as well.
const STOPS = [[0, 0, 4], [40, 17, 89], [101, 26, 128], [165, 47, 122], [226, 82, 94], [252, 147, 104], [252, 253, 191]];
function colour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1), i = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[i].map((from, c) => from + (STOPS[i + 1][c] - from) * (at - i));
}

function drawMel(canvas, wav, rate, mel) {
  const frames = melDb(wav, rate, mel), left = 44, bottom = 20, wide = 560, high = 200;
  canvas.width = left + wide; canvas.height = high + bottom;
  const context = canvas.getContext("2d"), top = mel.f_max || rate / 2, peak = Math.max(...frames.map(f => Math.max(...f)));
  const image = context.createImageData(frames.length, mel.n_mels);
  frames.forEach((frame, x) => frame.forEach((level, band) => {
    const place = 4 * ((mel.n_mels - 1 - band) * frames.length + x);
    image.data.set([...colour((level - peak + 80) / 80), 255], place);
  }));
  const small = document.createElement("canvas");
  small.width = frames.length; small.height = mel.n_mels;
  small.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(small, left, 0, wide, high);
  const style = getComputedStyle(document.documentElement);
  context.fillStyle = style.getPropertyValue("--soft"); context.font = "11px system-ui, sans-serif";
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const hz of [250, 500, 1000, 2000, 4000, 8000].filter(hz => hz < top)) {
    const y = high * (1 - (toMel(hz) - toMel(mel.f_min)) / (toMel(top) - toMel(mel.f_min)));
    context.fillText(hz < 1000 ? `${hz}` : `${hz / 1000}k`, left - 6, y);
  }
  context.fillText("Hz", left - 6, 8);
  context.textAlign = "center"; context.textBaseline = "top";
  const length = wav.length / rate, step = length > 8 ? 2 : length > 3 ? 1 : 0.5;
  for (let s = 0; s <= length; s += step) context.fillText(`${s}`, left + wide * s / length, high + 4);
  context.textAlign = "right"; context.fillText("s", left + wide, high + 4);
}
