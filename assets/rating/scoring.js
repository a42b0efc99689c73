// Scores by click or key, and which scale a key means.

import { missing } from "./answers.js";
import { page } from "./page.js";
import { inScale, press } from "./question.js";
import { drawProgress } from "./progress.js";
import { changed, lookAgain } from "./saving.js";

export function choose(answer, dimension, score) {
  if (page.state.locked || page.held) return;
  const same = answer.scores[dimension] === score && !answer.skipped;
  if (same && (answer.saved || page.outbox[answer.item])) {
    lookAgain(); // a second click says nothing new, unless another device has changed it
    return;
  }
  answer.scores = { ...answer.scores, [dimension]: score };
  answer.skipped = "";
  const select = page.root.querySelector(`#skip-${answer.letter}`);
  if (select) select.value = "";
  for (const each of page.known.dimensions) press(answer, each);
  changed(answer);
}

function scales() {
  return page.question.answers.flatMap((answer) =>
    page.known.dimensions.map((dimension) => ({ answer, dimension })));
}

export function setCurrent(answer, dimension, { focus }) {
  page.current = { answer, dimension };
  if (page.state.one_by_one) {
    showAlone(answer);
    drawProgress(); // whether there is a next one
  }
  for (const group of page.root.querySelectorAll(".scale")) group.classList.remove("current");
  const group = page.root.querySelector(`#scale-${answer.letter}-${dimension}`);
  group.classList.add("current");
  if (focus) {
    inScale(group).focus();
    group.scrollIntoView({ block: "nearest" });
  }
}

// Whether a digit scores something: of the answer in whose card the focus is, if it is in one.
export function aim(target) {
  const card = target.closest(".answer");
  const answer = page.question.answers.find((each) => card?.id === `answer-${each.letter}`);
  if (!answer || answer === page.current.answer) return !page.current.done;
  const [next] = missing(answer);
  if (next) setCurrent(answer, next, { focus: false });
  return Boolean(next);
}

function showAlone(answer) {
  for (const other of page.question.answers) {
    page.root.querySelector(`#answer-${other.letter}`).hidden = other !== answer;
  }
}

// One answer at a time: to the answer before or after; false at either end.
export function stepAnswer(by) {
  if (!page.state.one_by_one) return false;
  const next = page.question.answers[page.question.answers.indexOf(page.current.answer) + by];
  if (!next) return false;
  setCurrent(next, missing(next)[0] ?? page.known.dimensions[0], { focus: false });
  inScale(page.root.querySelector(`#answer-${next.letter} .scale.current`)).focus();
  return true;
}

export function moveScale(by) {
  const all = scales();
  const at = all.findIndex((each) => each.answer === page.current.answer
    && each.dimension === page.current.dimension);
  const next = page.current.done && by < 0 ? page.current
    : all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!page.current.done || by < 0) setCurrent(next.answer, next.dimension, { focus: true });
}

// Scored with a key: on to the next scale. Behind the last one a key scores nothing more.
export function goOn() {
  const { answer, dimension } = scales().at(-1);
  if (answer !== page.current.answer || dimension !== page.current.dimension) return moveScale(1);
  page.current.done = true;
  page.root.querySelector(`#scale-${answer.letter}-${dimension}`).classList.remove("current");
  const next = page.root.querySelector("#rating-next:enabled")
    ?? page.root.querySelector("#rating-next-unrated");
  next.focus({ preventScroll: true });
}
