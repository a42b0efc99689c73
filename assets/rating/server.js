// Asks the server; what it answers is JSON, and what it refuses is thrown.

import { page } from "./page.js";

export const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const ANSWER_MS = 10000; // behind that a server counts as out of reach
const DATE_MS = 2000; // how much later than its Date header says a server may have answered

export class Refused extends Error {
  constructor(status, body) {
    super(body[page.language] ?? String(status));
    this.status = status;
    this.code = body.code;
    this.answer = body.answer;
  }
}

export async function ask(path, body) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), ANSWER_MS);
  try {
    return await answered(path, body, patience.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function answered(path, body, signal) {
  const options = { credentials: "same-origin", cache: "no-store", headers: {}, signal };
  // Another link opened in this browser changes the cookie below this page's feet.
  if (page.state && path !== "list") {
    options.headers["X-Rater"] = encodeURIComponent(page.state.store);
  }
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
    options.keepalive = options.body.length < 60000;
  }
  const asked = Date.now();
  const response = await fetch("/rating/" + path, options);
  let content = {};
  try {
    content = await response.json();
  } catch {
    if (response.ok || signal.aborted) throw new TypeError("the answer was cut off");
  }
  // Something in between may refuse too; that may pass, so it is as if there were no network.
  if (!response.ok && !content.code) throw new TypeError(`not from the app: ${response.status}`);
  const date = Date.parse(response.headers.get("date") ?? "");
  if (date) believe(date, asked, Date.now());
  if (!response.ok) throw new Refused(response.status, content);
  return content;
}

// How far the server's clock is ahead. Its reply names a whole second, up to one old, at some time
// between asking and answering: what is believed already stays where it fits, so that the moments
// of one page follow each other.
function believe(date, asked, now) {
  page.ahead = Math.min(Math.max(page.ahead, date - now), date + DATE_MS - asked);
}

export function pause(milliseconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
  });
}
