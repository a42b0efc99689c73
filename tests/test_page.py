"""The page under bad input and bad luck, in a real Chromium: a sentence each, and nothing lost."""

import re
import socket
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from app_server import AppServer
from model_fixtures import TEXTS
from playwright.sync_api import BrowserContext, Page, expect
from transformers import LlamaConfig, LlamaForCausalLM

from medchat.training.tokenizers import train_llama_tokenizer
from storage import NewResponse, Store, add_question, create_study, find_rater, invite_raters

pytestmark = pytest.mark.browser

MODELS_FILE = """
[models.slow]
label = "Slow"
family = "llama"
base = "slow"
template = "plain"
defaults = { max_new_tokens = 3000 }

[models.broken]
label = "Broken"
family = "llama"
base = "broken"
template = "plain"

[models.absent]
label = "Absent"
family = "llama"
base = "not-there"
template = "plain"
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models.toml with a model that answers for long, a damaged one and a missing one."""
    folder = tmp_path_factory.mktemp("models")
    write_slow_model(folder / "slow")
    (folder / "broken").mkdir()
    config = (folder / "slow" / "config.json").read_text(encoding="utf-8")
    (folder / "broken" / "config.json").write_text(config, encoding="utf-8")
    (folder / "broken" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com")
    (folder / "models.toml").write_text(MODELS_FILE, encoding="utf-8")
    return folder / "models.toml"


def write_slow_model(folder: Path) -> None:
    folder.mkdir()
    train_llama_tokenizer(TEXTS, 400, folder / "tokenizer.model")
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=4096,
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(config)
    # Logits of 0 for the special and byte pieces, small ones against the words': it never ends.
    model.lm_head.weight.data[:259] = 0
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("app")
    with AppServer(folder / "medchat.db", log=folder / "app.log", models=models) as server:
        yield server
        assert "Traceback" not in server.log.read_text(encoding="utf-8")


@pytest.fixture
def chat(page: Page, app: AppServer) -> Page:
    page.goto(app.url)
    expect(page.locator("#question textarea")).to_be_visible()
    return page


def send(page: Page, question: str) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#send").click()


def toast(page: Page) -> "object":
    return page.locator(".toast-body")


# -- asking --


def test_an_empty_question_is_answered_with_a_sentence(chat: Page) -> None:
    send(chat, "  \n ")
    expect(toast(chat)).to_contain_text("请先输入问题")


def test_a_question_of_50000_characters_is_refused_and_kept(chat: Page) -> None:
    text = "我头疼。" * 12_500
    send(chat, text)
    expect(toast(chat)).to_contain_text("50000 个字符，最多 2000 个")
    assert chat.locator("#question textarea").input_value() == text


def test_control_characters_are_removed_and_said(chat: Page) -> None:
    send(chat, "感\x07冒\u202e怎么办")
    expect(toast(chat).first).to_contain_text("2 个不可见的控制字符")
    expect(chat.locator("#pane-1")).to_contain_text("感冒怎么办")
    chat.locator("#clear").click()


def test_markup_in_a_question_stays_text_and_loads_nothing(chat: Page, app: AppServer) -> None:
    requests: list[str] = []
    chat.on("request", lambda request: requests.append(request.url))
    chat.evaluate("() => { window.attacked = false; }")
    send(
        chat,
        "![a](http://192.0.2.1/a.png) <img src=http://192.0.2.1/b.png onerror='attacked=true'> "
        "<script>attacked=true</script> [r]: http://192.0.2.1/c.png\n\n![x][r]\n\n"
        "[here](javascript:attacked=true) ${attacked=true}",
    )
    expect(chat.locator("#pane-1")).to_contain_text("<script>attacked=true</script>")
    chat.locator("#clear").click()
    assert chat.evaluate("() => window.attacked") is False
    assert [url for url in requests if not url.startswith(app.url)] == []


def test_one_pane_fails_and_one_lacks_its_model_while_the_first_streams_on(chat: Page) -> None:
    send(chat, "感冒怎么办")
    expect(chat.locator("#pane-2")).to_contain_text(re.compile("无法回答.*placeholder of 34 bytes"))
    expect(chat.locator("#pane-3")).to_contain_text(re.compile("无法回答.*not-there 不存在"))
    before = len(chat.locator("#pane-1").inner_text())
    chat.wait_for_function(
        "length => document.querySelector('#pane-1').innerText.length > length + 20", arg=before
    )
    chat.locator("#stop").click()
    expect(chat.locator("#status-1")).to_contain_text("已停止")


def test_stop_keeps_what_was_written_and_the_next_question_is_taken(chat: Page) -> None:
    send(chat, "感冒怎么办")
    bot = chat.locator("#pane-1 .bot").first
    expect(bot).to_be_visible()
    send(chat, "第二个问题")
    expect(toast(chat).first).to_contain_text("还在回答中")
    assert chat.locator("#question textarea").input_value() == "第二个问题"
    chat.locator("#stop").click()
    expect(chat.locator("#status-1")).to_contain_text("已停止")
    assert bot.inner_text().strip()
    chat.locator("#send").click()
    expect(chat.locator("#pane-1")).to_contain_text("第二个问题")
    expect(chat.locator("#pane-1")).to_contain_text("感冒怎么办")
    chat.locator("#clear").click()
    expect(chat.locator("#pane-1")).not_to_contain_text("第二个问题")


def test_a_model_changed_in_mid_stream_leaves_no_text_of_the_old_one(chat: Page) -> None:
    send(chat, "感冒怎么办")
    expect(chat.locator("#pane-1 .bot").first).to_be_visible()
    chat.locator("#model-1 input").click()
    chat.get_by_role("option", name="Broken").click()
    expect(chat.locator("#pane-1")).not_to_contain_text("感冒怎么办")
    chat.wait_for_timeout(1500)  # whatever was on its way has arrived by now
    expect(chat.locator("#pane-1 .bot")).to_have_count(0)
    send(chat, "再问")
    expect(chat.locator("#pane-1")).to_contain_text("placeholder of 34 bytes")
    chat.locator("#stop").click()


def test_an_unfinished_answer_cannot_go_into_a_study(chat: Page) -> None:
    send(chat, "感冒怎么办")
    expect(chat.locator("#pane-1 .bot").first).to_be_visible()
    chat.locator("#stop").click()
    expect(chat.locator("#status-1")).to_contain_text("已停止")
    chat.locator("#to-study button").first.click()
    chat.locator("#study-name input").fill("新研究")
    chat.locator("#study-name input").press("Enter")
    chat.locator("#add-to-study").click()
    expect(toast(chat)).to_contain_text("没有完成")


def test_the_page_speaks_english(page: Page, app: AppServer) -> None:
    page.goto(f"{app.url}/en")
    expect(page.get_by_role("tab", name="Compare")).to_be_visible()
    send(page, " ")
    expect(toast(page)).to_contain_text("Please enter a question first")


# -- rating --


class Study:
    """A study of two questions with two answers each, and one rater's code."""

    def __init__(self, app: AppServer, name: str) -> None:
        self.store = Store(app.db)
        study = create_study(self.store, name, seed=7)
        for number in (1, 2):
            answers = [
                NewResponse(model, f"回答{number} <b>{model[-1]}</b>", "stop")
                for model in ("model-x", "model-y")
            ]
            add_question(self.store, study.id, f"问题{number}", answers)
        (invitation,) = invite_raters(self.store, study.id, 1)
        self.code = invitation.code
        self.rater = find_rater(self.store, invitation.code)

    def log(self) -> list[tuple[int, int, int]]:
        with sqlite3.connect(self.store.path) as connection:
            return connection.execute(
                "select safety, usability, fluency from rating_log where rater = ? order by id",
                [self.rater.id],
            ).fetchall()


@pytest.fixture
def study(app: AppServer, request: pytest.FixtureRequest) -> Study:
    return Study(app, request.node.name)


def enter(page: Page, app: AppServer, code: str) -> None:
    page.goto(app.url)
    page.get_by_role("tab", name="医生评分").click()
    page.locator("#rater-code input, #rater-code textarea").first.fill(code)
    page.locator("#rating-begin").click()


def score(page: Page, letter: str, safety: int, usability: int, fluency: int) -> None:
    for name, value in (("safety", safety), ("usability", usability), ("fluency", fluency)):
        page.locator(f"#{name}-{letter} input[type=radio]").nth(value - 1).check()


def expect_scores(page: Page, letter: str, *scores: int) -> None:
    for name, value in zip(("safety", "usability", "fluency"), scores, strict=True):
        box = page.locator(f"#{name}-{letter} input[type=radio]").nth(value - 1)
        expect(box).to_be_checked()


def test_an_unknown_code_is_said_to_be_unknown(page: Page, app: AppServer) -> None:
    enter(page, app, "AAAA-AAAA")
    expect(toast(page)).to_contain_text("没有这个评分码")
    expect(page.locator("#rating-form")).not_to_be_visible()


def test_a_half_scored_answer_keeps_the_page_and_saves_nothing(
    page: Page, app: AppServer, study: Study
) -> None:
    enter(page, app, study.code)
    score(page, "A", 3, 2, 1)
    page.locator("#safety-B input[type=radio]").nth(0).check()
    page.locator("#rating-next").click()
    expect(toast(page)).to_contain_text("回答 B 还缺 实用性、流畅性")
    expect(page.locator("#rating-question")).to_contain_text("问题1")
    assert study.log() == []
    expect_scores(page, "A", 3, 2, 1)


def test_a_rater_goes_on_comes_back_and_changes_a_score(
    page: Page, app: AppServer, study: Study
) -> None:
    enter(page, app, study.code)
    expect(page.locator("#answer-A")).to_contain_text("<b>")
    score(page, "A", 1, 1, 1)
    score(page, "B", 2, 2, 2)
    page.locator("#rating-next").click()
    expect(page.locator("#rating-question")).to_contain_text("问题2")
    expect(page.locator("#rating-saved")).to_contain_text("已保存 2 个回答")
    assert study.log() == [(1, 1, 1), (2, 2, 2)]
    page.locator("#rating-previous").click()
    expect(page.locator("#rating-question")).to_contain_text("问题1")
    expect_scores(page, "A", 1, 1, 1)
    score(page, "A", 3, 1, 1)
    page.locator("#rating-save").click()
    expect(page.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
    assert study.log() == [(1, 1, 1), (2, 2, 2), (3, 1, 1)]


def test_two_tabs_of_one_rater_keep_each_others_scores(
    context: BrowserContext, app: AppServer, study: Study
) -> None:
    old, new = context.new_page(), context.new_page()
    for tab in (old, new):
        enter(tab, app, study.code)
        expect(tab.locator("#rating-form")).to_be_visible()
    score(new, "A", 3, 3, 3)
    new.locator("#rating-save").click()
    expect(new.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
    score(old, "B", 1, 2, 3)
    old.locator("#rating-save").click()
    expect(old.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
    assert study.log() == [(3, 3, 3), (1, 2, 3)], "the old tab must not undo the new one"
    expect_scores(old, "A", 3, 3, 3)
    score(old, "A", 2, 2, 2)
    old.locator("#rating-save").click()
    # The notice of the save before says the same: only the badge tells this one.
    expect(old.locator("#state-A")).to_contain_text("已保存")
    assert study.log()[-1] == (2, 2, 2)


def test_a_locked_database_is_said_and_the_scores_stay_on_the_page(
    page: Page, app: AppServer, study: Study
) -> None:
    enter(page, app, study.code)
    score(page, "A", 2, 3, 2)
    with sqlite3.connect(app.db, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        page.locator("#rating-save").click()
        expect(toast(page)).to_contain_text("没有保存", timeout=30_000)
        other.execute("ROLLBACK")
    assert study.log() == []
    page.locator("#rating-save").click()
    expect(page.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
    assert study.log() == [(2, 3, 2)]


def test_while_a_save_is_under_way_the_form_takes_no_clicks(
    page: Page, app: AppServer, study: Study
) -> None:
    enter(page, app, study.code)
    score(page, "A", 3, 3, 3)
    with sqlite3.connect(app.db, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        page.locator("#rating-save").click()
        expect(page.locator("#rating-form")).to_have_js_property("inert", True)
        other.execute("ROLLBACK")
    expect(page.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
    expect(page.locator("#rating-form")).to_have_js_property("inert", False)
    assert study.log() == [(3, 3, 3)]


def test_leaving_saves_what_was_scored(page: Page, app: AppServer, study: Study) -> None:
    enter(page, app, study.code)
    score(page, "B", 2, 2, 1)
    page.locator("#rating-leave").click()
    expect(page.locator("#rating-entry")).to_be_visible()
    assert study.log() == [(2, 2, 1)]


def test_after_a_kill_saved_scores_are_there_and_an_old_page_says_what_to_do(
    page: Page, tmp_path: Path, models: Path
) -> None:
    with AppServer(tmp_path / "medchat.db", log=tmp_path / "app.log", models=models) as own:
        study = Study(own, "kill")
        enter(page, own, study.code)
        score(page, "A", 1, 2, 3)
        page.locator("#rating-save").click()
        expect(page.locator("#rating-saved")).to_contain_text("已保存 1 个回答")
        own.kill()
        own.start()
        assert study.log() == [(1, 2, 3)]
        score(page, "B", 3, 3, 3)
        page.locator("#rating-save").click()
        expect(toast(page).first).to_contain_text("请重新输入评分码")
        enter(page, own, study.code)
        expect_scores(page, "A", 1, 2, 3)
        assert study.log() == [(1, 2, 3)]


# -- the server --


def test_every_answer_carries_the_security_headers(app: AppServer) -> None:
    for path in ("/", "/en/", "/healthz", "/config"):
        with urllib.request.urlopen(app.url + path, timeout=10) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path


def test_health_names_every_model_with_its_state(app: AppServer) -> None:
    health = app.health()
    assert health["status"] == "ok"
    assert health["database"] == "ok"
    states = {model["name"]: model["state"] for model in health["models"]}
    assert set(states) == {"slow", "broken", "absent"}
    assert states["absent"] == "unavailable"


def test_only_this_machine_is_listened_to(app: AppServer) -> None:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the own address
            own_address = probe.getsockname()[0]
    except OSError:
        own_address = "127.0.0.2"
    if own_address.startswith("127.0.0.1"):
        own_address = "127.0.0.2"
    with socket.socket() as caller:
        caller.settimeout(3)
        assert caller.connect_ex((own_address, app.port)) != 0
