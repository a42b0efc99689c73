// Draws the open question and its answers, and what is entered into them.

import { complete, missing, sameOpinion } from "./answers.js";
import { hold, leave, nextUnrated, step } from "./going.js";
import { dropRival, rivalOf, storage } from "./keeping.js";
import { showKeys } from "./keys.js";
import { announceLasting } from "./messages.js";
import { make, page, replace, text } from "./page.js";
import { drawAllStates, drawProgress, hint } from "./progress.js";
import { changed, post } from "./saving.js";
import { drawText, markSelection, redrawText } from "./marking.js";
import { choose, setCurrent } from "./scoring.js";

export function drawQuestion() {
  page.current = null;
  hold(false);
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
  page.question.answers.forEach(drawRival);
  drawAllStates();
  announceLasting();
  const { answers } = page.question;
  const first = answers.find((answer) => !complete(answer)) ?? answers[0];
  setCurrent(first, missing(first)[0] ?? page.known.dimensions[0], { focus: false });
}

export function banner() {
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
  return Boolean(storage.read("guide").seen);
}

export function noteGuideSeen() {
  storage.write("guide", "seen", true);
}

function drawAnswer(answer) {
  const title = `answer-title-${answer.letter}`;
  const card = make("section", { class: "answer", id: `answer-${answer.letter}`,
    "aria-labelledby": title },
  make("h2", { id: title }, answerTitle(answer)),
  drawText(answer),
  make("div", { class: "scales" },
    ...page.known.dimensions.map((dimension) => drawScale(answer, dimension))),
  drawMore(answer),
  make("p", { class: "mark", id: `state-${answer.letter}`, role: "status" }),
  make("div", { class: "rival", id: `rival-${answer.letter}`, role: "status" }),
  make("div", { class: "feedback", id: `feedback-${answer.letter}`, role: "status" }));
  return card;
}

// What an answer holds now, in the card that is there: focus and caret stay where they are.
export function showOpinion(answer) {
  const card = page.root.querySelector(`#answer-${answer.letter}`);
  if (!card) return;
  for (const dimension of page.known.dimensions) press(answer, dimension);
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

// What is skipped counts no scores, though they come back when it is skipped no longer.
function isChosen(answer, dimension, score) {
  return !answer.skipped && answer.scores[dimension] === score;
}

export function press(answer, dimension) {
  const group = page.root.querySelector(`#scale-${answer.letter}-${dimension}`);
  for (const button of group.querySelectorAll(".score")) {
    const score = Number(button.dataset.score);
    button.setAttribute("aria-pressed", String(isChosen(answer, dimension, score)));
  }
}

// An earlier opinion that never reached the server: the rater says what is to become of it.
export function drawRival(answer) {
  const area = page.root.querySelector(`#rival-${answer.letter}`);
  if (!area) return;
  const rival = rivalOf(answer.item);
  if (rival && sameOpinion(rival, answer)) { // nothing to decide
    dropRival(answer.item, rival);
    drawRival(answer);
    return;
  }
  if (!rival || page.state.locked) { area.replaceChildren(); return; }
  area.replaceChildren(
    make("p", {}, text("rival", { opinion: inWords(rival) })),
    make("button", { type: "button", onclick: () => {
      dropRival(answer.item, rival);
      Object.assign(answer, structuredClone(rival));
      changed(answer);
      showOpinion(answer);
      const first = `#scale-${answer.letter}-${page.known.dimensions[0]}`;
      inScale(page.root.querySelector(first)).focus();
    } }, text("rival_use")),
    make("button", { type: "button", class: "quiet", onclick: () => {
      dropRival(answer.item, rival);
      drawRival(answer);
      drawProgress();
    } }, text("rival_drop")));
}

function inWords({ scores, skipped, comment, flags, spans }) {
  const joint = page.language === "zh" ? "、" : ", ";
  const given = page.known.dimensions.filter((dimension) => scores?.[dimension]);
  const parts = skipped ? [text(`skip_${skipped}`)]
    : given.map((dimension) => `${text(dimension)} ${scores[dimension]}`);
  for (const flag of flags) parts.push(text(`flag_${flag}`));
  for (const span of spans) parts.push(`${text("marked")} ${text(`span_${span.kind}`)}`);
  if (comment) parts.push(`${text("comment")} “${comment}”`);
  return parts.join(joint);
}

function answerTitle(answer) {
  const { letter } = answer;
  const { answers } = page.question;
  if (!page.state.one_by_one || answers.length === 1) return text("answer", { letter });
  return text("answer_of", { letter, number: answers.indexOf(answer) + 1, total: answers.length });
}

// After a practice answer has been scored: what it should have got, and why.
export function drawFeedback(answer) {
  const place = page.root.querySelector(`#feedback-${answer.letter}`);
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

function drawScale(answer, dimension) {
  const name = `scale-${answer.letter}-${dimension}`;
  // Buttons and no radio buttons: the arrow keys would choose within those.
  const buttons = [1, 2, 3].map((score) => make("button", {
    type: "button", class: `score score-${score}`,
    "aria-pressed": String(isChosen(answer, dimension, score)),
    title: text(`${dimension}_${score}`),
    disabled: page.state.locked,
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
export function inScale(group) {
  return group.querySelector('.score[aria-pressed="true"]') ?? group.querySelector(".score");
}

function drawMore(answer) {
  const open = Boolean(answer.comment || answer.flags.length || answer.skipped
    || answer.spans.length);
  const comment = make("textarea", {
    rows: 2, maxlength: 4000, id: `comment-${answer.letter}`, readonly: page.state.locked,
    oninput: () => {
      answer.comment = comment.value;
      changed(answer, { typing: true });
      const most = comment.maxLength;
      if (comment.value.length >= most) hint(answer, text("comment_full", { most }));
    },
    onblur: () => { if (answer.timer) post(answer); },
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
      for (const dimension of page.known.dimensions) press(answer, dimension);
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
        redrawText(answer);
        changed(answer);
      } }, text("unmark"))),
    make("label", { class: "field", for: `comment-${answer.letter}` }, text("comment")), comment,
    make("label", { class: "field", for: `skip-${answer.letter}` }, text("skip")), skip);
}
