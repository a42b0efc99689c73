// The two forms before the first question: the link, and the profile with the consent.

import { make, replace } from "./elements.js";
import { start } from "./going.js";
import { announce } from "./messages.js";
import { page, text } from "./page.js";
import { ask, Refused } from "./server.js";

export function showEntry(message) {
  const box = make("input", {
    id: "rating-link", type: "text", autocomplete: "off", "aria-label": text("link"),
  });
  const form = make("form", {
    class: "rating-entry",
    onsubmit: (event) => {
      event.preventDefault();
      const token = box.value.trim().split("/").pop();
      if (token) location.assign("/r/" + encodeURIComponent(token));
      else announce(text("link_empty"));
    },
  }, make("label", { for: "rating-link" }, text("link")), box,
  make("button", { class: "primary", type: "submit", id: "rating-begin" }, text("enter")),
  make("p", { class: "coordinators" }, make("a", { href: "/sign-in" },
    text("coordinators_enter"))));
  replace(message ? make("p", { class: "announcement", role: "status" }, message) : null,
    make("p", {}, text("rating_intro")), form);
}

export function showProfile() {
  const field = (name, label, attributes) => make("label", { class: "field" }, text(label),
    make("input", { name, maxlength: 100, autocomplete: "off", ...attributes }));
  const agreed = make("input", { type: "checkbox", name: "agreed", required: true });
  const form = make("form", {
    class: "profile",
    onsubmit: async (event) => {
      event.preventDefault();
      const fields = Object.fromEntries(new FormData(form));
      const years = fields.years === "" ? null : Number(fields.years);
      try {
        await ask("profile", { ...fields, years, agreed: agreed.checked, language: page.language });
        await start();
      } catch (error) {
        if (error.code === "profile_known") { await start(); return; } // entered in another tab
        announce(error instanceof Refused ? error.message : text("load_failed_retrying"));
      }
    },
  },
  make("h2", {}, text("profile_title")), make("p", {}, text("profile_intro")),
  field("specialty", "specialty", { required: true, placeholder: text("specialty_example") }),
  field("title", "title_of_rater", { placeholder: text("title_example") }),
  field("years", "years_of_practice", { type: "number", min: 0, max: 80, step: 1 }),
  field("name", "name_of_rater", {}),
  make("p", { class: "consent" }, text("consent_text")),
  make("label", { class: "agree" }, agreed, " ", text("agree")),
  make("button", { class: "primary", type: "submit", id: "rating-start" }, text("start")));
  replace(form);
}
