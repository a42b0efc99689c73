// What this browser keeps of a rater's work until the server has it, item by item.
//
// All tabs of a rater share it, so that each write touches only one item. Where there is no room,
// or no storage at all, the page's memory holds it while it lives.

import { baseOf, begin, fromEarlier, withEarlierQuestions } from "./work.js";

export class Store {
  #owner;
  #storage;
  #memory = {};

  // `storage` gives what localStorage is here, or throws.
  constructor(owner, storage) {
    this.#owner = owner;
    this.#storage = storage;
    this.#takeOver();
  }

  // Everything that is still this browser's alone: item -> work.
  all() {
    const entries = Object.entries({ ...this.#stored("work"), ...this.#memory });
    return Object.fromEntries(entries.filter(([, work]) => isWhole(work)));
  }

  read(item) {
    return this.all()[item];
  }

  // Undefined takes it away. Where there is no room, at least nothing older of it stays.
  write(item, work) {
    const rest = this.#stored("work");
    delete rest[item];
    delete this.#memory[item];
    if (this.#put("work", work ? { ...rest, [item]: work } : rest)) return;
    this.#put("work", rest);
    if (work) this.#memory[item] = work;
  }

  // Whether the page may be closed without a loss.
  get isSafe() {
    return Object.keys(this.#memory).length === 0;
  }

  get guideSeen() {
    return Boolean(this.#stored("guide").seen);
  }

  noteGuideSeen() {
    this.#put("guide", { seen: true });
  }

  #name(kind) {
    return `medchat-${kind}-${this.#owner}`;
  }

  #stored(kind) {
    try {
      const stored = JSON.parse(this.#storage().getItem(this.#name(kind)) ?? "{}");
      return stored && typeof stored === "object" && !Array.isArray(stored) ? stored : {};
    } catch {
      return {};
    }
  }

  #put(kind, content) {
    try {
      if (Object.keys(content).length) {
        this.#storage().setItem(this.#name(kind), JSON.stringify(content));
      } else {
        this.#storage().removeItem(this.#name(kind));
      }
      return true;
    } catch {
      return false;
    }
  }

  // Pages of earlier versions kept drafts, waiting saves and rival opinions apart.
  #takeOver() {
    const [waiting, drafts, rivals] = ["outbox", "drafts", "rivals"].map((kind) =>
      this.#stored(kind));
    for (const item of Object.keys({ ...waiting, ...drafts, ...rivals })) {
      this.#takeOverItem(item, waiting[item], drafts[item], rivals[item]);
    }
    if (this.isSafe) for (const kind of ["outbox", "drafts", "rivals"]) this.#put(kind, {});
  }

  #takeOverItem(item, waiting, draft, rival) {
    const wholeWaiting = waiting?.body?.key && isOpinion(waiting.opinion) ? waiting : null;
    const wholeDraft = isOpinion(draft?.opinion) ? draft : null;
    const opinions = (Array.isArray(rival?.opinions) ? rival.opinions : []).filter(isOpinion);
    let work = this.read(item);
    if (wholeDraft || wholeWaiting) {
      const newest = wholeDraft ?? { ...wholeWaiting, base: wholeWaiting.body.base };
      if (work) opinions.push(newest.opinion);
      else work = fromEarlier(newest, wholeWaiting);
      if (wholeWaiting && wholeDraft) opinions.push(wholeWaiting.opinion);
    }
    if (!work && !opinions.length) return;
    work ??= begin(baseOf({}), rival.place);
    this.write(item, withEarlierQuestions(work, opinions));
  }
}

function isOpinion(opinion) {
  return Array.isArray(opinion?.flags) && Array.isArray(opinion.spans);
}

function isWhole(work) {
  return isOpinion(work?.mine) && isOpinion(work.base?.opinion) && Array.isArray(work.sent)
    && Array.isArray(work.base.keys) && typeof work.asked === "object" && work.asked !== null;
}
