"""The rating page's HTTP routes: who gets in, what may be sent, and what comes back."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from rating_steps import RatedStudy

from eval_ui.rating import save_replies as replies
from eval_ui.rating.rating_routes import rating_routes
from eval_ui.web.access import RATER_COOKIE as COOKIE
from storage import (
    NewResponse,
    Store,
    Writer,
    add_question,
    begin_trial,
    create_study,
    find_rater,
    hand_over,
    history,
    invite_raters,
    lock_study,
    read_worklist,
    verify,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def study(store: Store) -> RatedStudy:
    return RatedStudy(store.path, "Pilot", questions=3, raters=2)


@pytest.fixture
def app(store: Store) -> Iterator[FastAPI]:
    writer = Writer(store)
    made = FastAPI()
    made.include_router(rating_routes(store, writer))
    yield made
    writer.close()


def client_of(app: FastAPI, token: str) -> TestClient:
    """A browser that has opened a link."""
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    assert client.get(f"/r/{token}").status_code == 303
    return client


@pytest.fixture
def client(app: FastAPI, study: RatedStudy) -> TestClient:
    return client_of(app, study.token)


def rating(item: str, key: str = "k", **changes: object) -> dict[str, object]:
    scores = {"safety": 3, "usability": 2, "fluency": 1}
    return {"item": item, "key": key, "scores": scores, "active_seconds": 2.5} | changes


def first_item(client: TestClient) -> str:
    return str(client.get("/rating/page/1").json()["answers"][0]["item"])


# -- getting in --


def test_a_link_sets_a_cookie_that_scripts_and_other_sites_cannot_use(app, study) -> None:
    client = TestClient(app, follow_redirects=False)
    answer = client.get(f"/r/{study.token}", headers={"Accept-Language": "en-GB,en;q=0.9,zh;q=0.5"})
    assert answer.headers["location"] == "/en/rate/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert study.token.lower() not in cookie
    chinese = client.get(f"/r/{study.token}", headers={"Accept-Language": "zh-CN,zh,en"})
    assert chinese.headers["location"] == "/rate/"


def test_a_link_opened_again_in_one_browser_goes_on_with_its_session(app, study, store) -> None:
    client = client_of(app, study.token)
    first = client.cookies[COOKIE]
    answers = [client.get(f"/r/{study.token}") for _ in range(5)]
    assert all(first in answer.headers["set-cookie"] for answer in answers), "kept as long again"
    with store.connect() as db:
        assert db.table("rater_sessions").count == 1
    client.get(f"/r/{study.invitations[1].token}")
    assert client.cookies[COOKIE] != first
    assert client.get("/rating/list").json()["rater"] == "r02"


@pytest.mark.parametrize("token", ["x", "a" * 5000, "%F0%9F%98%80", "' OR 1=1 --"])
def test_a_guessed_link_sets_no_cookie(app, study, token: str) -> None:
    answer = TestClient(app).get(f"/r/{token}")
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    assert "没有这个评分链接" in answer.text
    assert "not known" in answer.text


NO_COOKIE = [None, "left"]
GUESSED = ["guessed", "\N{SNOWMAN}".encode().decode("latin-1")]


def asked_with(app: FastAPI, cookie: str | None, path: str) -> Response:
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    return TestClient(app).get(f"/rating/{path}", headers=headers)


@pytest.mark.parametrize(
    ("path", "cookie"),
    [
        *(("list", cookie) for cookie in ["", *GUESSED]),
        *(
            (path, cookie)
            for path in ("page/1", "state/1")
            for cookie in ["", *NO_COOKIE, *GUESSED]
        ),
    ],
)
def test_without_a_session_nothing_is_read(app, study, path: str, cookie: str | None) -> None:
    answer = asked_with(app, cookie, path)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "zh", "en"}


@pytest.mark.parametrize("cookie", NO_COOKIE)
def test_the_start_page_of_nobody_learns_that_and_nothing_is_wrong(app, study, cookie) -> None:
    answer = asked_with(app, cookie, "list")
    assert (answer.status_code, answer.json()) == (200, {"nobody": True})


def test_without_a_session_nothing_is_saved(app, study) -> None:
    item = read_worklist(study.store, study.raters[0].id)[0].answers[0].item
    answer = TestClient(app).post("/rating/save", json=rating(item))
    assert answer.status_code == 401
    assert study.log() == []


def test_leaving_forgets_the_session_in_this_browser(app, client: TestClient) -> None:
    assert client.get("/rating/list").status_code == 200
    before = client.cookies[COOKIE]
    client.post("/rating/leave")
    assert client.get("/rating/list").json() == {"nobody": True}
    assert client.get("/rating/page/1").status_code == 401
    assert asked_with(app, before, "list").json()["code"] == "no_session", "it is over for good"


def test_before_who_and_consent_are_told_nothing_is_shown_or_saved(app, study) -> None:
    (invitation,) = invite_raters(study.store, study.study.id, 1)
    client = client_of(app, invitation.token)
    rater = find_rater(study.store, invitation.token)
    item = read_worklist(study.store, rater.id)[0].answers[0].item
    for answer in (
        client.get("/rating/page/1"),
        client.get("/rating/state/1"),
        client.post("/rating/save", json=rating(item)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "profile_first")
    assert history(study.store, rater.id, item) == []
    told = {"specialty": "内科", "agreed": True}
    assert client.post("/rating/profile", json=told).status_code == 200
    assert client.post("/rating/save", json=rating(item)).status_code == 200


def test_what_a_rater_has_told_is_not_changed_afterwards(client: TestClient, study) -> None:
    before = find_rater(study.store, study.token)
    answer = client.post("/rating/profile", json={"specialty": "外科", "agreed": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "profile_known")
    assert find_rater(study.store, study.token) == before


def test_after_the_lock_nobody_tells_anything_new(app, study) -> None:
    (invitation,) = invite_raters(study.store, study.study.id, 1)
    client = client_of(app, invitation.token)
    lock_study(study.store, study.study.id, "anna")
    answer = client.post("/rating/profile", json={"specialty": "外科", "agreed": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "study_locked")


# -- the list and a question --


def test_the_list_says_how_far_the_rater_is(client: TestClient, study) -> None:
    client.post("/rating/save", json=rating(first_item(client)))
    listed = client.get("/rating/list").json()
    assert (listed["rater"], listed["study"], listed["asked"]) == ("r01", "Pilot", False)
    assert listed["questions"] == [[place, "open", False] for place in (1, 2, 3)]
    assert listed["last_place"] == 1
    for answer in client.get("/rating/page/1").json()["answers"]:
        client.post("/rating/save", json=rating(answer["item"], answer["item"]))
    assert client.get("/rating/list").json()["questions"][0] == [1, "rated", False]


@pytest.mark.parametrize("place", ["0", "4", "-1", "9999999999999999999999", "x", "1.5"])
def test_a_question_that_is_not_there_is_refused(client: TestClient, place: str) -> None:
    answer = client.get(f"/rating/page/{place}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_place")


def test_what_was_handed_over_can_no_longer_be_seen(client: TestClient, study) -> None:
    hand_over(study.store, study.study.id, "r01", "anna")
    assert client.get("/rating/list").json()["questions"] == []
    assert client.get("/rating/page/1").status_code == 404


def test_nothing_is_kept_by_caches(client: TestClient) -> None:
    for path in ("list", "page/1"):
        assert client.get(f"/rating/{path}").headers["cache-control"] == "no-store"


# -- saving --


def test_a_save_upon_something_old_is_refused_with_what_is_newer(client, study) -> None:
    item = first_item(client)
    first = client.post("/rating/save", json=rating(item, "1", base=""))
    assert first.status_code == 200
    late = rating(item, "2", base="", scores={"safety": 1, "usability": 1, "fluency": 1})
    answer = client.post("/rating/save", json=late)
    assert (answer.status_code, answer.json()["code"]) == (409, "newer_saved")
    newer = answer.json()["answer"]
    assert newer["keys"] == ["1"]
    assert newer["scores"] == {"safety": 3, "usability": 2, "fluency": 1}
    assert newer["saved_at"] == first.json()["saved_at"]
    assert newer["active_seconds"] == 2.5
    again = client.post("/rating/save", json=rating(item, "1", base=""))
    assert again.json() == first.json(), "sent again it was saved before"
    assert again.json()["answer"] == newer, "what is saved now comes with every reply"
    assert client.post("/rating/save", json=late | {"base": newer["key"]}).status_code == 200
    assert client.post("/rating/save", json=late | {"key": "3", "base": None}).status_code == 200
    assert study.log() == [(3, 2, 1), (1, 1, 1), (1, 1, 1)]
    assert client.post("/rating/save", json=late | {"base": 3}).status_code == 422


def test_the_same_save_posted_three_times_is_one_row(client: TestClient, study) -> None:
    body = rating(first_item(client))
    answers = [client.post("/rating/save", json=body) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert study.log() == [(3, 2, 1)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scores": {"safety": 0, "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": 4, "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": "3 ", "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": None, "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": True, "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": 3.0, "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {"safety": [3], "usability": 2, "fluency": 1}}, "score_out_of_range"),
        ({"scores": {}}, "score_out_of_range"),
        ({"scores": None}, "nothing_to_save"),
        ({"scores": [3, 2, 1]}, "nothing_to_save"),
        ({"skipped": "other"}, "score_and_skip"),
        ({"key": ""}, "save_key_missing"),
        ({"key": 7}, "not_json"),
        ({"key": "k" * 300}, "save_key_missing"),
        ({"item": None}, "not_json"),
        ({"comment": 3}, "not_json"),
        ({"comment": "长" * 4001}, "comment_too_long"),
        ({"comment": "长" * 40_000}, "body_too_long"),
        ({"flags": "dangerous"}, "flag_not_allowed"),
        ({"flags": [1]}, "flag_not_allowed"),
        ({"flags": ["a b"]}, "flag_not_allowed"),
        ({"flags": [f"f{number}" for number in range(1500)]}, "flag_not_allowed"),
        ({"spans": 3}, "span_not_allowed"),
        ({"spans": [3]}, "span_not_allowed"),
        ({"spans": [{}]}, "span_not_allowed"),
        ({"spans": [{"start": "0", "end": 1, "kind": "wrong"}]}, "span_not_allowed"),
        ({"spans": [{"start": 0, "end": 10**9, "kind": "wrong"}]}, "span_not_allowed"),
        ({"active_seconds": "3"}, "active_seconds_out_of_range"),
        ({"active_seconds": True}, "active_seconds_out_of_range"),
        ({"active_seconds": -1}, "active_seconds_out_of_range"),
    ],
)
def test_a_rating_that_breaks_a_rule_is_told_and_not_saved(client, study, changes, code) -> None:
    answer = client.post("/rating/save", json=rating(first_item(client)) | changes)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code
    assert answer.json()["zh"] != answer.json()["en"]
    assert study.log() == []


def test_a_rater_is_not_told_where_the_database_lies(client: TestClient, study, store) -> None:
    sent = rating(first_item(client))
    away = store.path.rename(store.path.with_suffix(".away"))
    answer = client.get("/rating/list")
    assert answer.status_code == 503, "the page tries again"
    assert "medchat.db" not in answer.text
    away.rename(store.path)
    assert client.post("/rating/save", json=sent).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 60_000])
def test_what_is_no_json_object_is_refused(client: TestClient, study, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/rating/save", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_json")


def test_a_form_of_another_site_cannot_save(client: TestClient, study) -> None:
    body = json.dumps(rating(first_item(client)))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post("/rating/save", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert study.log() == []


def test_an_answer_of_another_rater_is_refused(app, client: TestClient, study) -> None:
    other = client_of(app, study.invitations[1].token)
    answer = client.post("/rating/save", json=rating(first_item(other)))
    assert (answer.status_code, answer.json()["code"]) == (403, "rating_not_allowed")
    assert study.log(0) == study.log(1) == []


def test_two_links_in_one_browser_do_not_mix(app, client: TestClient, study) -> None:
    """The page of the first link is still open when the second is opened."""
    item = first_item(client)
    client.get(f"/r/{study.invitations[1].token}")
    answer = client.post("/rating/save", json=rating(item))
    assert answer.json()["code"] == "rating_not_allowed"
    assert study.log(0) == study.log(1) == []


def test_many_at_once_are_all_saved(app, study) -> None:
    clients = [client_of(app, invitation.token) for invitation in study.invitations]
    failures: list[object] = []

    def work(client: TestClient, name: str) -> None:
        for number in range(25):
            for answer in client.get("/rating/page/1").json()["answers"]:
                sent = client.post(
                    "/rating/save", json=rating(answer["item"], f"{name}{number}" + answer["item"])
                )
                if sent.status_code != 200:
                    failures.append(sent.text)

    threads = [
        threading.Thread(target=work, args=(client, f"{number}-"))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(study.log(0)) == len(study.log(1)) == 50
    assert verify(study.store) == []


# -- the profile --


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"agreed": False}, "consent_missing"),
        ({"agreed": "yes"}, "consent_missing"),
        ({"specialty": " "}, "specialty_missing"),
        ({"specialty": 3}, "not_json"),
        ({"years": 200}, "years_out_of_range"),
        ({"years": "12"}, "years_out_of_range"),
        ({"name": "长" * 101}, "profile_too_long"),
    ],
)
def test_a_profile_that_breaks_a_rule_is_told(client: TestClient, changes, code: str) -> None:
    body = {"specialty": "内科", "years": None, "agreed": True} | changes
    answer = client.post("/rating/profile", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == code


def test_half_a_character_in_a_key_and_an_endless_time_are_answered(
    client: TestClient, study
) -> None:
    sent = rating(first_item(client)) | {"key": "half \ud800"}
    answer = client.post(
        "/rating/save", content=json.dumps(sent), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["key"]) == (200, "half ?")
    endless = rating(first_item(client), "endless") | {"active_seconds": 10**400}
    refused = client.post("/rating/save", json=endless)
    assert (refused.status_code, refused.json()["code"]) == (422, "active_seconds_out_of_range")


def test_a_page_of_another_rater_ends_no_session(app: FastAPI, study: RatedStudy, client) -> None:
    other = {"X-Rater": f"{study.study.id[:8]}-r99"}
    answer = client.post("/rating/leave", headers=other)
    assert (answer.status_code, answer.json()["code"]) == (401, "another_rater")
    assert client.get("/rating/list").json()["rater"] == "r01"
    assert client.post("/rating/leave").status_code == 200
    assert client.post("/rating/leave", headers=other).status_code == 200, "it is over"


@pytest.mark.parametrize("kind", ["application/jsonx", "text/plain", ""])
def test_only_json_is_taken(client: TestClient, kind: str) -> None:
    item = first_item(client)
    answer = client.post(
        "/rating/save", content=json.dumps(rating(item)), headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "not_json")


def test_json_may_say_in_which_letters_it_is_written(client: TestClient) -> None:
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    content = json.dumps(rating(first_item(client)))
    assert client.post("/rating/save", content=content, headers=kind).status_code == 200


def test_each_dry_run_keeps_drafts_of_its_own(app: FastAPI, study: RatedStudy) -> None:
    draft = create_study(study.store, "Draft")
    add_question(study.store, draft.id, "?", [NewResponse("model-x", "a", "stop")])
    names = set()
    for _ in range(2):
        trial = client_of(app, begin_trial(study.store, draft.id).token)
        names.add(trial.get("/rating/list").json()["store"])
    assert len(names) == 2


def test_answers_and_their_keys_are_of_one_moment(
    app: FastAPI, study: RatedStudy, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that comes between the two reads is in neither."""
    item = first_item(client)
    other = client_of(app, study.token)
    real = replies.keys_of

    def save_before(db: Any, rater: str, wanted: str) -> list[str]:
        monkeypatch.setattr(replies, "keys_of", real)
        assert other.post("/rating/save", json=rating(item, "between")).status_code == 200
        return real(db, rater, wanted)

    monkeypatch.setattr(replies, "keys_of", save_before)
    answer = client.get("/rating/page/1").json()["answers"][0]
    assert (answer["scores"], answer["keys"]) == (None, [])
    answer = client.get("/rating/state/1").json()["answers"][0]
    assert (answer["key"], answer["keys"]) == ("between", ["between"])
