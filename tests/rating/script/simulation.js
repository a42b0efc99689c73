// Interleavings of what two devices with two tabs each may meet, drawn from a seed: the pure parts
// of the rating page's script against a model of the server.
//
// A rater enters values that are all different ("c17"), so that each can be followed. Checked are:
// what the rater entered is saved, or was replaced by the rater on a page that showed it, or is
// still asked about; nothing is stored twice; all devices end with what the server has; and who is
// the only one to enter anything is asked nothing.

export function draw(seed) {
  let state = seed >>> 0;
  const next = () => { // mulberry32
    state = (state + 0x6D2B79F5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return { below: (count) => Math.floor(next() * count), chance: (part) => next() < part };
}

class Memory {
  content = new Map();
  full = false;
  getItem(name) { return this.content.get(name) ?? null; }
  setItem(name, value) {
    if (this.full) throw new Error("full");
    this.content.set(name, value);
  }
  removeItem(name) { this.content.delete(name); }
}

const ITEM = "item";

// One page: what answers.js does for one answer, without its timers and views.
class Tab {
  constructor(world, device) {
    Object.assign(this, { world, device });
    const { Outbox, Store } = world.script;
    this.outbox = new Outbox({
      store: new Store("owner", () => device.storage), newKey: () => world.newKey(),
      ask: (_, body) => this.ask(() => world.server.save(body)),
      pause: async () => { throw this.tired; }, events: { saved: () => this.show(), stopped() {},
        refused() {}, failed() {} },
    });
    this.tired = new Error("enough tries for now");
    this.isOpen = false;
  }

  // A page that is closed hears no answer any more.
  async ask(request) {
    try {
      return await this.device.ask(request);
    } finally {
      if (this.isClosed) throw this.world.offline;
    }
  }

  async open() {
    this.isOpen ||= await this.look();
  }

  // As `lookAgain` and `open`: the answer may come late, after other things have happened.
  async look() {
    const baseKeys = this.outbox.baseKeys();
    try {
      const answer = await this.ask(() => this.world.server.answer(ITEM));
      this.outbox.learn(ITEM, 1, answer, baseKeys);
      this.show();
      return true;
    } catch (error) {
      if (error !== this.world.offline) throw error;
      return false;
    }
  }

  show() {
    const base = this.outbox.base(ITEM);
    if (!base || this.isClosed) return;
    this.base = base;
    this.asked = structuredClone(this.outbox.work(ITEM)?.asked ?? {});
    if (this.world.alone && Object.keys(this.asked).length) {
      this.world.wrong.add(`asked about ${JSON.stringify(this.asked)}, though nobody else enters`);
    }
    this.shown = this.world.script.opinionOf(this.outbox.work(ITEM)?.mine ?? base.opinion);
  }

  enter(change) {
    const { enter } = this.world.script;
    const mine = this.world.script.opinionOf(this.shown);
    change(mine);
    const work = this.outbox.workUpon(ITEM, this.base, this.shown, 1);
    this.outbox.problems.clear();
    this.outbox.keep(ITEM, enter(work, this.base, this.shown, mine));
    this.show();
  }

  // The rater chooses, of what is asked, the value that counts or another one.
  settle(random) {
    const { decide, withValue, valueOf } = this.world.script;
    for (const [name, others] of Object.entries(this.asked)) {
      const offered = [valueOf(this.shown, name), ...others];
      const value = offered[random.below(offered.length)];
      for (const other of offered) if (other !== value) this.world.replaced(name, other);
      const work = this.outbox.work(ITEM);
      const rejected = offered.filter((each) => each !== value);
      if (work) this.outbox.keep(ITEM, decide(work, name, rejected));
      this.enter((opinion) => Object.assign(opinion, withValue(opinion, name, value)));
    }
  }

  async send() {
    try {
      await this.outbox.send();
    } catch (error) {
      if (error !== this.tired) throw error;
    }
    const isTakenOver = this.isOpen && !this.outbox.work(ITEM)
      && !this.world.script.same(this.shown, this.base.opinion);
    if (isTakenOver) await this.look();
  }
}

class Device {
  storage = new Memory();
  online = true;
  late = []; // requests that are still on their way

  constructor(world) {
    this.world = world;
    this.tabs = [new Tab(world, this)];
  }

  // A request may be lost, or its answer; or it arrives now, and its answer later.
  async ask(request) {
    const { random, offline } = this.world;
    if (!this.online || random.chance(0.1)) throw offline;
    if (random.chance(0.05)) { // it arrives after the page has given it up
      this.late.push(request);
      throw offline;
    }
    const answer = attempt(request);
    if (random.chance(0.15)) throw offline;
    if (random.chance(0.2)) {
      await new Promise((resolve) => { this.world.slow.push(resolve); });
    }
    return answer();
  }
}

// The request is done now; what comes of it is known later.
function attempt(request) {
  try {
    const answer = request();
    return () => answer;
  } catch (error) {
    return () => { throw error; };
  }
}

class World {
  offline = new TypeError("no answer");
  slow = []; // answers that are on their way
  gone = new Set(); // values that the rater has replaced, or chosen against
  entered = new Set();
  wrong = new Set();
  everSaved = new Set(); // and restored away
  lastKey = 0;
  lastValue = 0;

  constructor(script, { ModelServer }, seed) {
    Object.assign(this, { script, random: draw(seed), server: new ModelServer() });
    this.devices = [new Device(this), new Device(this)];
    this.backup = this.server.snapshot();
  }

  restore() {
    for (const { comment } of this.server.log) this.everSaved.add(comment);
    this.server.restore(this.backup);
  }

  newKey() { this.lastKey += 1; return `k${this.lastKey}`; }

  newComment() { this.lastValue += 1; return `c${this.lastValue}`; }

  // The rater, on a page that showed it, has put something else in its place.
  replaced(name, value) {
    if (name === "comment" && value) this.gone.add(value);
  }
}

const STEPS = {
  comment(world, tab) {
    const value = world.newComment();
    world.entered.add(value);
    world.replaced("comment", tab.shown.comment);
    tab.enter((opinion) => { opinion.comment = value; });
  },
  score(world, tab) {
    const { DIMENSIONS } = world.script;
    tab.enter((opinion) => {
      opinion.skipped = "";
      opinion.scores[DIMENSIONS[world.random.below(3)]] = 1 + world.random.below(3);
    });
  },
  scoreAll(world, tab) {
    tab.enter((opinion) => {
      opinion.skipped = "";
      for (const name of world.script.DIMENSIONS) opinion.scores[name] = 1 + world.random.below(3);
    });
  },
  skip(world, tab) { tab.enter((opinion) => { opinion.skipped = "other"; }); },
  flag(world, tab) {
    tab.enter((opinion) => {
      const has = opinion.flags.includes("dangerous");
      opinion.flags = has ? [] : ["dangerous"];
    });
  },
  settle(world, tab) { tab.settle(world.random); },
  send: (world, tab) => { world.running.push(tab.send()); },
  look: (world, tab) => { world.running.push(tab.look()); },
  offline(world, tab) { tab.device.online = false; },
  online(world, tab) { tab.device.online = true; },
  answer(world) { world.slow.splice(world.random.below(world.slow.length), 1)[0]?.(); },
  late(world, tab) {
    const [request] = tab.device.late.splice(0, 1);
    if (request) attempt(request);
  },
  reload(world, tab) { // also where the page dies in the middle of sending
    const fresh = new Tab(world, tab.device);
    tab.isClosed = true;
    tab.device.tabs[tab.device.tabs.indexOf(tab)] = fresh;
    world.running.push(fresh.open());
  },
  secondTab(world, { device }) {
    if (device.tabs.length > 1) return;
    device.tabs.push(new Tab(world, device));
    world.running.push(device.tabs[1].open());
  },
  closeTab(world, { device }) {
    if (device.tabs.length > 1) device.tabs.pop().isClosed = true;
  },
};
const ENTERING = ["comment", "score", "scoreAll", "skip", "flag", "settle"];
const ON_AN_OPEN_PAGE = [...ENTERING, "send", "look"];

// `alone`: only one tab enters anything, the others look on.
export async function simulate(script, modelServer, seed,
  { restores = false, alone = false, steps = 40 } = {}) {
  const world = new World(script, modelServer, seed);
  world.alone = alone;
  const { random, devices } = world;
  world.running = [];
  const names = Object.keys(STEPS);
  for (const { tabs } of devices) world.running.push(tabs[0].open());
  for (let step = 0; step < steps; step += 1) {
    await breathe();
    const device = devices[random.below(2)];
    const tab = device.tabs[random.below(device.tabs.length)];
    let name = names[random.below(names.length)];
    const first = tab === devices[0].tabs[0];
    if (alone && !first && ENTERING.includes(name)) name = "look";
    if (restores && random.chance(0.03)) world.backup = world.server.snapshot();
    else if (restores && random.chance(0.03)) world.restore();
    else if (tab.isOpen || !ON_AN_OPEN_PAGE.includes(name)) await STEPS[name](world, tab);
    else world.running.push(tab.open());
  }
  await quiet(world);
  return faults(world, { restores });
}

async function breathe() {
  for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
}

// Everything is reachable again; the rater answers what is asked until nothing is.
async function quiet(world) {
  for (const device of world.devices) {
    device.online = true;
    for (const request of device.late.splice(0)) attempt(request);
  }
  world.random.chance = () => false; // nothing is lost or slow any more
  for (const resolve of world.slow.splice(0)) resolve();
  await Promise.all(world.running);
  for (let round = 0; round < 6; round += 1) {
    for (const { tabs } of world.devices) {
      for (const tab of tabs) {
        if (!tab.isOpen) await tab.open();
        await tab.look();
        await tab.send();
        tab.settle(world.random);
        await tab.send();
      }
    }
  }
}

function faults(world, { restores }) {
  const wrong = [...world.wrong];
  const { same } = world.script;
  const saved = world.script.baseOf(world.server.answer(ITEM)).opinion;
  const keys = world.server.log.map(({ key }) => key);
  if (new Set(keys).size < keys.length) wrong.push("a save is stored twice");
  for (const [number, { tabs }] of world.devices.entries()) {
    for (const tab of tabs) {
      const work = tab.outbox.work(ITEM);
      const half = work && !world.script.complete(work.mine);
      if (work && !half) wrong.push(`device ${number} still holds ${JSON.stringify(work)}`);
      if (!half && !same(tab.shown, saved)) {
        const [here, there] = [tab.shown, saved].map((opinion) => JSON.stringify(opinion));
        wrong.push(`device ${number} shows ${here} for ${there}`);
      }
    }
  }
  const visible = new Set([saved.comment,
    ...world.devices.flatMap(({ tabs }) => tabs.map(({ shown }) => shown.comment))]);
  for (const value of world.entered) {
    // What was saved, an older database may have lost without that any open page knew of it.
    const isKnown = visible.has(value) || world.gone.has(value)
      || (restores && world.everSaved.has(value));
    if (!isKnown) wrong.push(`${value} is lost without having been shown`);
  }
  return wrong;
}
