// An answer as this page holds it: what the server has of it, and what was kept here.

import { dropDraft, dropWaiting, keepRival, rivalOf, storage } from "./keeping.js";
import { page, text } from "./page.js";
import { showOpinion } from "./question.js";

const CLOCKS_MS = 2000; // how far two clocks may be apart

export function opinionOf(answer) {
  const { scores, skipped, comment, flags, spans, seconds } = answer;
  return { scores: scores ?? {}, skipped, comment, flags, spans, seconds };
}

export function sameOpinion(one, other) {
  const plain = ({ scores, skipped, comment, flags, spans }) => JSON.stringify(
    [page.known.dimensions.map((dimension) => scores?.[dimension] ?? 0), skipped, comment, flags,
      spans]);
  return plain(one) === plain(other);
}

export function holdsSomething({ scores, skipped, comment, flags, spans }) {
  return Boolean(Object.keys(scores ?? {}).length || skipped || comment || flags.length
    || spans.length);
}

// What an opinion was made upon (the save's key, and what it said), and when, by this clock: so all
// tabs of a browser can tell which is the newer.
export function foundation(answer) {
  return { base: answer.key ?? "", from: answer.stored, made: Date.now() };
}

// Whether what is saved came after what was made; two clocks may be apart. What this browser has
// itself sent before is never newer, whenever it arrived. Where the server's clock was set back,
// times tell nothing: then what comes last counts.
export function isOlder({ made, keys }, { saved_at: savedAt, key }) {
  if (keys?.includes(key)) return false;
  const saved = Date.parse(savedAt);
  if (saved > Date.now() + page.ahead + CLOCKS_MS) return false;
  return !made || made + page.ahead + CLOCKS_MS < saved;
}

// Two opinions made upon the same one: what `mine` changed of it, and the rest as in `theirs`.
export function merged(from, mine, theirs) {
  if (!from) return mine;
  const differs = (name) => JSON.stringify(mine[name]) !== JSON.stringify(from[name]);
  const scored = page.known.dimensions.filter((each) => mine.scores[each] !== from.scores[each]);
  const result = { ...theirs, seconds: Math.max(mine.seconds ?? 0, theirs.seconds ?? 0) };
  for (const name of ["comment", "flags", "spans"]) {
    if (differs(name)) result[name] = mine[name];
  }
  if (scored.length || differs("skipped")) {
    result.skipped = mine.skipped;
    result.scores = mine.skipped ? {} : { ...theirs.scores };
    for (const each of mine.skipped ? [] : scored) result.scores[each] = mine.scores[each];
  }
  return complete(result) ? result : mine;
}

// The server's word on an answer, in place of what was shown.
export function adopt(answer, theirs) {
  const { key, saved_at: savedAt, state, feedback } = theirs;
  Object.assign(answer, said(theirs), { key, saved_at: savedAt, savedAt, state, feedback });
  answer.stored = structuredClone(opinionOf(answer));
  answer.saved = answer.state !== "open";
  answer.problem = "";
  showOpinion(answer);
}

// An opinion as the server tells it.
export function said(theirs) {
  return opinionOf({ ...theirs, seconds: theirs.active_seconds ?? 0 });
}

// `since`: when the question was asked for.
export function prepare(answer, since) {
  Object.assign(answer, said(answer));
  const done = page.settled[answer.item];
  answer.feedback = done?.feedback ?? answer.feedback;
  if (done?.at > since) {
    // The question was fetched just before this was saved.
    Object.assign(answer, done.opinion, { key: done.key, saved_at: done.savedAt, state: "rated" });
  }
  answer.stored = structuredClone(opinionOf(answer));
  const kept = waitingOf(answer);
  if (kept) Object.assign(answer, kept);
  answer.kept = Boolean(kept);
  answer.refused = false;
  if (kept && page.state.locked) refuse(answer, text("locked"));
  answer.saved = answer.state !== "open" && !kept;
  answer.savedAt = answer.saved_at;
}

// What this browser holds of an answer that is not saved yet: the newer of what waits to be sent
// and of the draft.
function waitingOf(answer) {
  const { item } = answer;
  // Another tab may be about to send it: under its key it is written once.
  page.outbox[item] ??= storage.read("outbox")[item];
  let waiting = page.outbox[item];
  if (!waiting) delete page.outbox[item];
  else if (waiting.body.base !== undefined && waiting.body.base !== (answer.key ?? "")
    && item !== page.underWay && isOlder(waiting, answer)) {
    delete page.outbox[item];
    dropWaiting(item, waiting);
    if (!sameOpinion(waiting.opinion, answer)) {
      keepRival(item, waiting.opinion, page.question.place);
    }
    waiting = null;
  }
  const draft = draftOf(answer);
  if (draft) answer.draft = structuredClone(opinionOf(draft));
  const newer = draft && (!waiting || draft.made > waiting.made);
  return newer ? opinionOf(draft) : waiting?.opinion;
}

// What this browser kept of an answer. Where something was saved elsewhere since, that is shown,
// and the rater is asked about a draft that could have been saved.
function draftOf(answer) {
  const draft = storage.read("drafts")[answer.item];
  if (!draft) return null;
  const { base, keys, place } = draft;
  if (base === undefined || base === (answer.key ?? "") || keys?.includes(answer.key)
    || (complete(draft) && !isOlder(draft, answer))) {
    return draft;
  }
  dropDraft(answer.item);
  if (holdsSomething(draft) && !sameOpinion(draft, answer)) {
    keepRival(answer.item, opinionOf(draft), place);
  }
  return null;
}

export function refuse(answer, message) {
  answer.refused = true;
  answer.problem = message;
}

export function missing(answer) {
  return page.known.dimensions.filter((dimension) => !answer.scores?.[dimension]);
}

export function complete(answer) {
  return Boolean(answer.skipped) || missing(answer).length === 0;
}

// Of the list as it is to be shown. What is on its way counts, what was refused does not.
export function stateOf(entry) {
  if (page.question && entry.place === page.question.place) return stateOfOpen();
  const undone = Object.keys(page.unsaved).some((item) =>
    page.unsaved[item] === entry.place && !page.outbox[item])
    || Object.values(storage.read("rivals")).some((rival) => rival.place === entry.place);
  return undone ? "open" : entry.state;
}

export function stateOfOpen() {
  const { answers } = page.question;
  const done = (answer) => complete(answer) && !answer.refused && !rivalOf(answer.item);
  if (!answers.every(done)) return "open";
  return answers.every((answer) => answer.skipped) ? "skipped" : "rated";
}
