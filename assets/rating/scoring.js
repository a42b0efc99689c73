// Scores by click or key, and which scale a key means.

import { changed, isSaved, isWaiting, lookAgain } from "./answers.js";
import { make, root } from "./elements.js";
import { stepQuestion } from "./going.js";
import { DIMENSIONS, missing } from "./opinion.js";
import { page, text } from "./page.js";
import { drawProgress } from "./progress.js";


export function drawScale(answer, dimension) {
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

// What is skipped counts no scores, though they come back when it is skipped no longer.
function isChosen(answer, dimension, score) {
  return !answer.skipped && answer.scores[dimension] === score;
}

export function press(answer, dimension) {
  const group = root.querySelector(`#scale-${answer.letter}-${dimension}`);
  for (const button of group.querySelectorAll(".score")) {
    const score = Number(button.dataset.score);
    button.setAttribute("aria-pressed", String(isChosen(answer, dimension, score)));
  }
}

export function choose(answer, dimension, score) {
  if (page.state.locked || page.held) return;
  const same = answer.scores[dimension] === score && !answer.skipped;
  if (same && (isSaved(answer) || isWaiting(answer))) {
    lookAgain(); // a second click says nothing new, unless another device has changed it
    return;
  }
  answer.scores = { ...answer.scores, [dimension]: score };
  answer.skipped = "";
  changed(answer);
}

function scales() {
  return page.question.answers.flatMap((answer) =>
    DIMENSIONS.map((dimension) => ({ answer, dimension })));
}

export function setCurrent(answer, dimension, { focus }) {
  page.current = { answer, dimension };
  if (page.state.one_by_one) {
    showAlone(answer);
    drawProgress(); // whether there is a next one
  }
  for (const group of root.querySelectorAll(".scale")) group.classList.remove("current");
  const group = root.querySelector(`#scale-${answer.letter}-${dimension}`);
  group.classList.add("current");
  if (focus) {
    inScale(group).focus();
    group.scrollIntoView({ block: "nearest" });
  }
}

// Whether a digit scores something: of the answer in whose card the focus is, if it is in one.
export function aim(target) {
  const card = target.closest(".answer");
  const answer = page.question.answers.find(({ letter }) => card?.id === `answer-${letter}`);
  if (!answer || answer === page.current.answer) return !page.current.done;
  const [next] = missing(answer);
  if (next) setCurrent(answer, next, { focus: false });
  return Boolean(next);
}

function showAlone(answer) {
  for (const other of page.question.answers) {
    root.querySelector(`#answer-${other.letter}`).hidden = other !== answer;
  }
}

// To the answer, or the question, before or after.
export function step(by) {
  if (!page.held && stepAnswer(by)) return;
  stepQuestion(by);
}

// One answer at a time: to the answer before or after; false at either end.
function stepAnswer(by) {
  if (!page.state.one_by_one) return false;
  const next = page.question.answers[page.question.answers.indexOf(page.current.answer) + by];
  if (!next) return false;
  setCurrent(next, missing(next)[0] ?? DIMENSIONS[0], { focus: false });
  inScale(root.querySelector(`#answer-${next.letter} .scale.current`)).focus();
  return true;
}

export function moveScale(by) {
  const all = scales();
  const at = all.findIndex(({ answer, dimension }) =>
    answer === page.current.answer && dimension === page.current.dimension);
  const next = page.current.done && by < 0 ? page.current
    : all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!page.current.done || by < 0) setCurrent(next.answer, next.dimension, { focus: true });
}

// Scored with a key: on to the next scale. Behind the last one a key scores nothing more.
export function goOn() {
  const { answer, dimension } = scales().at(-1);
  if (answer !== page.current.answer || dimension !== page.current.dimension) return moveScale(1);
  page.current.done = true;
  root.querySelector(`#scale-${answer.letter}-${dimension}`).classList.remove("current");
  const next = root.querySelector("#rating-next:enabled")
    ?? root.querySelector("#rating-next-unrated");
  next.focus({ preventScroll: true });
}
