// What this browser keeps until the server has it: drafts, what waits to be sent, rivals.
//
// All tabs of a rater share it, so that each touches only the entries of the item it is about.

import { foundation, holdsSomething, opinionOf, sameOpinion } from "./answers.js";
import { newKey, page } from "./page.js";

export const tab = newKey("tab"); // whose draft it is, of several tabs

const memory = {}; // what this browser's storage did not take, while the page lives

export const storage = {
  name: (kind) => `medchat-${kind}-${page.state.store}`,
  // Objects by item, whatever else may stand there.
  read(kind) {
    try {
      const raw = memory[this.name(kind)] ?? localStorage.getItem(this.name(kind)) ?? "{}";
      const found = Object.entries(JSON.parse(raw));
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
  // Where there is no room, at least nothing older of `item` is left behind.
  write(kind, content, item) {
    const name = this.name(kind);
    try {
      put(name, content);
      delete memory[name];
      page.kept = Object.keys(memory).length === 0;
    } catch {
      memory[name] = JSON.stringify(content);
      page.kept = false;
      try {
        put(name, Object.fromEntries(Object.entries(content).filter(([each]) => each !== item)));
      } catch {
        // A browser without storage still saves; only a reload would lose what was not sent.
      }
    }
  },
};

function put(name, content) {
  if (Object.keys(content).length) localStorage.setItem(name, JSON.stringify(content));
  else localStorage.removeItem(name);
}

export function keepDraft(answer) {
  const drafts = storage.read("drafts");
  const { item } = answer;
  const { place } = page.question;
  keepOther(item, drafts[item], answer); // another tab's draft is not lost
  // What the draft was made upon: where another device has saved since, that is newer.
  const keys = page.outbox[item]?.keys ?? [];
  drafts[item] = { ...opinionOf(answer), ...foundation(answer), keys, place, tab };
  answer.draft = structuredClone(opinionOf(answer));
  storage.write("drafts", drafts, item);
  page.unsaved[item] = place;
}

// A draft of another tab that this page has never shown, before it is written over.
export function keepOther(item, draft, answer) {
  if (!draft || draft.tab === tab || !holdsSomething(draft)) return;
  const known = answer && (sameOpinion(draft, answer)
    || (answer.draft && sameOpinion(draft, answer.draft)));
  if (!known) keepRival(item, opinionOf(draft), draft.place);
}

export function dropDraft(item) {
  delete page.unsaved[item];
  const drafts = storage.read("drafts");
  delete drafts[item];
  storage.write("drafts", drafts, item);
}

// Other tabs keep theirs in the same place: only this item is touched.
export function keepWaiting(item, entry) {
  const waiting = storage.read("outbox");
  waiting[item] = entry;
  storage.write("outbox", waiting, item);
}

export function dropWaiting(item, entry) {
  const waiting = storage.read("outbox");
  if (waiting[item]?.body.key !== entry.body.key) return;
  delete waiting[item];
  storage.write("outbox", waiting, item);
}

// What was given before something that was saved elsewhere: kept until the rater has decided.
export function keepRival(item, opinion, place) {
  const rivals = storage.read("rivals");
  const kept = rivals[item]?.opinions ?? [];
  if (kept.some((each) => sameOpinion(each, opinion))) return;
  rivals[item] = { opinions: [...kept, opinion], place };
  storage.write("rivals", rivals, item);
}

export function rivalOf(item) {
  return storage.read("rivals")[item]?.opinions?.[0];
}

// The one that the rater has decided about; the next one, if any, is asked about then.
export function dropRival(item, opinion) {
  const rivals = storage.read("rivals");
  const left = (rivals[item]?.opinions ?? []).filter((each) => !sameOpinion(each, opinion));
  if (left.length) rivals[item].opinions = left;
  else delete rivals[item];
  storage.write("rivals", rivals, item);
}
