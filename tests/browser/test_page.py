"""The page under bad input and bad luck, in a real Chromium: a sentence each, and nothing lost."""

import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from app_server import AppServer
from model_fixtures import TEXTS
from playwright.sync_api import Page, expect
from transformers import LlamaConfig, LlamaForCausalLM

from eval_ui.server import _health
from medchat.training.tokenizers import train_llama_tokenizer
from storage import StorageError

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
    expect(chat.locator("#pane-2")).to_contain_text(re.compile("无法回答.*34 字节的占位文件"))
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
    expect(chat.locator("#pane-1")).to_contain_text("34 字节的占位文件")
    chat.locator("#stop").click()


def test_an_unfinished_answer_cannot_go_into_a_study(chat: Page, app: AppServer) -> None:
    app.sign_in(chat.context)
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


# -- the server --


def test_every_answer_carries_the_security_headers(app: AppServer) -> None:
    for path in ("/", "/en/", "/healthz", "/rate/"):
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


@pytest.mark.parametrize("named", [True, False])
def test_health_tells_strangers_neither_models_nor_where_the_database_is(named: bool) -> None:
    store, engine = Mock(), Mock()
    store.check.side_effect = StorageError("database_missing", path="/srv/secret/medchat.db")
    engine.states.return_value = {"slow": "ready"}
    content, status = _health(Mock(store=store, engine=engine), named=named)
    assert (status, content["status"]) == (503, "error")
    assert list(content) == ["status", "version", "models", "database"]
    assert ("/srv/secret/medchat.db" in content["database"]) == named
    assert bool(content["models"]) == named
    store.check.side_effect = None
    content, status = _health(Mock(store=store, engine=engine), named=named)
    assert (status, content["status"], content["database"]) == (200, "ok", "ok")


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
