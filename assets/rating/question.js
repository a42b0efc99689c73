// Draws the open question and its answers, and what is entered into them.

import { changed, flush } from "./answers.js";
import { make, replace, root } from "./elements.js";
import { leave, nextUnrated, noteGuideSeen } from "./going.js";
import { showKeys } from "./keys.js";
import { drawText, markSelection, redrawText } from "./marking.js";
import { drawAsked } from "./merging.js";
import { announceLasting } from "./messages.js";
import { complete, DIMENSIONS, missing } from "./opinion.js";
import { page, text } from "./page.js";
import { drawAllStates, drawProgress, hint } from "./progress.js";
import { drawScale, press, setCurrent, step } from "./scoring.js";

export function drawQuestion() {
  page.current = null;
  replace(
    make("div", { class: "rating-top" },
      make("strong", {}, page.state.study), make("span", { class: "who" }, page.state.rater),
      make("span", { class: "progress-text", role: "status" }),
      make("button", { type: "button", class: "quiet", id: "rating-leave", onclick: leave },
        text("leave"))),
    make("progress", { class: "bar", "aria-label": text("progress_name") }),
    make("nav", { class: "places", "aria-label": text("questions") }),
    banner(),
    guide(),
    make("section", { class: "question", "aria-labelledby": "question-title" },
      make("h2", { id: "question-title", tabindex: -1 },
        text(page.question.practice ? "practice_label" : "question_title")),
      make("p", { class: "text" }, page.question.text)),
    make("div", { class: page.state.one_by_one ? "answers singly" : "answers" },
      ...page.question.answers.map(drawAnswer)),
    make("div", { class: "rating-actions" },
      make("button", { type: "button", id: "rating-previous", onclick: () => step(-1) },
        text("previous")),
      make("button", { type: "button", id: "rating-next", class: "primary",
        onclick: () => step(1) }, text("next")),
      make("button", { type: "button", id: "rating-next-unrated", onclick: nextUnrated },
        text("next_unrated")),
      make("button", { type: "button", class: "quiet", id: "rating-keys", onclick: showKeys },
        text("keys"), " ", make("kbd", {}, "?"))),
    make("p", { id: "rating-end" }),
  );
  drawProgress();
  page.question.answers.forEach(drawFeedback);
  page.question.answers.forEach(drawAsked);
  drawAllStates();
  announceLasting();
  const { answers } = page.question;
  const first = answers.find((answer) => !complete(answer)) ?? answers[0];
  setCurrent(first, missing(first)[0] ?? DIMENSIONS[0], { focus: false });
}

function banner() {
  const key = page.state.trial ? "trial_banner" : page.state.locked ? "locked" : "";
  return key ? make("p", { class: "announcement", id: "rating-banner", role: "status" },
    text(key)) : null;
}

function guide() {
  const definitions = make("div", { class: "definitions" });
  definitions.innerHTML = page.state.guide[page.language]; // the server leaves nothing active in it
  return make("details", { class: "guide", open: !guideSeen(),
    ontoggle: (event) => { if (!event.target.open) noteGuideSeen(); } },
  make("summary", {}, text("guide")), definitions);
}

// Open on the first question, until somebody closes it or goes on.
function guideSeen() {
  return page.outbox.store.guideSeen;
}

function drawAnswer(answer) {
  const title = `answer-title-${answer.letter}`;
  const card = make("section", { class: "answer", id: `answer-${answer.letter}`,
    "aria-labelledby": title },
  make("h2", { id: title }, answerTitle(answer)),
  drawText(answer),
  make("div", { class: "scales" },
    ...DIMENSIONS.map((dimension) => drawScale(answer, dimension))),
  drawMore(answer),
  make("p", { class: "mark", id: `state-${answer.letter}`, role: "status" }),
  make("div", { class: "asked", id: `asked-${answer.letter}`, role: "status" }),
  make("div", { class: "feedback", id: `feedback-${answer.letter}`, role: "status" }));
  return card;
}

// What an answer holds now, in the card that is there: focus and caret stay where they are.
export function showAnswer(item) {
  const answer = page.question?.answers.find((each) => each.item === item);
  if (!answer) return;
  const card = root.querySelector(`#answer-${answer.letter}`);
  if (!card) return;
  for (const dimension of DIMENSIONS) press(answer, dimension);
  redrawText(answer);
  if (showMore(answer, card)) card.querySelector(".more").open = true;
  drawFeedback(answer);
  drawAsked(answer);
  drawAllStates();
  drawProgress();
}

// Comment, flags and skipping; returns whether any of them showed something else.
function showMore(answer, card) {
  let news = false;
  const comment = card.querySelector(`#comment-${answer.letter}`);
  if (comment.value !== answer.comment) {
    news = true;
    const caret = comment.selectionStart;
    comment.value = answer.comment;
    if (comment === document.activeElement) comment.setSelectionRange(caret, caret);
  }
  const skip = card.querySelector(`#skip-${answer.letter}`);
  if (skip.value !== answer.skipped) {
    news ||= Boolean(answer.skipped);
    skip.value = answer.skipped;
  }
  for (const box of card.querySelectorAll(".more input[type=checkbox]")) {
    const checked = answer.flags.includes(box.value);
    news ||= box.checked !== checked;
    box.checked = checked;
  }
  return news;
}

