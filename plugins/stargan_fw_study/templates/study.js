"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const byId = (id) => document.getElementById(id);
  const place = `stargan-fw study ${study.study}`;
  let shownAt = 0;
  let results = "";

  // --- what is kept over a reload -------------------------------------------------------------------------------
  function kept() {
    try {
      const state = JSON.parse(localStorage.getItem(place));
      return state && typeof state.worker === "string" && state.answers ? state : null;
    } catch {
      return null;
    }
  }

  function keep() {
    try {
      localStorage.setItem(place, JSON.stringify(state));
      return true;
    } catch {
      return false; // a browser that forbids storage can still answer, in one go
    }
  }

  function token() {
    return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  let state = kept() || { worker: token(), code: "", started: "", finished: "", at: -1, answers: {} };

  // --- orders: the worker's own, and the same again after a reload ----------------------------------------------
  function generator(text) {
    let seed = 2166136261;
    for (const letter of text) seed = Math.imul(seed ^ letter.charCodeAt(0), 16777619);
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
      return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
    };
  }

  function shuffled(items, text) {
    const random = generator(`${study.study} ${state.worker} ${text}`);
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }

  let questions = shuffled(study.questions, "questions");
  const current = () => questions[state.at];
  const optionsOf = (question) => shuffled(question.options, question.id);

  // --- screens --------------------------------------------------------------------------------------------------
  function show(name) {
    for (const id of ["start", "question", "done"]) byId(id).hidden = id !== name;
    const heading = byId(name).querySelector("h1");
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  function draw() {
    if (state.at < 0) return show("start");
    if (state.at >= questions.length) return finish(false);
    const question = current();
    byId("count").textContent = `Question ${state.at + 1} of ${questions.length}`;
    byId("progress").max = questions.length;
    byId("progress").value = state.at;
    byId("wanted").replaceChildren(...question.wanted.map((text) => element("b", { textContent: text })));
    byId("input").src = question.input;
    const options = optionsOf(question).map((option, number) => drawOption(option, number + 1, question));
    byId("options").replaceChildren(byId("options").querySelector("legend"), ...options);
    byId("back").disabled = state.at === 0;
    byId("next").disabled = !state.answers[question.id];
    byId("next").textContent = state.at === questions.length - 1 ? "Finish" : "Next";
    byId("status").textContent = `Question ${state.at + 1} of ${questions.length}: ${question.wanted.join(", ")}`;
    shownAt = performance.now();
    show("question");
  }

  function drawOption(option, number, question) {
    const label = element("label", { className: "option" });
    const radio = element("input", { type: "radio", name: "choice", value: option.id });
    radio.checked = state.answers[question.id]?.choice === option.id;
    radio.addEventListener("change", () => choose(number));
    label.append(radio, element("img", { src: option.image, alt: `Attempt ${number}` }), element("span", { textContent: number }));
    return label;
  }

  function element(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
  }

  // --- answers --------------------------------------------------------------------------------------------------
  function radios() {
    return [...byId("options").querySelectorAll("input")];
  }

  function choose(number) {
    const radio = radios()[number - 1];
    if (!radio) return;
    const before = state.answers[current().id];
    const seconds = (before?.seconds || 0) + (performance.now() - shownAt) / 1000;
    shownAt = performance.now();
    radio.checked = true;
    state.answers[current().id] = { choice: radio.value, position: number, seconds: Math.round(seconds * 10) / 10 };
    byId("next").disabled = false;
    keep();
  }

  function go(steps) {
    if (steps > 0 && !state.answers[current().id]) return;
    state.at = Math.max(0, state.at + steps);
    if (state.at >= questions.length) return finish(true);
    keep();
    draw();
  }

  function finish(now) {
    state.finished ||= new Date().toISOString();
    keep();
    const answers = questions.map((question) => ({ question: question.id, ...state.answers[question.id] }));
    const { worker, code, started, finished } = state;
    const document_ = { format: "stargan-fw study results", version: 1, study: study.study, worker, code, started, finished, answers };
    results = JSON.stringify(document_, null, 1) + "\n";
    byId("file").textContent = fileName();
    byId("text").value = results;
    show("done");
    if (now) download();
  }

  function fileName() {
    return `study-${study.study.slice(0, 8)}-${state.worker.slice(0, 8)}.json`;
  }

  function download() {
    const address = URL.createObjectURL(new Blob([results], { type: "application/json" }));
    const link = element("a", { href: address, download: fileName() });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }

  // --- hands ----------------------------------------------------------------------------------------------------
  function arrow(event) {
    const all = radios();
    const tops = all.map((radio) => radio.getBoundingClientRect().top);
    const across = tops.filter((top) => top === tops[0]).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const at = all.findIndex((radio) => radio.checked);
    const to = at < 0 ? 0 : at + steps;
    if (to >= 0 && to < all.length) {
      choose(to + 1);
      all[to].focus();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (byId("question").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[1-9]$/.test(event.key)) choose(Number(event.key));
    else if (event.key.startsWith("Arrow")) arrow(event);
    else if (event.key === "Enter" && !event.repeat && event.target.tagName !== "BUTTON") go(1);
    else return;
    event.preventDefault();
  });

  byId("begin").addEventListener("click", () => {
    state.code = byId("code").value.trim();
    state.started = new Date().toISOString();
    state.at = 0;
    keep();
    draw();
  });
  byId("code").addEventListener("keydown", (event) => event.key === "Enter" && byId("begin").click());
  byId("next").addEventListener("click", () => go(1));
  byId("back").addEventListener("click", () => go(-1));
  byId("download").addEventListener("click", download);
  byId("again").addEventListener("click", () => {
    if (!confirm("Forget these answers?")) return;
    state = { worker: token(), code: "", started: "", finished: "", at: -1, answers: {} };
    questions = shuffled(study.questions, "questions");
    byId("code").value = "";
    keep();
    draw();
  });

  const numbers = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
  const options = study.questions[0].options.length;
  for (const span of document.querySelectorAll(".how-many")) span.textContent = numbers[options];
  for (const span of document.querySelectorAll(".how-long")) span.textContent = questions.length;
  byId("last-key").textContent = options;
  byId("forgets").hidden = keep();
  draw();
})();
