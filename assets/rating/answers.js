// An answer as this page holds it: what the server has of it, and what was kept here.

import { dropDraft, dropWaiting, keepRival, rivalOf, storage, tab } from "./keeping.js";
import { page, text } from "./page.js";
import { showOpinion } from "./question.js";

const CLOCKS_MS = 2000; // how far two clocks may be apart

export function opinionOf(answer) {
  const { scores, skipped, comment, flags, spans, seconds } = answer;
  return { scores, skipped, comment, flags, spans, seconds };
}

export function sameOpinion(one, other) {
  const plain = ({ scores, skipped, comment, flags, spans }) => JSON.stringify(
    [page.known.dimensions.map((dimension) => scores?.[dimension] ?? 0), skipped, comment, flags,
      spans]);
  return plain(one) === plain(other);
}

// What an opinion was made upon, and when, by the server's clock.
export function foundation(answer) {
  return { base: answer.saved_at ?? "", made: Date.now() + page.ahead };
}

// Whether what is saved came after what was made; two clocks may be apart. What this browser has
// itself sent before is never newer, whenever it arrived.
export function isOlder({ made, keys }, { saved_at: savedAt, key }) {
  if (keys?.includes(key)) return false;
  return !made || made + CLOCKS_MS < Date.parse(savedAt);
}

export function adopt(answer, theirs) {
  const { scores, skipped, comment, flags, spans, key, saved_at: savedAt } = theirs;
  Object.assign(answer, { scores: scores ?? {}, skipped, comment, flags, spans, key,
    saved_at: savedAt, savedAt, state: theirs.state, feedback: theirs.feedback });
  answer.seconds = theirs.active_seconds ?? 0;
  answer.saved = answer.state !== "open";
  answer.problem = "";
  showOpinion(answer);
}

export function prepare(answer) {
  answer.scores = answer.scores ?? {};
  answer.seconds = answer.active_seconds ?? 0;
  answer.feedback = page.settled[answer.item]?.feedback ?? answer.feedback;
  const done = page.settled[answer.item];
  if (done && (answer.saved_at ?? "") < done.savedAt) {
    // The question was fetched just before this was saved.
    Object.assign(answer, done.opinion, { saved_at: done.savedAt, state: "rated" });
  }
  // Another tab may be about to send it: under its key it is written once.
  page.outbox[answer.item] ??= storage.read("outbox")[answer.item];
  const waiting = page.outbox[answer.item];
  if (!waiting) delete page.outbox[answer.item];
  else if (waiting.body.base !== undefined && waiting.body.base !== (answer.saved_at ?? "")
    && answer.item !== page.underWay && isOlder(waiting, answer)) {
    delete page.outbox[answer.item];
    dropWaiting(answer.item, waiting);
    dropDraft(answer.item);
    if (!sameOpinion(waiting.opinion, answer)) {
      keepRival(answer.item, waiting.opinion, page.question.place);
    }
  }
  const kept = page.outbox[answer.item]?.opinion ?? draftOf(answer);
  if (kept) {
    Object.assign(answer, kept);
    const drafts = storage.read("drafts");
    if (drafts[answer.item]) drafts[answer.item].tab = tab; // what is shown is this tab's now
    storage.write("drafts", drafts);
  }
  answer.kept = Boolean(kept);
  answer.refused = false;
  if (kept && page.state.locked) refuse(answer, text("locked"));
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
