// The answers of the open question as the page shows them, and what the rater does to them.
//
// An answer has the opinion that is shown, the `base` that it was made upon, and what the page has
// `seen` of it before the rater's next change.

import { complete, opinionOf, same, withValue } from "./opinion.js";
import { Outbox } from "./outbox.js";
import { newKey, page, stay, text, TYPING_MS, views } from "./page.js";
import { ask, pause } from "./server.js";
import { Store } from "./store.js";
import { takeSeconds } from "./time.js";
import { decide, enter, isAsked, isUnsent } from "./work.js";

const typing = new Map(); // item -> the timer of a comment that is being typed

// For the rater whose list has come.
export function openOutbox() {
  page.outbox = new Outbox({
    store: new Store(page.state.store, () => localStorage),
    trial: page.state.trial, ask, pause, newKey, events: { saved, stopped, refused, failed },
  });
  page.outbox.paused = (item) => page.state.locked || typing.has(item);
}

export async function send() {
  await page.outbox.send();
  if (page.question?.answers.some(isTakenOver)) lookAgain();
  views.progressed();
}

// What is shown as unsent has been sent by another tab, and this page is yet to learn of it.
function isTakenOver({ item, seen, base }) {
  return !page.outbox.work(item) && !page.outbox.problems.has(item) && !same(seen, base.opinion);
}

// -- what the server says --

// A question has been fetched; `baseKeys` are from before.
export function prepare(question, baseKeys) {
  for (const answer of question.answers) {
    page.outbox.learn(answer.item, question.place, answer, baseKeys);
    fill(answer);
  }
}

function fill(answer) {
  const { item } = answer;
  const base = page.outbox.base(item);
  const opinion = page.outbox.work(item)?.mine ?? base.opinion;
  Object.assign(answer, opinionOf(opinion), { base, seen: opinionOf(opinion),
    feedback: base.feedback });
}

function answerOf(item) {
  return page.question?.answers.find((answer) => answer.item === item);
}

function refresh(item) {
  const answer = answerOf(item);
  if (!answer) return;
  fill(answer);
  views.changed(item);
}

function saved(item, place) {
  views.retracted(page.over);
  refresh(item);
  if (!answerOf(item) && isOpen(item)) {
    views.announced(text("asked_elsewhere", { place: placeName(place) }), { about: place });
  }
  views.progressed();
}

function isOpen(item) {
  const work = page.outbox.work(item);
  return work && isAsked(work);
}

function stopped(error) {
  page.over = error.code === "no_session" ? text("session_over") : error.message;
  views.announced(page.over);
}

function failed() {
  views.progressed();
}

function refused(item, place, { code, message }) {
  if (answerOf(item)) views.changed(item);
  else if (page.question) {
    const key = code === "rating_not_allowed" ? "not_saved_left" : "not_saved_elsewhere";
    views.announced(text(key, { place: placeName(place), error: message }), { about: place });
  }
  if (code === "study_locked") setLocked(true);
}

// The study may be locked, or opened again, while its page lies open.
function setLocked(locked) {
  if (page.state.locked === locked) return;
  page.state.locked = locked;
  page.outbox.problems.clear();
  if (page.question) {
    views.locked();
    views.progressed();
  }
  send(); // what the lock had refused
}

// What may have changed elsewhere while this page lay open: the lock, and the rater's own scores.
export async function lookAgain() {
  if (!page.question || page.held || document.visibilityState !== "visible") return;
  const { place } = page.question;
  const baseKeys = page.outbox.baseKeys();
  try {
    const { locked, answers } = await ask(`state/${place}`);
    if (page.question?.place !== place) return;
    for (const theirs of answers) {
      if (typing.has(theirs.item)) continue;
      page.outbox.learn(theirs.item, place, theirs, baseKeys);
      refresh(theirs.item);
    }
    setLocked(locked);
    if (!page.outbox.isEmpty) send();
  } catch (error) {
    if (error.code === "another_rater") views.announced(error.message);
    // Whatever else is wrong, the next thing that the rater does says so.
  }
}

// -- what the rater does --

// The answer has been changed on screen.
export function changed(answer, { isTyping = false } = {}) {
  if (page.state.locked) return;
  stay();
  const { item, base, seen } = answer;
  answer.seconds += takeSeconds();
  page.outbox.problems.delete(item);
  const work = page.outbox.workUpon(item, base, seen, page.question.place);
  page.outbox.keep(item, enter(work, base, seen, opinionOf(answer)));
  refresh(item);
  clearTimeout(typing.get(item));
  typing.delete(item);
  if (isTyping) typing.set(item, setTimeout(() => flush(item), TYPING_MS));
  else send();
}

// What was typed a moment ago goes now.
export function flush(item) {
  for (const typed of item ? [item] : [...typing.keys()]) {
    clearTimeout(typing.get(typed));
    typing.delete(typed);
  }
  if (page.outbox) send();
}

// The rater has chosen, of each field that was entered differently in two places, a value among
// those `offered`.
export function settle(answer, choices) {
  const { item } = answer;
  for (const { name, value, offered } of choices) {
    const work = page.outbox.work(item);
    const rejected = offered.filter((other) => other !== value);
    if (work) page.outbox.keep(item, decide(work, name, rejected));
    Object.assign(answer, withValue(answer, name, value));
  }
  changed(answer);
}

// -- how far it is --

export function askedOf({ item }) {
  return page.outbox.work(item)?.asked ?? {};
}

export function problemOf({ item }) {
  const work = page.outbox.work(item);
  if (page.state.locked && work && isUnsent(work)) return text("locked");
  return page.outbox.problems.get(item) ?? "";
}

export function isSaved({ item, base }) {
  const work = page.outbox.work(item);
  return complete(base.opinion) && !(work && isUnsent(work));
}

export function isWaiting({ item }) {
  return page.outbox.isWaiting(item);
}

// Of the list as it is to be shown. What is on its way counts, what was refused does not.
export function stateOf(entry) {
  if (page.question && entry.place === page.question.place) return stateOfOpen();
  return page.undone.has(entry.place) ? "open" : entry.state;
}

export function stateOfOpen() {
  const { answers } = page.question;
  const isDone = (answer) =>
    complete(answer) && !problemOf(answer) && !isOpen(answer.item);
  if (!answers.every(isDone)) return "open";
  return answers.every((answer) => answer.skipped) ? "skipped" : "rated";
}

// The places of which something is not saved yet, or is to be decided, in any tab.
export function undonePlaces() {
  const undone = Object.entries(page.outbox.store.all()).filter(([item, work]) =>
    isAsked(work) || (isUnsent(work) && (page.state.locked || !page.outbox.isWaiting(item, work))));
  return new Set(undone.map(([, { place }]) => place));
}

export function placeName(place) {
  const entries = page.state.questions;
  const number = entries.findIndex((entry) => entry.place === place) + 1;
  const practice = entries.filter((entry) => entry.practice).length;
  if (!number) return "–"; // not on the list any more
  return entries[number - 1].practice ? text("practice_place", { number })
    : String(number - practice);
}
