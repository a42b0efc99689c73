// Asks the server; what it answers is JSON, and what it refuses is thrown.

import { page } from "./page.js";

const ANSWER_MS = 10000; // behind that a server counts as out of reach

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
  const response = await fetch("/rating/" + path, options);
  let content = {};
  try {
    content = await response.json();
  } catch {
    if (response.ok || signal.aborted) throw new TypeError("the answer was cut off");
  }
  // Something in between may refuse too; that may pass, so it is as if there were no network.
  if (!response.ok && !content.code) throw new TypeError(`not from the app: ${response.status}`);
  if (!response.ok) throw new Refused(response.status, content);
  return content;
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
