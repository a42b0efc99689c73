// Active time: only while the page is looked at and somebody is there.

const IDLE_SECONDS = 30; // without a sign of life the clock stands still

let lastSign = performance.now();
let lastTick = performance.now();
let activeSeconds = 0;

export function tick() {
  const now = performance.now();
  const awake = document.visibilityState === "visible" && now - lastSign < IDLE_SECONDS * 1000;
  if (awake) activeSeconds += (now - lastTick) / 1000;
  lastTick = now;
}

// Somebody is there; returns how many milliseconds there was no sign of it.
export function note() {
  tick();
  const away = performance.now() - lastSign;
  lastSign = performance.now();
  return away;
}

export function takeSeconds() {
  tick();
  const seconds = activeSeconds;
  activeSeconds = 0;
  return seconds;
}
