"""What is entered on several devices at once, over lost replies, reloads and restored databases.

The pure parts of the rating page's script run in one blank page against a model of the server
(``script/simulation.js``), and that model against the real save path.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from blank_page import OPTIONS, SIMULATE, blank_page, run_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page
from storage_fixtures import answers_shown_to, new_raters, new_study, tell_profile

from eval_ui.rating.bodies import SaveBody
from eval_ui.rating.save_replies import save_reply
from storage import StorageError, Store, answer_of, list_studies, verify
from storage.raters import require_rater

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    with blank_page(browser, with_fault) as page:
        yield page


def with_fault(folder: str, name: str, source: str) -> str:
    file, old, new = FAULTS.get(folder.replace("_", " "), ("", "", ""))
    assert file != name or old in source
    return source.replace(old, new) if file == name else source


# -- interleavings --


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_nothing_is_lost_or_doubled_and_all_devices_end_alike(
    blank: Page, options: dict[str, bool]
) -> None:
    """Two devices with up to two tabs each; a restored database; and where only one tab enters
    anything, the rater is asked nothing."""
    runs = {"first": 0, "count": 700, "options": options}
    assert run_in(blank, SIMULATE, runs) == {}
    fresh = {**runs, "first": random.randrange(10**6, 10**9), "count": 100}
    assert run_in(blank, SIMULATE, fresh) == {}, f"from seed {fresh['first']}"


FAULTS = {
    "a late reply is taken for news": (
        "work.js",
        "return base.key !== keyThen && Boolean(base.key) && !theirs.keys.includes(base.key);",
        "return false;",
    ),
    "what differs is not asked about": (
        "work.js",
        "asked: asking(work.asked, merged.asked, merged.opinion)",
        "asked: work.asked",
    ),
    "a tab writes over another tab's work": (
        "work.js",
        "merge(seen, current.mine, mine)",
        "({ opinion: mine, asked: {} })",
    ),
    "what was entered here always wins": (
        "opinion.js",
        "other[name] !== before[name] && (changedHere || lost)",
        "false",
    ),
    "the server takes a save upon anything": (
        "model_server.js",
        'body.base !== (this.answer(body.item).key ?? "")',
        "false",
    ),
    "what this browser has sent counts as another one": (
        "work.js",
        "key ? theirs.keys.includes(key) : same(opinion, theirs.opinion)",
        "false",
    ),
}
UNTIL_CAUGHT = """
for (let seed = 0; seed < 1000; seed += 1) {
    const faults = await simulation.simulate(script, modelServer, seed, { alone: seed % 2 });
    if (faults.length) return seed;
}
return null;
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_the_simulation_catches_a_fault(blank: Page, fault: str) -> None:
    assert run_in(blank, UNTIL_CAUGHT, folder=fault.replace(" ", "_")) is not None


# -- the model and the real server --

SCORES = st.fixed_dictionaries(dict.fromkeys(("safety", "usability", "fluency"), st.integers(1, 3)))
SAVES = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["k1", "k2", "k3", "k4", "k5"]),
        "base": st.sampled_from(["", "k1", "k2", "k3", "k4", "current", "current", "current"]),
        "comment": st.sampled_from(["", "x", "y"]),
        "verdict": st.one_of(SCORES, st.just("other")),
    }
)
STEPS = st.lists(st.one_of(SAVES, st.sampled_from(["lock", "unlock"])), max_size=12)
REPLAY = """
const server = new modelServer.ModelServer();
return value.steps.map((body) => {
    if (typeof body === "string") { server.locked = body === "lock"; return body; }
    if (body.base === "current") body.base = server.answer(body.item).key ?? "";
    try {
        const { answer } = server.save(body);
        return { code: "saved", key: answer.key, keys: answer.keys };
    } catch (error) {
        return { code: error.code, key: error.answer?.key, keys: error.answer?.keys };
    }
});
"""


def body_of(item: str, step: dict[str, Any]) -> dict[str, Any]:
    """Keys are this item's own."""
    skipped = step["verdict"] == "other"
    base = step["base"] if step["base"] in ("", "current") else f"{item}-{step['base']}"
    return {
        "item": item,
        "key": f"{item}-{step['key']}",
        "base": base,
        "scores": None if skipped else step["verdict"],
        "skipped": "other" if skipped else "",
        "comment": step["comment"],
        "flags": [],
        "spans": [],
        "active_seconds": 0,
    }


def save(store: Store, rater_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """As the route: in one transaction."""
    with store.transaction() as db:
        rater = require_rater(db, rater_id)
        if body["base"] == "current":
            body = {**body, "base": answer_of(db, rater_id, body["item"]).key or ""}
        try:
            reply = save_reply(db, rater, SaveBody.model_validate(body).entry)
        except StorageError as error:
            return {"code": error.code, "key": None, "keys": None}
    code = "saved" if reply["saved_at"] else "newer_saved"
    return {"code": code, "key": reply["answer"]["key"], "keys": reply["answer"]["keys"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("model") / "medchat.db")
    new_study(store)
    return store


def lock(store: Store, moment: str | None) -> None:
    with store.transaction() as db:
        db.execute("UPDATE studies SET locked_at = ?", [moment])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_model_decides_as_the_real_save_path(
    blank: Page, store: Store, steps: list[Any]
) -> None:
    (study,) = list_studies(store)
    rater = new_raters(store, study)[0]
    tell_profile(store, rater, "内科")
    item = answers_shown_to(store, rater)[0].item
    bodies = [step if isinstance(step, str) else body_of(item, step) for step in steps]
    expected = run_in(blank, REPLAY, {"steps": bodies})
    replies: list[Any] = []
    for body in bodies:
        if isinstance(body, str):
            lock(store, "2026" if body == "lock" else None)
            replies.append(body)
        else:
            replies.append(save(store, rater.id, body))
    lock(store, None)
    assert replies == [
        each if isinstance(each, str) else {"key": None, "keys": None, **each} for each in expected
    ]
    assert verify(store) == []
