// What the parts of the rating page share: where it stands, and whom it tells of changes.
//
// Knows no view: main.js says what is to happen on screen.

export const TYPING_MS = 800; // a comment is saved when the typing pauses

export const page = {
  known: null, // texts, dimensions, flags: what the server wrote into the page
  language: "",
  state: null, // what the server said of this rater: study, list of questions, locked …
  question: null, // the open question
  current: null, // the scale that a key would set: {answer, dimension}
  outbox: null, // what this browser keeps of the rater's work, and sends
  undone: new Set(), // places of which something is not saved yet
  target: 0, // the place that was asked for last
  asked: 0, // how often a question was asked for
  over: "", // what was said when the session or the link was over
  refusal: "", // why a question could not be opened
  held: false, // a question is being fetched: the shown one takes nothing
};

// What is shown follows from these calls alone.
export const views = {
  changed() {}, // (item): what is shown of an answer
  progressed() {}, // what has become of each answer and of the whole list
  opened() {}, // another question is open
  placed() {}, // the rater is taken to its top
  held() {}, // (on): the question that is shown takes nothing for now
  locked() {}, // the study was locked or opened again
  announced() {}, // (message, {about}): the rater has to know
  retracted() {}, // (message): that holds no longer
  entered() {}, // (message): no rater is known
  asked() {}, // for profile and consent
  emptied() {}, // nothing is to be rated
  confirmed: () => true, // (message): the rater wants it all the same
};

export function text(key, words = {}) {
  return (page.known.texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => words[name] ?? "");
}

export function newKey(item) {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return item.slice(0, 8) + "-" + [...random].map((n) => n.toString(16).padStart(2, "0")).join("");
}

// While a question is fetched, what is typed and clicked is not meant for the one that is shown.
export function hold(on) {
  page.held = on;
  views.held(on);
}

// Whoever goes on with the question that is shown no longer wants another one.
export function stay() {
  if (!page.question || page.target === page.question.place) return;
  page.target = page.question.place;
  page.asked += 1;
  hold(false);
  // Not now: what is being clicked would move away under the pointer.
  setTimeout(() => views.retracted(text("load_failed_retrying")), TYPING_MS);
}
