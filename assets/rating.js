// The rating page: shows one question with its answers, and sees every score to the disk.
//
// Whatever a rater enters is kept in this browser until the server has said that it is saved; what
// could not be sent is sent again, under the same key, until it could. Nothing here knows a model.
"use strict";

(() => {
  const IDLE_SECONDS = 30; // without a sign of life the clock stands still
  const TYPING_MS = 800; // a comment is saved when the typing pauses
  const LOOK_MS = 60000; // how often a page that lies open asks whether the study is locked
  const AWAY_MS = 4000; // without a sign of life somebody may have been elsewhere
  const CLOCKS_MS = 2000; // how far two clocks may be apart
  const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];

  let root, known, language;
  let state = null; // what the server said of this rater: study, list of questions, locked …
  let question = null; // the open question
  let current = null; // the scale that a key would set: {answer, dimension}
  let outbox = {}; // item -> what is still to be saved; also in this browser's storage
  let unsaved = {}; // item -> the place of its draft: of what nobody has saved yet
  const settled = {}; // item -> what the server has taken from here, and when
  let sending = false;
  let failures = 0;
  let stopped = false; // the server knows this browser no more
  let target = 0; // the place that was asked for last
  let asked = 0; // how often a question was asked for
  let held = false; // a question is being fetched: the shown one takes nothing
  let underWay = ""; // the item whose save the server has not answered yet
  const tab = newKey("tab"); // whose draft it is, of several tabs
  let ahead = 0; // milliseconds that the server's clock is ahead of this one

  // -- small helpers --

  function text(key, words = {}) {
    return known.texts[key].replace(/\{(\w+)\}/g, (_, name) => words[name] ?? "");
  }

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (typeof value === "boolean") element.toggleAttribute(name, value);
      else if (value !== undefined && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function replace(...children) {
    root.replaceChildren(...children.filter(Boolean));
  }

  function clock(moment) {
    return new Date(moment).toLocaleTimeString("zh-CN", { hour12: false });
  }

  function newKey(item) {
    const random = crypto.getRandomValues(new Uint8Array(12));
    return item.slice(0, 8) + "-" + [...random].map((n) => n.toString(16).padStart(2, "0")).join("");
  }

  // -- the server --

  class Refused extends Error {
    constructor(status, body) {
      super(body[language] ?? String(status));
      this.status = status;
      this.code = body.code;
      this.answer = body.answer;
    }
  }

  async function ask(path, body) {
    const options = { credentials: "same-origin", cache: "no-store", headers: {} };
    // Another link opened in this browser changes the cookie below this page's feet.
    if (state && path !== "list") options.headers["X-Rater"] = encodeURIComponent(state.store);
    if (body !== undefined) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
      options.keepalive = options.body.length < 60000;
    }
    const response = await fetch("/rating/" + path, options);
    let content = {};
    try {
      content = await response.json();
    } catch {
      if (response.ok) throw new TypeError("the answer was cut off");
    }
    // Something in between may refuse too; that may pass, so it is as if there were no network.
    if (!response.ok && !content.code) throw new TypeError(`not from the app: ${response.status}`);
    const date = Date.parse(response.headers.get("date") ?? "");
    if (date) ahead = date - Date.now();
    if (!response.ok) throw new Refused(response.status, content);
    return content;
  }

  // Waits until the server answers at all; what it refuses is thrown. Null once nobody waits.
  async function patiently(path, wanted = () => true) {
    for (let tries = 0; wanted(); tries += 1) {
      try {
        return await ask(path);
      } catch (error) {
        if (error instanceof Refused && error.status < 500) throw error;
        hold(false);
        announce(text("load_failed_retrying"));
        await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
      }
    }
    return null;
  }

  function pause(milliseconds) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        window.removeEventListener("online", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      window.addEventListener("online", done);
    });
  }

  // -- what this browser keeps --

  const storage = {
    name: (kind) => `medchat-${kind}-${state.store}`,
    // Objects by item, whatever else may stand there.
    read(kind) {
      try {
        const found = Object.entries(JSON.parse(localStorage.getItem(this.name(kind)) ?? "{}"));
        const whole = {
          outbox: (each) => each.body?.key && each.opinion,
          drafts: (each) => Array.isArray(each.flags) && Array.isArray(each.spans),
          rivals: (each) => Array.isArray(each.opinions),
        }[kind] ?? (() => true);
        return Object.fromEntries(found.filter(([, each]) => each && whole(each)));
      } catch {
        return {};
      }
    },
    write(kind, content) {
      try {
        if (Object.keys(content).length) {
          localStorage.setItem(this.name(kind), JSON.stringify(content));
        } else {
          localStorage.removeItem(this.name(kind));
        }
      } catch {
        // A browser without storage still saves; only a reload would lose what was not sent.
      }
    },
  };

  function keepDraft(answer) {
    const drafts = storage.read("drafts");
    const { place } = question;
    const others = drafts[answer.item];
    if (others && others.tab !== tab && others.comment && others.comment !== answer.comment) {
      keepRival(answer.item, opinionOf(others), place); // another tab's text is not lost
    }
    // What the draft was made upon: where another device has saved since, that is newer.
    drafts[answer.item] = { ...opinionOf(answer), ...foundation(answer), place, tab };
    storage.write("drafts", drafts);
    unsaved[answer.item] = place;
  }

  function dropDraft(item) {
    delete unsaved[item];
    const drafts = storage.read("drafts");
    delete drafts[item];
    storage.write("drafts", drafts);
  }

  // Other tabs keep theirs in the same place: only this item is touched.
  function keepWaiting(item, entry) {
    const waiting = storage.read("outbox");
    waiting[item] = entry;
    storage.write("outbox", waiting);
  }

  function dropWaiting(item, entry) {
    const waiting = storage.read("outbox");
    if (waiting[item]?.body.key !== entry.body.key) return;
    delete waiting[item];
    storage.write("outbox", waiting);
  }

  // -- time: only while the page is looked at and somebody is there --

  let lastSign = performance.now();
  let lastTick = performance.now();
  let activeSeconds = 0;

  function tick() {
    const now = performance.now();
    const awake = document.visibilityState === "visible" && now - lastSign < IDLE_SECONDS * 1000;
    if (awake) activeSeconds += (now - lastTick) / 1000;
    lastTick = now;
  }

  function signOfLife(event) {
    tick();
    const away = performance.now() - lastSign;
    lastSign = performance.now();
    if (away > AWAY_MS) lookAgain(); // another device may have been used meanwhile
    // Into a field of the question that is shown: its keys are meant for that.
    const field = "input, textarea, select, button";
    const inside = event?.type === "focusin" || event?.type === "pointerdown"
      ? event.target.closest?.(".answers")?.contains(event.target.closest(field)) : false;
    if (inside && !held) stay();
  }

  function takeSeconds() {
    tick();
    const seconds = activeSeconds;
    activeSeconds = 0;
    return seconds;
  }

  // -- answers --

  function opinionOf(answer) {
    const { scores, skipped, comment, flags, spans, seconds } = answer;
    return { scores, skipped, comment, flags, spans, seconds };
  }

  function sameOpinion(one, other) {
    const plain = ({ scores, skipped, comment, flags, spans }) => JSON.stringify(
      [known.dimensions.map((dimension) => scores?.[dimension] ?? 0), skipped, comment, flags,
        spans]);
    return plain(one) === plain(other);
  }

  // What an opinion was made upon, and when, by the server's clock.
  function foundation(answer) {
    return { base: answer.saved_at ?? "", made: Date.now() + ahead };
  }

  // Whether what is saved came after what was made; two clocks may be apart. What this browser has
  // itself sent before is never newer, whenever it arrived.
  function isOlder({ made, keys }, { saved_at: savedAt, key }) {
    if (keys?.includes(key)) return false;
    return !made || made + CLOCKS_MS < Date.parse(savedAt);
  }

  function adopt(answer, theirs) {
    const { scores, skipped, comment, flags, spans, key, saved_at: savedAt } = theirs;
    Object.assign(answer, { scores: scores ?? {}, skipped, comment, flags, spans, key,
      saved_at: savedAt, savedAt, state: theirs.state, feedback: theirs.feedback });
    answer.seconds = theirs.active_seconds ?? 0;
    answer.saved = answer.state !== "open";
    answer.problem = "";
    showOpinion(answer);
  }

  function prepare(answer) {
    answer.scores = answer.scores ?? {};
    answer.seconds = answer.active_seconds ?? 0;
    answer.feedback = settled[answer.item]?.feedback ?? answer.feedback;
    const done = settled[answer.item];
    if (done && (answer.saved_at ?? "") < done.savedAt) {
      // The question was fetched just before this was saved.
      Object.assign(answer, done.opinion, { saved_at: done.savedAt, state: "rated" });
    }
    // Another tab may be about to send it: under its key it is written once.
    outbox[answer.item] ??= storage.read("outbox")[answer.item];
    const waiting = outbox[answer.item];
    if (!waiting) delete outbox[answer.item];
    else if (waiting.body.base !== undefined && waiting.body.base !== (answer.saved_at ?? "")
      && answer.item !== underWay && isOlder(waiting, answer)) {
      delete outbox[answer.item];
      dropWaiting(answer.item, waiting);
      dropDraft(answer.item);
      if (!sameOpinion(waiting.opinion, answer)) {
        keepRival(answer.item, waiting.opinion, question.place);
      }
    }
    const kept = outbox[answer.item]?.opinion ?? draftOf(answer);
    if (kept) {
      Object.assign(answer, kept);
      const drafts = storage.read("drafts");
      if (drafts[answer.item]) drafts[answer.item].tab = tab; // what is shown is this tab's now
      storage.write("drafts", drafts);
    }
    answer.kept = Boolean(kept);
    answer.refused = false;
    if (kept && state.locked) refuse(answer, text("locked"));
    answer.saved = answer.state !== "open" && !kept;
    answer.savedAt = answer.saved_at;
    return answer;
  }

  // What this browser kept of an answer. Where something was saved elsewhere since, that is shown,
  // and the rater is asked about a draft that could have been saved.
  function draftOf(answer) {
    const draft = storage.read("drafts")[answer.item];
    if (!draft) return null;
    const { base, place } = draft;
    const opinion = opinionOf(draft);
    if (base === undefined || base === (answer.saved_at ?? "")
      || (complete(opinion) && !isOlder(draft, answer))) {
      return opinion;
    }
    const worth = complete(opinion) || opinion.comment || opinion.flags.length
      || opinion.spans.length;
    dropDraft(answer.item);
    if (worth && !sameOpinion(opinion, answer)) keepRival(answer.item, opinion, place);
    return null;
  }

  // What was given before something that was saved elsewhere: kept until the rater has decided.
  function keepRival(item, opinion, place) {
    const rivals = storage.read("rivals");
    const kept = rivals[item]?.opinions ?? [];
    if (kept.some((each) => sameOpinion(each, opinion))) return;
    rivals[item] = { opinions: [...kept, opinion], place };
    storage.write("rivals", rivals);
  }

  function rivalOf(item) {
    return storage.read("rivals")[item]?.opinions?.[0];
  }

  // The one that the rater has decided about; the next one, if any, is asked about then.
  function dropRival(item) {
    const rivals = storage.read("rivals");
    rivals[item]?.opinions.shift();
    if (!rivals[item]?.opinions.length) delete rivals[item];
    storage.write("rivals", rivals);
  }

  function refuse(answer, message) {
    answer.refused = true;
    answer.problem = message;
  }

  function missing(answer) {
    return known.dimensions.filter((dimension) => !answer.scores?.[dimension]);
  }

  function complete(answer) {
    return Boolean(answer.skipped) || missing(answer).length === 0;
  }

  // Of the list as it is to be shown. What is on its way counts, what was refused does not.
  function stateOf(entry) {
    if (question && entry.place === question.place) return stateOfOpen();
    const undone = Object.keys(unsaved).some((item) =>
      unsaved[item] === entry.place && !outbox[item])
      || Object.values(storage.read("rivals")).some((rival) => rival.place === entry.place);
    return undone ? "open" : entry.state;
  }

  function stateOfOpen() {
    const { answers } = question;
    const done = (answer) => complete(answer) && !answer.refused && !rivalOf(answer.item);
    if (!answers.every(done)) return "open";
    return answers.every((answer) => answer.skipped) ? "skipped" : "rated";
  }

  // -- saving --

  function changed(answer, { typing = false } = {}) {
    if (state.locked) return;
    stay();
    answer.saved = false;
    answer.problem = "";
    answer.refused = false;
    answer.seconds += takeSeconds();
    keepDraft(answer);
    clearTimeout(answer.timer);
    if (complete(answer)) {
      if (typing) answer.timer = setTimeout(() => post(answer), TYPING_MS);
      else post(answer);
    }
    drawState(answer);
    drawProgress();
  }

  // Hands an answer in: from here on it is sent until the server has taken or refused it.
  function post(answer, upon = foundation(answer)) {
    clearTimeout(answer.timer);
    answer.timer = null;
    answer.refused = false;
    handIn(answer.item, opinionOf(answer), { ...upon, place: question.place });
    send();
  }

  // What was kept goes as of when it was given.
  function postKept(answer) {
    post(answer, storage.read("drafts")[answer.item] ?? foundation(answer));
  }

  function handIn(item, opinion, { base, made, place }) {
    const { scores, skipped, comment, flags, spans, seconds } = opinion;
    const body = {
      item, key: newKey(item), base, scores: skipped ? null : scores, skipped, comment, flags,
      spans, active_seconds: Math.round((seconds ?? 0) * 10) / 10,
    };
    const keys = [...(outbox[item]?.keys ?? []), body.key];
    outbox[item] = { body, opinion, made, place, keys };
    keepWaiting(item, outbox[item]);
  }

  // What is complete, but was never handed in: the page was closed, or it had been refused.
  function handInDrafts() {
    if (state.locked) return;
    for (const [item, draft] of Object.entries(storage.read("drafts"))) {
      const shown = question?.answers.some((answer) => answer.item === item);
      if (!outbox[item] && !shown && draft.base !== undefined && complete(draft)) {
        handIn(item, opinionOf(draft), draft);
      }
    }
    send();
  }

  async function send() {
    if (sending) return;
    sending = true;
    try {
      while (Object.keys(outbox).length) {
        const [item, entry] = Object.entries(outbox)[0];
        underWay = item;
        const done = await deliver(item, entry);
        underWay = "";
        if (done === "later") break;
        // Meanwhile the rater may have changed the same answer: that one is still to be sent.
        if (outbox[item] === entry) {
          delete outbox[item];
          dropWaiting(item, entry);
          if (done.newer) {
            reconcile(item, entry, done.newer);
            continue;
          }
          if (done.saved_at) {
            settled[item] = { opinion: entry.opinion, savedAt: done.saved_at,
              feedback: done.feedback };
          }
          settle(item, done, entry);
        } else if (outbox[item] && done.saved_at) {
          outbox[item].body.base = done.saved_at; // the next one was made upon this
          keepWaiting(item, outbox[item]);
        }
      }
    } finally {
      sending = false;
      underWay = "";
      drawProgress();
    }
  }

  async function deliver(item, entry) {
    for (;;) {
      if (outbox[item] !== entry) return {}; // changed meanwhile: that one goes
      try {
        const saved = await ask("save", entry.body);
        failures = 0;
        stopped = false;
        return saved;
      } catch (error) {
        if (error instanceof Refused && error.status === 401) {
          announce(error.code === "another_rater" ? error.message : text("session_over"));
          stopped = true;
          drawAllStates();
          return "later";
        }
        if (error.code === "newer_saved") return { newer: error.answer };
        if (error instanceof Refused && error.status < 500) {
          return { problem: error.message, code: error.code };
        }
        failures += 1;
        drawAllStates();
        await pause(RETRY_MS[Math.min(failures - 1, RETRY_MS.length - 1)]);
      }
    }
  }

  // Something was saved for this answer that whoever made this entry had not seen. The last score
  // wins: what was given before that waits for the rater's word, what was given after it goes.
  function reconcile(item, entry, theirs) {
    const answer = question?.answers.find((each) => each.item === item);
    const atWork = answer && (answer.timer || !sameOpinion(answer, entry.opinion));
    if (answer && atWork) {
      answer.saved_at = theirs.saved_at; // what is being given now goes upon that
      keepDraft(answer);
      if (!answer.timer && complete(answer)) post(answer);
    } else if (!isOlder(entry, theirs)) {
      if (answer) answer.saved_at = theirs.saved_at;
      outbox[item] = entry; // its keys go on
      handIn(item, entry.opinion, { ...entry, base: theirs.saved_at });
    } else {
      dropDraft(item);
      const same = sameOpinion(entry.opinion, theirs);
      if (!same) keepRival(item, entry.opinion, entry.place);
      if (answer) adopt(answer, theirs);
      else if (same) drawProgress();
      else announce(text("not_saved_elsewhere",
        { place: placeName(entry.place), error: text("newer_elsewhere") }), { about: entry.place });
    }
  }

  function settle(item, done, entry) {
    const answer = question?.answers.find((each) => each.item === item);
    if (done.saved_at) settleDraft(item, done.saved_at, entry.opinion, answer);
    if (answer) {
      const changedSince = !sameOpinion(answer, entry.opinion);
      answer.saved = Boolean(done.saved_at) && !changedSince;
      if (done.saved_at) answer.saved_at = answer.savedAt = done.saved_at;
      answer.problem = "";
      if (done.problem) refuse(answer, done.problem);
      if (done.feedback) answer.feedback = done.feedback;
      drawFeedback(answer);
      drawAllStates();
    } else if (done.problem && question) {
      announce(text("not_saved_elsewhere", { place: placeName(entry.place), error: done.problem }),
        { about: entry.place });
      if (done.code === "rating_not_allowed") dropDraft(item); // somebody else's by now
    }
    if (done.code === "study_locked") setLocked(true);
  }

  // What was changed while the save was under way is still a draft, made upon what it saved.
  function settleDraft(item, savedAt, opinion, answer) {
    const drafts = storage.read("drafts");
    const now = answer ?? drafts[item];
    const others = drafts[item] && drafts[item].tab !== tab && drafts[item].comment
      && drafts[item].comment !== opinion.comment;
    if (others) {
      keepRival(item, opinionOf(drafts[item]), drafts[item].place); // another tab's text
    }
    if (!now || sameOpinion(now, opinion)) {
      dropDraft(item);
    } else if (drafts[item]) {
      drafts[item].base = savedAt;
      storage.write("drafts", drafts);
    }
  }

  // The study may be locked, or opened again, while its page lies open. Focus and typing stay.
  function setLocked(locked) {
    if (state.locked === locked) return;
    state.locked = locked;
    if (!question) return;
    root.querySelector("#rating-banner")?.remove();
    const shown = banner();
    if (shown) root.querySelector(".places").after(shown);
    const fields = ".score, .more input, .more select, .more fieldset button";
    for (const field of root.querySelectorAll(fields)) field.disabled = locked;
    for (const box of root.querySelectorAll(".more textarea")) box.readOnly = locked;
    question.answers.forEach(drawRival);
    for (const answer of question.answers) {
      // What the lock had refused.
      if (!locked && !answer.saved && complete(answer) && !outbox[answer.item]) {
        answer.problem = "";
        postKept(answer);
      }
    }
    handInDrafts();
    drawAllStates();
    drawProgress();
  }

  // What may have changed elsewhere while this page lay open: the lock, and the rater's own scores.
  async function lookAgain() {
    if (!question || held || document.visibilityState !== "visible") return;
    const { place } = question;
    const isNews = (theirs, answer) => !state.trial
      && (theirs.saved_at ?? "") > (answer.saved_at ?? "");
    try {
      const { locked, answers } = await ask(`state/${place}`);
      if (question?.place !== place) return;
      for (const theirs of answers) {
        const answer = question.answers.find((each) => each.item === theirs.item);
        if (!answer || outbox[answer.item] || answer.timer || answer.item in unsaved) continue;
        if (isNews(theirs, answer)) adopt(answer, theirs);
      }
      setLocked(locked);
    } catch (error) {
      if (error.code === "another_rater") announce(error.message);
      // Whatever else is wrong, the next thing that the rater does says so.
    }
  }

  // -- drawing: messages and forms --

  // A lasting one stays over the next question too, until its own place is opened.
  let lasting = null;

  function announce(message, { about } = {}) {
    if (about) lasting = { message, place: about };
    let line = root.querySelector(".announcement:not(#rating-banner)");
    if (!line) {
      line = make("p", { class: "announcement", role: "status" });
      root.prepend(line);
    }
    line.textContent = message;
  }

  function showEntry(message) {
    const box = make("input", {
      id: "rating-link", type: "text", autocomplete: "off", "aria-label": text("link"),
    });
    const form = make("form", {
      class: "rating-entry",
      onsubmit: (event) => {
        event.preventDefault();
        const token = box.value.trim().split("/").pop();
        if (token) location.assign("/r/" + encodeURIComponent(token));
        else announce(text("link_empty"));
      },
    }, make("label", { for: "rating-link" }, text("link")), box,
    make("button", { class: "primary", type: "submit", id: "rating-begin" }, text("enter")),
    make("p", { class: "coordinators" }, make("a", { href: "/sign-in" },
      text("coordinators_enter"))));
    replace(message ? make("p", { class: "announcement", role: "status" }, message) : null,
      make("p", {}, text("rating_intro")), form);
  }

  function showProfile() {
    const field = (name, label, attributes) => make("label", { class: "field" }, text(label),
      make("input", { name, maxlength: 100, autocomplete: "off", ...attributes }));
    const agreed = make("input", { type: "checkbox", name: "agreed", required: true });
    const form = make("form", {
      class: "profile",
      onsubmit: async (event) => {
        event.preventDefault();
        const given = Object.fromEntries(new FormData(form));
        const years = given.years === "" ? null : Number(given.years);
        try {
          await ask("profile", { ...given, years, agreed: agreed.checked, language });
          await start();
        } catch (error) {
          if (error.code === "profile_known") { await start(); return; } // told in another tab
          announce(error instanceof Refused ? error.message : text("load_failed_retrying"));
        }
      },
    },
    make("h2", {}, text("profile_title")), make("p", {}, text("profile_intro")),
    field("specialty", "specialty", { required: true, placeholder: text("specialty_example") }),
    field("title", "title_of_rater", { placeholder: text("title_example") }),
    field("years", "years_of_practice", { type: "number", min: 0, max: 80, step: 1 }),
    field("name", "name_of_rater", {}),
    make("p", { class: "consent" }, text("consent_text")),
    make("label", { class: "agree" }, agreed, " ", text("agree")),
    make("button", { class: "primary", type: "submit", id: "rating-start" }, text("start")));
    replace(form);
  }

  // -- drawing: the question --

  function drawQuestion() {
    current = null;
    hold(false);
    replace(
      make("div", { class: "rating-top" },
        make("strong", {}, state.study), make("span", { class: "who" }, state.rater),
        make("span", { class: "progress-text", role: "status" }),
        make("button", { type: "button", class: "quiet", id: "rating-leave", onclick: leave },
          text("leave"))),
      make("progress", { class: "bar", "aria-label": text("progress_name") }),
      make("nav", { class: "places", "aria-label": text("questions") }),
      banner(),
      guide(),
      make("section", { class: "question", "aria-labelledby": "question-title" },
        make("h2", { id: "question-title", tabindex: -1 },
          text(question.practice ? "practice_label" : "question_title")),
        make("p", { class: "text" }, question.text)),
      make("div", { class: state.one_by_one ? "answers singly" : "answers" },
        ...question.answers.map(drawAnswer)),
      make("div", { class: "rating-actions" },
        make("button", { type: "button", id: "rating-previous", onclick: () => step(-1) },
          text("previous")),
        make("button", { type: "button", id: "rating-next", class: "primary",
          onclick: () => step(1) }, text("next")),
        make("button", { type: "button", id: "rating-next-unrated", onclick: nextUnrated },
          text("next_unrated")),
        make("button", { type: "button", class: "quiet", id: "rating-keys", onclick: showKeys },
          text("keys"), " ", make("kbd", {}, "?"))),
    );
    drawProgress();
    question.answers.forEach(drawFeedback);
    question.answers.forEach(drawRival);
    drawAllStates();
    if (lasting && lasting.place !== question.place) announce(lasting.message);
    lasting = null;
    const first = question.answers.find((answer) => !complete(answer)) ?? question.answers[0];
    setCurrent(first, missing(first)[0] ?? known.dimensions[0], { focus: false });
  }

  function banner() {
    const key = state.trial ? "trial_banner" : state.locked ? "locked" : "";
    return key ? make("p", { class: "announcement", id: "rating-banner", role: "status" },
      text(key)) : null;
  }

  function guide() {
    const definitions = make("div", { class: "definitions" });
    definitions.innerHTML = state.guide[language]; // the server leaves nothing active in it
    return make("details", { class: "guide", open: !guideSeen(),
      ontoggle: (event) => { if (!event.target.open) noteGuideSeen(); } },
    make("summary", {}, text("guide")), definitions);
  }

  // Open on the first question, until somebody closes it or goes on.
  function guideSeen() {
    return Boolean(storage.read("guide").seen);
  }

  function noteGuideSeen() {
    storage.write("guide", { seen: true });
  }

  function drawAnswer(answer) {
    const title = `answer-title-${answer.letter}`;
    const card = make("section", { class: "answer", id: `answer-${answer.letter}`,
      "aria-labelledby": title },
    make("h2", { id: title }, answerTitle(answer)),
    drawText(answer),
    make("div", { class: "scales" },
      ...known.dimensions.map((dimension) => drawScale(answer, dimension))),
    drawMore(answer),
    make("p", { class: "mark", id: `state-${answer.letter}`, role: "status" }),
    make("div", { class: "rival", id: `rival-${answer.letter}`, role: "status" }),
    make("div", { class: "feedback", id: `feedback-${answer.letter}`, role: "status" }));
    return card;
  }

  // What an answer holds now, in the card that is there: focus and caret stay where they are.
  function showOpinion(answer) {
    const card = root.querySelector(`#answer-${answer.letter}`);
    if (!card) return;
    for (const dimension of known.dimensions) press(answer, dimension);
    redrawText(answer);
    const comment = card.querySelector(`#comment-${answer.letter}`);
    if (comment.value !== answer.comment) {
      const caret = comment.selectionStart;
      comment.value = answer.comment;
      if (comment === document.activeElement) comment.setSelectionRange(caret, caret);
    }
    const { flags, spans, skipped } = answer;
    if (answer.comment || flags.length || spans.length || skipped) {
      card.querySelector(".more").open = true;
    }
    card.querySelector(`#skip-${answer.letter}`).value = answer.skipped;
    for (const box of card.querySelectorAll(".more input[type=checkbox]")) {
      box.checked = answer.flags.includes(box.value);
    }
    drawFeedback(answer);
    drawRival(answer);
    drawAllStates();
    drawProgress();
  }

  function press(answer, dimension) {
    const group = root.querySelector(`#scale-${answer.letter}-${dimension}`);
    for (const button of group.querySelectorAll(".score")) {
      const pressed = Number(button.dataset.score) === answer.scores[dimension];
      button.setAttribute("aria-pressed", String(pressed));
    }
  }

  // An earlier opinion that never reached the server: the rater says what is to become of it.
  function drawRival(answer) {
    const area = root.querySelector(`#rival-${answer.letter}`);
    if (!area) return;
    const rival = rivalOf(answer.item);
    if (!rival || state.locked) { area.replaceChildren(); return; }
    area.replaceChildren(
      make("p", {}, text("rival", { opinion: inWords(rival) })),
      make("button", { type: "button", onclick: () => {
        dropRival(answer.item);
        Object.assign(answer, structuredClone(rival));
        changed(answer);
        showOpinion(answer);
        inScale(root.querySelector(`#scale-${answer.letter}-${known.dimensions[0]}`)).focus();
      } }, text("rival_use")),
      make("button", { type: "button", class: "quiet", onclick: () => {
        dropRival(answer.item);
        drawRival(answer);
        drawProgress();
      } }, text("rival_drop")));
  }

  function inWords({ scores, skipped, comment, flags, spans }) {
    const joint = language === "zh" ? "、" : ", ";
    const given = known.dimensions.filter((dimension) => scores?.[dimension]);
    const parts = skipped ? [text(`skip_${skipped}`)]
      : given.map((dimension) => `${text(dimension)} ${scores[dimension]}`);
    for (const flag of flags) parts.push(text(`flag_${flag}`));
    for (const span of spans) parts.push(`${text("marking")} ${text(`span_${span.kind}`)}`);
    if (comment) parts.push(`${text("comment")} “${comment}”`);
    return parts.join(joint);
  }

  function answerTitle(answer) {
    const { letter } = answer;
    if (!state.one_by_one || question.answers.length === 1) return text("answer", { letter });
    const number = question.answers.indexOf(answer) + 1;
    return text("answer_of", { letter, number, total: question.answers.length });
  }

  // After a practice answer has been scored: what it should have got, and why.
  function drawFeedback(answer) {
    const place = root.querySelector(`#feedback-${answer.letter}`);
    if (!place) return;
    if (!answer.feedback) { place.replaceChildren(); return; }
    const { scores, why_zh: zh, why_en: en } = answer.feedback;
    const listed = known.dimensions.map((dimension) => `${text(dimension)} ${scores[dimension]}`);
    const other = known.dimensions.filter((dimension) =>
      answer.scores[dimension] && answer.scores[dimension] !== scores[dimension]);
    const joint = language === "zh" ? "、" : ", ";
    const verdict = other.length
      ? text("feedback_other", { scales: other.map((dimension) => text(dimension)).join(joint) })
      : text("feedback_same");
    place.replaceChildren(
      make("strong", {}, `${text("feedback")}${language === "zh" ? "：" : ": "}`),
      listed.join(joint),
      make("p", {}, verdict), make("p", {}, language === "zh" ? zh : en));
  }

  function drawText(answer) {
    const place = make("div", { class: "text", id: `text-${answer.letter}` });
    const letters = [...answer.text]; // offsets count characters, not JavaScript's half ones
    const cuts = [...answer.spans].sort((a, b) => a.start - b.start);
    let at = 0;
    for (const span of cuts) {
      if (span.start < at) continue;
      place.append(letters.slice(at, span.start).join(""));
      place.append(make("mark", { class: span.kind, title: text(`span_${span.kind}`) },
        letters.slice(span.start, span.end).join("")));
      at = span.end;
    }
    place.append(letters.slice(at).join(""));
    return place;
  }

  function drawScale(answer, dimension) {
    const name = `scale-${answer.letter}-${dimension}`;
    // Buttons and no radio buttons: the arrow keys would choose within those.
    const buttons = [1, 2, 3].map((score) => make("button", {
      type: "button", class: `score score-${score}`,
      "aria-pressed": String(answer.scores[dimension] === score),
      title: text(`${dimension}_${score}`),
      disabled: state.locked,
      "data-score": score,
      onclick: () => choose(answer, dimension, score),
      onfocus: () => setCurrent(answer, dimension, { focus: false }),
    }, text(`score_${score}`)));
    return make("div", { class: "scale", role: "group", id: name,
      "aria-labelledby": `${name}-label` },
    make("span", { class: "scale-name", id: `${name}-label`,
      title: text(`${dimension}_question`) }, text(dimension)),
    make("span", { class: "steps" }, ...buttons));
  }

  // Where the focus goes in a scale: to the score that it has, else to the first.
  function inScale(group) {
    return group.querySelector('.score[aria-pressed="true"]') ?? group.querySelector(".score");
  }

  function drawMore(answer) {
    const open = Boolean(answer.comment || answer.flags.length || answer.skipped
      || answer.spans.length);
    const comment = make("textarea", {
      rows: 2, maxlength: 4000, id: `comment-${answer.letter}`, readonly: state.locked,
      oninput: () => { answer.comment = comment.value; changed(answer, { typing: true }); },
      onblur: () => { if (answer.timer) post(answer); },
    });
    comment.value = answer.comment;
    const flags = known.flags.map((flag) => {
      const box = make("input", { type: "checkbox", disabled: state.locked, value: flag,
        onchange: () => {
          const others = answer.flags.filter((each) => each !== flag);
          answer.flags = box.checked ? [...others, flag] : others;
          changed(answer);
        } });
      box.checked = answer.flags.includes(flag);
      return make("label", { class: "chip" }, box, " ", text(`flag_${flag}`));
    });
    const skip = make("select", { id: `skip-${answer.letter}`, disabled: state.locked,
      onchange: () => { answer.skipped = skip.value; changed(answer); } },
    make("option", { value: "" }, text("skip_no")),
    ...known.skips.map((reason) => make("option", { value: reason }, text(`skip_${reason}`))));
    skip.value = answer.skipped;
    const marks = known.spans.map((kind) => make("button", { type: "button", class: "chip",
      disabled: state.locked, onclick: () => markSelection(answer, kind) }, text(`span_${kind}`)));
    return make("details", { class: "more", open },
      make("summary", {}, text("more")),
      make("fieldset", {}, make("legend", {}, text("flags")), ...flags),
      make("fieldset", {}, make("legend", {}, text("marking")), ...marks,
        make("button", { type: "button", class: "quiet", disabled: state.locked, onclick: () => {
          answer.spans = [];
          redrawText(answer);
          changed(answer);
        } }, text("unmark"))),
      make("label", { class: "field", for: `comment-${answer.letter}` }, text("comment")), comment,
      make("label", { class: "field", for: `skip-${answer.letter}` }, text("skip")), skip);
  }

  function redrawText(answer) {
    root.querySelector(`#text-${answer.letter}`).replaceWith(drawText(answer));
  }

  function markSelection(answer, kind) {
    const place = root.querySelector(`#text-${answer.letter}`);
    const selection = getSelection();
    const range = selection.rangeCount ? selection.getRangeAt(0) : null;
    if (!range || selection.isCollapsed || !place.contains(range.startContainer)
      || !place.contains(range.endContainer)) {
      answer.problem = text("nothing_selected");
      drawState(answer);
      return;
    }
    const before = document.createRange();
    before.selectNodeContents(place);
    before.setEnd(range.startContainer, range.startOffset);
    const start = [...before.toString()].length;
    const end = start + [...range.toString()].length;
    const apart = answer.spans.filter((span) => span.end <= start || span.start >= end);
    answer.spans = [...apart, { start, end, kind }];
    selection.removeAllRanges();
    redrawText(answer);
    changed(answer);
  }

  // -- drawing: what has become of it --

  function drawState(answer) {
    const line = root.querySelector(`#state-${answer.letter}`);
    if (!line) return;
    let [kind, message] = ["open", text("not_rated")];
    const waiting = outbox[answer.item];
    if (answer.problem) [kind, message] = ["unsaved", text("not_saved", { error: answer.problem })];
    else if (waiting) {
      [kind, message] = ["unsaved", text(stopped ? "kept_here" : failures ? "retrying" : "saving")];
    }
    else if (answer.saved && state.trial) [kind, message] = ["saved", text("trial_saved")];
    else if (answer.saved && answer.savedAt) {
      [kind, message] = ["saved", text("saved", { time: clock(answer.savedAt) })];
    } else if (answer.saved) [kind, message] = ["saved", text("saved", { time: "" }).trim()];
    else if (Object.keys(answer.scores).length || answer.comment || answer.flags.length) {
      const names = missing(answer).map((dimension) => text(dimension))
        .join(language === "zh" ? "、" : ", ");
      [kind, message] = ["unsaved", names ? text("half_rated", { missing: names }) : text("saving")];
    }
    if (answer.skipped && kind === "saved") message = `${text("skipped_state")} · ${message}`;
    if (line.textContent !== message) line.textContent = message;
    line.className = `mark ${kind}`;
  }

  function drawAllStates() {
    if (question) question.answers.forEach(drawState);
  }

  function drawProgress() {
    const line = root.querySelector(".progress-text");
    if (!line || !question) return;
    const entries = state.questions;
    const own = entries.find((entry) => entry.place === question.place);
    if (own) own.state = stateOfOpen();
    const done = entries.filter((entry) => stateOf(entry) !== "open").length;
    const number = entries.findIndex((entry) => entry.place === question.place) + 1;
    line.textContent = done === entries.length ? text(state.locked ? "done_locked" : "all_done")
      : text("progress", { place: number, total: entries.length, done });
    const bar = root.querySelector(".bar");
    bar.max = entries.length;
    bar.value = done;
    drawPlaces(number);
  }

  // A window of places around the open one: two thousand buttons would help nobody.
  function drawPlaces(number) {
    const entries = state.questions;
    const from = Math.max(0, Math.min(number - 6, entries.length - 11));
    const shown = entries.slice(from, from + 11);
    root.querySelector(".places").replaceChildren(...shown.map((entry) => make("button", {
      type: "button", class: `place ${stateOf(entry)}`,
      "aria-current": entry.place === question.place ? "page" : null,
      onclick: () => open(entry.place),
    }, placeName(entry.place))));
  }

  function placeName(wanted) {
    const entries = state.questions;
    const number = entries.findIndex((entry) => entry.place === wanted) + 1;
    const practice = entries.filter((entry) => entry.practice).length;
    if (!number) return "–"; // not on the list any more
    return entries[number - 1].practice ? text("practice_place", { number })
      : String(number - practice);
  }

  // -- scoring --

  function choose(answer, dimension, score) {
    if (state.locked || held) return;
    answer.scores = { ...answer.scores, [dimension]: score };
    answer.skipped = "";
    const select = root.querySelector(`#skip-${answer.letter}`);
    if (select) select.value = "";
    press(answer, dimension);
    changed(answer);
  }

  function scales() {
    return question.answers.flatMap((answer) =>
      known.dimensions.map((dimension) => ({ answer, dimension })));
  }

  function setCurrent(answer, dimension, { focus }) {
    current = { answer, dimension };
    if (state.one_by_one) showAlone(answer);
    for (const group of root.querySelectorAll(".scale")) group.classList.remove("current");
    const group = root.querySelector(`#scale-${answer.letter}-${dimension}`);
    group.classList.add("current");
    if (focus) {
      inScale(group).focus();
      group.scrollIntoView({ block: "nearest" });
    }
  }

  function showAlone(answer) {
    for (const other of question.answers) {
      root.querySelector(`#answer-${other.letter}`).hidden = other !== answer;
    }
  }

  // One answer at a time: to the answer before or after; false at either end.
  function stepAnswer(by) {
    if (!state.one_by_one) return false;
    const next = question.answers[question.answers.indexOf(current.answer) + by];
    if (!next) return false;
    setCurrent(next, missing(next)[0] ?? known.dimensions[0], { focus: false });
    inScale(root.querySelector(`#answer-${next.letter} .scale.current`)).focus();
    return true;
  }

  function moveScale(by) {
    const all = scales();
    const at = all.findIndex((each) => each.answer === current.answer
      && each.dimension === current.dimension);
    const next = current.done && by < 0 ? current
      : all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (!current.done || by < 0) setCurrent(next.answer, next.dimension, { focus: true });
  }

  // Scored with a key: on to the next scale. Behind the last one a key scores nothing more.
  function goOn() {
    const { answer, dimension } = scales().at(-1);
    if (answer !== current.answer || dimension !== current.dimension) return moveScale(1);
    current.done = true;
    root.querySelector(`#scale-${answer.letter}-${dimension}`).classList.remove("current");
    root.querySelector("#rating-next").focus({ preventScroll: true });
  }

  // -- going about --

  // While a question is fetched, what is typed and clicked is not meant for the one that is shown.
  function hold(on) {
    held = on;
    root.toggleAttribute("aria-busy", on);
    const answers = root.querySelector(".answers");
    if (answers) answers.inert = on;
  }

  // Whoever goes on with the question that is shown no longer wants another one.
  function stay() {
    if (!question || target === question.place) return;
    target = question.place;
    asked += 1;
    hold(false);
    // Not now: what is being clicked would move away under the pointer.
    const line = root.querySelector(".announcement:not(#rating-banner)");
    setTimeout(() => {
      if (line?.textContent === text("load_failed_retrying")) line.remove();
    }, TYPING_MS);
  }

  async function open(wanted) {
    const mine = asked += 1;
    target = wanted;
    flush();
    if (question) noteGuideSeen();
    hold(true);
    try {
      const found = await patiently(`page/${wanted}`, () => asked === mine);
      if (!found || asked !== mine) return; // somebody was quicker, or went on with this one
      question = found;
      state.locked = found.locked;
      question.answers.forEach(prepare);
      takeSeconds();
      drawQuestion();
      send(); // what another tab left
      for (const answer of question.answers) {
        // Complete, but the page was closed before it was handed in.
        if (answer.kept && complete(answer) && !outbox[answer.item] && !state.locked) {
          postKept(answer);
        }
      }
      window.scrollTo({ top: root.getBoundingClientRect().top + window.scrollY - 8 });
      root.querySelector("#question-title").focus({ preventScroll: true });
    } catch (error) {
      if (asked === mine) refusedOpening(error);
    }
  }

  function refusedOpening(error) {
    hold(false);
    target = question?.place ?? 0;
    if (error.status !== 401) return announce(error.message);
    question = null;
    showEntry(error.message);
  }

  // What was typed a moment ago goes now.
  function flush() {
    for (const answer of question?.answers ?? []) {
      if (answer.timer) post(answer);
    }
  }

  function step(by) {
    if (!held && stepAnswer(by)) return;
    const entries = state.questions;
    const at = entries.findIndex((entry) => entry.place === target) + by;
    if (at >= 0 && at < entries.length) open(entries[at].place);
  }

  function nextUnrated() {
    const entries = state.questions;
    const at = entries.findIndex((entry) => entry.place === target);
    const order = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
    const next = order.find((entry) => stateOf(entry) === "open");
    if (next) open(next.place);
  }

  async function leave() {
    flush();
    if (Object.keys(outbox).length && !confirm(text("leave_waiting"))) return;
    stay();
    target = 0;
    try {
      await fetch("/rating/leave", { method: "POST" });
    } finally {
      question = null;
      showEntry("");
    }
  }

  function showKeys() {
    const old = root.querySelector("dialog");
    if (old) { old.remove(); return; }
    const rows = [
      ["1 2 3", "keys_score"], ["↑ ↓", "keys_scale"], ["← →", "keys_question"],
      ["U", "keys_unrated"], ["?", "keys_help"],
    ].map(([keys, key]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, keys)),
      make("td", {}, text(key))));
    const dialog = make("dialog", { class: "keys", "aria-label": text("keys"),
      onclose: () => dialog.remove() },
      make("h2", {}, text("keys")), make("table", {}, make("tbody", {}, ...rows)),
      make("button", { type: "button", onclick: () => dialog.remove() }, text("close")));
    root.append(dialog);
    dialog.showModal();
  }

  function onKey(event) {
    if (!question || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!root.contains(event.target) && event.target !== document.body) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const key = event.key;
    const dialog = root.querySelector("dialog");
    if (key === "?") showKeys();
    else if (dialog) return;
    else if ("123".includes(key)) {
      if (held || current.done) return;
      choose(current.answer, current.dimension, Number(key));
      goOn();
    } else if (held && key.startsWith("Arrow") && !["ArrowLeft", "ArrowRight"].includes(key)) {
      return;
    } else if (key === "ArrowDown") moveScale(1);
    else if (key === "ArrowUp") moveScale(-1);
    else if (key === "ArrowLeft") step(-1);
    else if (key === "ArrowRight") step(1);
    else if (key === "u" || key === "U") nextUnrated();
    else return;
    event.preventDefault();
  }

  // -- beginning --

  async function start() {
    try {
      state = await patiently("list");
    } catch (error) {
      if (error.status === 401) showEntry("");
      else showEntry(error.message);
      return;
    }
    if (state.nobody) { showEntry(""); return; }
    state.questions = state.questions.map(([number, status, practice]) =>
      ({ place: number, state: status, practice }));
    if (state.asked) { showProfile(); return; }
    outbox = storage.read("outbox");
    for (const [item, draft] of Object.entries(storage.read("drafts"))) unsaved[item] = draft.place;
    handInDrafts();
    if (!state.questions.length) {
      replace(make("p", { class: "announcement", role: "status" }, text("no_questions")));
      return;
    }
    const last = state.questions.find((entry) => entry.place === state.last_place);
    const first = state.questions.find((entry) => entry.state === "open");
    const toPractise = state.questions.find((entry) => entry.practice && entry.state === "open");
    await open((toPractise ?? last ?? first ?? state.questions[0]).place);
  }

  function begin(element) {
    root = element;
    known = JSON.parse(root.dataset.known);
    language = known.language;
    document.addEventListener("keydown", onKey);
    for (const sign of ["keydown", "pointermove", "pointerdown", "scroll", "touchstart",
      "focusin"]) {
      document.addEventListener(sign, signOfLife, { passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => {
      tick();
      if (document.visibilityState === "hidden") flush();
      else if (state && question) {
        send(); // signed in again in another tab, perhaps
        lookAgain();
      }
    });
    window.addEventListener("pagehide", flush);
    window.addEventListener("online", send);
    setInterval(() => { lookAgain(); if (question) send(); }, LOOK_MS);
    start();
  }

  // Gradio draws the page after this has been read.
  function wait() {
    const element = document.querySelector("#rating[data-known]");
    if (element) begin(element);
    else requestAnimationFrame(wait);
  }
  wait();
})();
