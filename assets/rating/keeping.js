// What this browser keeps until the server has it: drafts, what waits to be sent, rivals.
//
// All tabs of a rater share it, so that each touches only the entries of the item it is about.

import { foundation, opinionOf, sameOpinion } from "./answers.js";
import { newKey, page } from "./page.js";

export const tab = newKey("tab"); // whose draft it is, of several tabs

export const storage = {
  name: (kind) => `medchat-${kind}-${page.state.store}`,
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

export function keepDraft(answer) {
  const drafts = storage.read("drafts");
  const { place } = page.question;
  const others = drafts[answer.item];
  if (others && others.tab !== tab && others.comment && others.comment !== answer.comment) {
    keepRival(answer.item, opinionOf(others), place); // another tab's text is not lost
  }
  // What the draft was made upon: where another device has saved since, that is newer.
  drafts[answer.item] = { ...opinionOf(answer), ...foundation(answer), place, tab };
  storage.write("drafts", drafts);
  page.unsaved[answer.item] = place;
}

export function dropDraft(item) {
  delete page.unsaved[item];
  const drafts = storage.read("drafts");
  delete drafts[item];
  storage.write("drafts", drafts);
}

// Other tabs keep theirs in the same place: only this item is touched.
export function keepWaiting(item, entry) {
  const waiting = storage.read("outbox");
  waiting[item] = entry;
  storage.write("outbox", waiting);
}

export function dropWaiting(item, entry) {
  const waiting = storage.read("outbox");
  if (waiting[item]?.body.key !== entry.body.key) return;
  delete waiting[item];
  storage.write("outbox", waiting);
}

// What was given before something that was saved elsewhere: kept until the rater has decided.
export function keepRival(item, opinion, place) {
  const rivals = storage.read("rivals");
  const kept = rivals[item]?.opinions ?? [];
  if (kept.some((each) => sameOpinion(each, opinion))) return;
  rivals[item] = { opinions: [...kept, opinion], place };
  storage.write("rivals", rivals);
}

export function rivalOf(item) {
  return storage.read("rivals")[item]?.opinions?.[0];
}

// The one that the rater has decided about; the next one, if any, is asked about then.
export function dropRival(item) {
  const rivals = storage.read("rivals");
  rivals[item]?.opinions.shift();
  if (!rivals[item]?.opinions.length) delete rivals[item];
  storage.write("rivals", rivals);
}
