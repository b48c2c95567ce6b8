"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const at = (id) => document.getElementById(id);
  const KEY = "bbb-study-" + study.id;
  const screens = ["intro", "welcome", "task", "paused", "done", "deleted"];
  const sources = new Map([...study.rated, ...study.checks].map((one) => [one.id, one.source]));
  let state = null; // {code, answers}: the code and one entry per picture answered so far
  let dealt = null; // {images, options}: a function of the code
  let place = 0; // the picture on the screen
  let since = null; // when the clock was started, null while it stands
  let spent = 0; // milliseconds on this picture so far

  // The same generator as bbb_core/study/dealing.py: sfc32.
  function stream(code) {
    const word = (text) => parseInt(text, 16) | 0;
    let a = word(code.slice(0, 8)), b = word(code.slice(8));
    let c = word(study.id.slice(0, 8)), d = word(study.id.slice(8, 16));
    const next = () => {
      const t = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + t) | 0;
      return t >>> 0;
    };
    for (let i = 0; i < 15; i++) next();
    return (n) => Math.floor((next() / 4294967296) * n);
  }

  function deal(code) {
    const below = stream(code);
    const shuffled = (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [out[i], out[j]] = [out[j], out[i]];
      }
      return out;
    };
    const ids = (items) => items.map((one) => one.id);
    const options = shuffled(study.groups).concat(study.last);
    const images = shuffled(ids(study.rated)).slice(0, study.each);
    const again = images.slice(0, study.repeats);
    const start = Math.floor((study.each * 3) / 5);
    for (const image of again) images.splice(start + below(images.length - start + 1), 0, image);
    for (const image of shuffled(ids(study.checks)).slice(0, study.shown)) {
      images.splice(1 + below(images.length), 0, image);
    }
    return { images, options };
  }

  function newCode() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Keeping: only in this browser.
  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
      return true;
    } catch {
      return false;
    }
  }

  function kept() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY));
      if (!found || !/^[0-9a-f]{16}$/.test(found.code) || !Array.isArray(found.answers)) return null;
      const plan = deal(found.code);
      const whole = (x) => Number.isInteger(x) && x >= 0;
      const good = found.answers.every((one, i) => one && one.image === plan.images[i] &&
        plan.options.includes(one.answer) && whole(one.ms) && whole(one.changes));
      return good ? found : null;
    } catch {
      return null;
    }
  }

  function canKeep() {
    try {
      localStorage.setItem(KEY + "-try", "1");
      localStorage.removeItem(KEY + "-try");
      return true;
    } catch {
      return false;
    }
  }

  function forget() {
    stopClock();
    state = dealt = null;
    try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
    at("consent").checked = false;
    show("deleted");
  }

  // Screens.
  function show(name) {
    for (const one of screens) at(one).hidden = one !== name;
    for (const one of document.querySelectorAll(".status")) one.textContent = "";
    window.scrollTo(0, 0);
    if (name !== "task") at(name + "-title").focus();
  }

  function startClock() { if (since === null) since = performance.now(); }
  function stopClock() {
    if (since !== null) spent += performance.now() - since;
    since = null;
  }

  function start(found) {
    state = found;
    dealt = deal(state.code);
    const box = at("options");
    box.replaceChildren();
    dealt.options.forEach((value, i) => {
      const row = document.createElement("div");
      row.className = "option";
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: "answer", id: "option-" + (i + 1), value });
      const label = document.createElement("label");
      label.htmlFor = input.id;
      const key = document.createElement("span");
      key.className = "key";
      key.setAttribute("aria-hidden", "true");
      key.textContent = String(i + 1);
      label.append(study.labels[value], key);
      row.append(input, label);
      box.append(row);
    });
    if (state.answers.length >= dealt.images.length) finish();
    else open(state.answers.length);
  }

  function open(number) {
    place = number;
    spent = 0;
    since = null;
    const total = dealt.images.length;
    const before = state.answers[place];
    at("picture").src = sources.get(dealt.images[place]);
    at("picture").alt = `Picture ${place + 1} of ${total}, to be judged by eye`;
    at("count").textContent = `Picture ${place + 1} of ${total}`;
    at("progress").max = total;
    at("progress").value = state.answers.length;
    at("answer-error").textContent = "";
    at("back").disabled = place === 0;
    const inputs = [...document.querySelectorAll("#options input")];
    for (const one of inputs) one.checked = Boolean(before) && one.value === before.answer;
    show("task");
    (inputs.find((one) => one.checked) || inputs[0]).focus({ preventScroll: true });
    startClock();
  }

  function finish() {
    stopClock();
    at("code").textContent = state.code;
    show("done");
  }

  // Answers.
  function answer(event) {
    event.preventDefault();
    const chosen = document.querySelector("#options input:checked");
    if (!chosen) {
      at("answer-error").textContent = "Choose an answer first. “Can't tell” is one.";
      return;
    }
    stopClock();
    const old = state.answers[place];
    state.answers[place] = {
      image: dealt.images[place],
      answer: chosen.value,
      ms: Math.min(86400000, Math.round(spent) + (old ? old.ms : 0)),
      changes: Math.min(1000, (old ? old.changes : 0) + (old && old.answer !== chosen.value ? 1 : 0)),
    };
    keep();
    if (place + 1 < dealt.images.length) open(place + 1);
    else finish();
  }

  function save(event) {
    const whole = state.answers.length === dealt.images.length;
    const out = {
      format: "bbb-study-answers", version: 1, study: study.id, participant: state.code,
      simulated: false, complete: whole, answers: state.answers,
    };
    const blob = new Blob([JSON.stringify(out, null, 1)], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `answers-${study.id.slice(0, 8)}-${state.code}${whole ? "" : "-part"}.json`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const said = event.currentTarget.closest("section").querySelector(".status");
    said.textContent = `Saved as ${link.download}. Nothing was sent.`;
  }

  // Wiring.
  at("consent-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!at("consent").checked) {
      at("consent-error").textContent = "Tick the box first, if you agree.";
      return;
    }
    at("consent-error").textContent = "";
    start({ code: newCode(), answers: [] });
    keep();
  });
  at("answer-form").addEventListener("submit", answer);
  at("back").addEventListener("click", () => { if (place > 0) open(place - 1); });
  at("back-done").addEventListener("click", () => open(dealt.images.length - 1));
  at("pause").addEventListener("click", () => { stopClock(); show("paused"); });
  at("resume").addEventListener("click", () => {
    show("task");
    at("answer-form").querySelector("input:checked, input").focus({ preventScroll: true });
    startClock();
  });
  at("continue").addEventListener("click", () => start(state));
  at("again").addEventListener("click", () => show("intro"));
  for (const one of document.querySelectorAll("[data-save]")) one.addEventListener("click", save);
  for (const one of document.querySelectorAll("[data-delete]")) {
    one.addEventListener("click", () => {
      if (window.confirm("Delete all your answers from this browser?")) forget();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (at("task").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const inputs = document.querySelectorAll("#options input");
    if (at("keys").checked && /^[1-9]$/.test(event.key) && inputs[Number(event.key) - 1]) {
      event.preventDefault();
      const chosen = inputs[Number(event.key) - 1];
      chosen.checked = true;
      chosen.focus({ preventScroll: true });
    } else if (event.key === "Enter" && event.target === document.body) {
      at("answer-form").requestSubmit();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (at("task").hidden) return;
    if (document.hidden) stopClock();
    else startClock();
  });

  if (!canKeep()) {
    at("no-storage").hidden = false;
    at("paused-keep").textContent = "Keep this page open: this browser does not keep your answers.";
  }
  state = kept();
  if (state && state.answers.length) {
    at("welcome-count").textContent =
      `${state.answers.length} of ${deal(state.code).images.length} pictures`;
    show("welcome");
  } else {
    state = null;
    show("intro");
  }
})();
