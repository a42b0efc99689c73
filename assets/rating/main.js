// The rating page: shows one question with its answers, and sees every score to the disk.
//
// Whatever a rater enters is kept in this browser until the server has said that it is saved; what
// could not be sent is sent again, under the same key, until it could. Nothing here knows a model.

import { flush, lookAgain, send } from "./answers.js";
import { attach, root } from "./elements.js";
import { showEntry, showProfile } from "./entry.js";
import { start } from "./going.js";
import { onKey } from "./keys.js";
import { announce, retract } from "./messages.js";
import { page, stay, views } from "./page.js";
import { drawAllStates, drawProgress } from "./progress.js";
import {
  drawQuestion, showAnswer, showHeld, showLock, showNothing, showTop,
} from "./question.js";
import { note, tick } from "./time.js";

const LOOK_MS = 60000; // how often a page that lies open asks whether the study is locked
const AWAY_MS = 4000; // without a sign of life somebody may have been elsewhere

function signOfLife(event) {
  if (note() > AWAY_MS) lookAgain(); // another device may have been used meanwhile
  // Into a field of the question that is shown: its keys are meant for that.
  const field = "input, textarea, select, button";
  const inside = event?.type === "focusin" || event?.type === "pointerdown"
    ? event.target.closest?.(".answers")?.contains(event.target.closest(field)) : false;
  if (inside && !page.held) stay();
}

Object.assign(views, {
  changed: showAnswer,
  progressed() {
    drawAllStates();
    drawProgress();
  },
  opened: drawQuestion,
  placed: showTop,
  held: showHeld,
  locked: showLock,
  announced: announce,
  retracted: retract,
  entered: showEntry,
  asked: showProfile,
  emptied: showNothing,
  confirmed: (message) => confirm(message),
});

function begin(element) {
  attach(element);
  page.known = JSON.parse(root.dataset.known);
  page.language = page.known.language;
  document.addEventListener("keydown", onKey);
  for (const sign of ["keydown", "pointermove", "pointerdown", "scroll", "touchstart",
    "focusin"]) {
    document.addEventListener(sign, signOfLife, { passive: true, capture: true });
  }
  document.addEventListener("visibilitychange", () => {
    tick();
    if (document.visibilityState === "hidden") flush();
    else if (page.state && page.question) {
      send(); // signed in again in another tab, perhaps
      lookAgain();
    }
  });
  window.addEventListener("pagehide", () => flush());
  window.addEventListener("beforeunload", (event) => {
    // Something would be lost: the browser asks.
    if (page.outbox && !page.outbox.store.isSafe) event.preventDefault();
  });
  window.addEventListener("online", () => { if (page.outbox) send(); });
  setInterval(() => { lookAgain(); if (page.question) send(); }, LOOK_MS);
  start();
}

// Gradio draws the page after this has been read.
function wait() {
  const element = document.querySelector("#rating[data-known]");
  if (element) begin(element);
  else requestAnimationFrame(wait);
}

wait();
