// Sends what is ready until the server has answered, one save at a time, and brings what is kept
// here up to date with what the server says is saved.
//
// Knows no page: `ask(path, body)` reaches the server, `pause(milliseconds)` waits, `events` hear
// what has become of a save.

import { same } from "./opinion.js";
import { baseOf, begin, isReady, isSettled, isStale, rebase, withSave } from "./work.js";

export const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const STOPPED = ["no_session", "another_rater", "link_expired", "link_revoked"];

export class Outbox {
  failures = 0; // saves in a row that got no answer
  stopped = false; // the server knows this browser no more
  problems = new Map(); // item -> why the server will not have it
  paused = () => false; // (item): not now
  #bases = new Map(); // item -> what the server is known to have saved
  #sent = new Map(); // item -> what went from this page upon that base
  #sending = false;

  constructor({ store, ask, pause, newKey, trial = false, events }) {
    Object.assign(this, { store, ask, pause, newKey, trial, events });
  }

  work(item) {
    return this.store.read(item);
  }

  base(item) {
    return this.work(item)?.base ?? this.#bases.get(item);
  }

  // The work for the rater to go on with, on a page that showed `seen` upon `base`. Another tab may
  // have sent that, or heard the answer to what this page has sent, which the page is yet to learn.
  workUpon(item, base, seen, place) {
    const bySomeTab = same(seen, base.opinion) ? [] : [{ key: "", opinion: seen }];
    const sent = [...(this.#sent.get(item) ?? []), ...bySomeTab];
    return this.work(item) ?? { ...begin(base, place), mine: seen, sent };
  }

  // The keys of all bases, for `learn`: to be taken before the server is asked.
  baseKeys() {
    const works = Object.entries(this.store.all()).map(([item, { base }]) => [item, base]);
    return new Map([...this.#bases, ...works].map(([item, { key }]) => [item, key]));
  }

  // The server has answered what is saved of an item; `baseKeys` are from before it was asked.
  learn(item, place, theirs, baseKeys) {
    const saved = baseOf(theirs);
    const work = this.work(item) ?? begin(this.#bases.get(item) ?? saved, place);
    if (this.trial) this.#bases.set(item, work.base); // a dry run's server keeps nothing
    else if (!isStale(work.base, saved, baseKeys.get(item))) this.keep(item, rebase(work, saved));
  }

  // What is settled needs no keeping.
  keep(item, work) {
    this.#bases.set(item, work.base);
    this.#sent.set(item, work.sent);
    this.store.write(item, isSettled(work) ? undefined : work);
  }

  isWaiting(item, work = this.work(item)) {
    return Boolean(work) && isReady(work) && !this.problems.has(item);
  }

  get isEmpty() {
    return !Object.entries(this.store.all()).some(([item, work]) => this.isWaiting(item, work));
  }

  async send() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let item = this.#next(); item; item = this.#next()) {
        if (!(await this.#deliver(item))) break;
      }
    } finally {
      this.#sending = false;
    }
  }

  #next() {
    const ready = Object.entries(this.store.all()).find(([item, work]) =>
      this.isWaiting(item, work) && !this.paused(item));
    return ready?.[0];
  }

  // False where nothing more can be sent for now.
  async #deliver(item) {
    const { work, save } = withSave(this.work(item), this.newKey(item));
    const baseKeys = new Map([[item, work.base.key]]);
    this.keep(item, work); // before it goes: after a crash its key must be known
    try {
      const reply = await this.ask("save", bodyOf(item, work.base.key, save));
      this.#answered();
      if (this.trial) this.#settleTrial(item, save, reply);
      else this.learn(item, work.place, reply.answer, baseKeys);
      this.events.saved(item, work.place);
    } catch (error) {
      if (error.code === "newer_saved") {
        this.#answered();
        this.learn(item, work.place, error.answer, baseKeys);
        this.events.saved(item, work.place);
      } else if (error.status === 401 || STOPPED.includes(error.code)) {
        this.stopped = true;
        this.events.stopped(error);
        return false;
      } else if (error.status < 500) {
        this.#answered();
        this.problems.set(item, error.message);
        if (error.code === "rating_not_allowed") this.store.write(item); // another rater's by now
        this.events.refused(item, work.place, error);
      } else {
        this.failures += 1;
        this.events.failed();
        await this.pause(RETRY_MS[Math.min(this.failures - 1, RETRY_MS.length - 1)]);
      }
    }
    return true;
  }

  #answered() {
    this.failures = 0;
    this.stopped = false;
  }

  #settleTrial(item, { opinion }, reply) {
    const work = this.work(item);
    if (!work) return;
    const base = { ...work.base, opinion, savedAt: reply.saved_at, feedback: reply.feedback };
    this.keep(item, { ...work, base, sent: [] });
  }
}

function bodyOf(item, base, { key, opinion }) {
  const { scores, skipped, comment, flags, spans, seconds } = opinion;
  return { item, key, base, scores: skipped ? null : scores, skipped, comment, flags, spans,
    active_seconds: Math.round(seconds * 10) / 10 };
}