function answerTitle(answer) {
  const { letter } = answer;
  const { answers } = page.question;
  if (!page.state.one_by_one || answers.length === 1) return text("answer", { letter });
  return text("answer_of", { letter, number: answers.indexOf(answer) + 1, total: answers.length });
}

// After a practice answer has been scored: what it should have got, and why.
export function drawFeedback(answer) {
  const place = root.querySelector(`#feedback-${answer.letter}`);
  if (!place) return;
  if (!answer.feedback) { place.replaceChildren(); return; }
  const { scores, why_zh: zh, why_en: en } = answer.feedback;
  const { dimensions } = page.known;
  const listed = dimensions.map((dimension) => `${text(dimension)} ${scores[dimension]}`);
  const other = dimensions.filter((dimension) =>
    answer.scores[dimension] && answer.scores[dimension] !== scores[dimension]);
  const joint = page.language === "zh" ? "、" : ", ";
  let verdict = text("feedback_same");
  if (answer.skipped || missing(answer).length) verdict = ""; // nothing to compare with
  else if (other.length) {
    verdict = text("feedback_other", { scales: other.map((each) => text(each)).join(joint) });
  }
  place.replaceChildren(
    make("strong", {}, `${text("feedback")}${page.language === "zh" ? "：" : ": "}`),
    listed.join(joint),
    make("p", {}, verdict), make("p", {}, page.language === "zh" ? zh : en));
}

function drawMore(answer) {
  const open = Boolean(answer.comment || answer.flags.length || answer.skipped
    || answer.spans.length);
  const comment = make("textarea", {
    rows: 2, maxlength: 4000, id: `comment-${answer.letter}`, readonly: page.state.locked,
    oninput: () => {
      answer.comment = comment.value;
      changed(answer, { isTyping: true });
      const most = comment.maxLength;
      if (comment.value.length >= most) hint(answer, text("comment_full", { most }));
    },
    onblur: () => flush(answer.item),
  });
  comment.value = answer.comment;
  const flags = page.known.flags.map((flag) => {
    const box = make("input", { type: "checkbox", disabled: page.state.locked, value: flag,
      onchange: () => {
        const others = answer.flags.filter((each) => each !== flag);
        answer.flags = box.checked ? [...others, flag] : others;
        changed(answer);
      } });
    box.checked = answer.flags.includes(flag);
    return make("label", { class: "chip" }, box, " ", text(`flag_${flag}`));
  });
  const skip = make("select", { id: `skip-${answer.letter}`, disabled: page.state.locked,
    onchange: () => {
      answer.skipped = skip.value;
      changed(answer);
    } },
  make("option", { value: "" }, text("skip_no")),
  ...page.known.skips.map((reason) => make("option", { value: reason }, text(`skip_${reason}`))));
  skip.value = answer.skipped;
  const marks = page.known.spans.map((kind) => make("button", { type: "button", class: "chip",
    disabled: page.state.locked, onclick: () => markSelection(answer, kind) },
  text(`span_${kind}`)));
  return make("details", { class: "more", open },
    make("summary", {}, text("more")),
    make("fieldset", {}, make("legend", {}, text("flags")), ...flags),
    make("fieldset", {}, make("legend", {}, text("marking")), ...marks,
      make("button", { type: "button", class: "quiet", disabled: page.state.locked, onclick: () => {
        answer.spans = [];
        changed(answer);
      } }, text("unmark"))),
    make("label", { class: "field", for: `comment-${answer.letter}` }, text("comment")), comment,
    make("label", { class: "field", for: `skip-${answer.letter}` }, text("skip")), skip);
}

export function showTop() {
  window.scrollTo({ top: root.getBoundingClientRect().top + window.scrollY - 8 });
  root.querySelector("#question-title").focus({ preventScroll: true });
}

export function showHeld(on) {
  root.toggleAttribute("aria-busy", on);
  const answers = root.querySelector(".answers");
  if (answers) answers.inert = on;
}

// Focus and typing stay.
export function showLock() {
  const { locked } = page.state;
  root.querySelector("#rating-banner")?.remove();
  const line = banner();
  if (line) root.querySelector(".places").after(line);
  const fields = ".score, .more input, .more select, .more fieldset button";
  for (const field of root.querySelectorAll(fields)) field.disabled = locked;
  for (const box of root.querySelectorAll(".more textarea")) box.readOnly = locked;
  page.question.answers.forEach(drawAsked);
}

export function showNothing() {
  replace(make("p", { class: "announcement", role: "status" }, text("no_questions")));
}
