"""Signing in under a flood: a known address does not wait for strangers."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from app_server import PASSWORD, AppServer
from own_loop import run_in_own_loop
from project import NO_MODELS

from eval_ui.web import sign_in
from eval_ui.web.sign_in import MAX_WAITING_SIGN_INS, SignIns

SECONDS = 0.05
"""That a password takes in these tests."""


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many passwords are checked at once, at most, by whether the address is known."""
    now, most = {"known": 0, "unknown": 0}, {"known": 0, "unknown": 0}

    def check(store: Any, name: str, password: str, address: str) -> str:
        now[address] += 1
        most[address] = max(most[address], now[address])
        time.sleep(SECONDS)
        now[address] -= 1
        return "token"

    monkeypatch.setattr(sign_in, "sign_in", check)
    monkeypatch.setattr(sign_in, "knows_address", lambda store, name, address: address == "known")
    return most


def test_a_flood_waits_and_a_known_address_does_not(running: dict[str, int]) -> None:
    sign_ins = SignIns(None)  # type: ignore[arg-type]

    async def flood() -> tuple[list[str | None], float]:
        others = [
            asyncio.create_task(sign_ins.sign_in("anna", "guess", "unknown"))
            for _ in range(MAX_WAITING_SIGN_INS + 20)
        ]
        await asyncio.sleep(SECONDS)
        started = time.monotonic()
        assert await sign_ins.sign_in("anna", "right", "known") == "token"
        seconds = time.monotonic() - started
        return await asyncio.gather(*others), seconds

    answers, seconds = run_in_own_loop(flood())
    assert seconds < 6 * SECONDS
    assert answers.count(None) >= 15
    assert running == {"known": 1, "unknown": 1}


def test_not_more_than_two_known_ones_are_checked_at_once(running: dict[str, int]) -> None:
    sign_ins = SignIns(None)  # type: ignore[arg-type]

    async def together() -> list[str | None]:
        tasks = [sign_ins.sign_in("anna", "right", "known") for _ in range(8)]
        return await asyncio.gather(*tasks)

    assert run_in_own_loop(together()) == ["token"] * 8
    assert running["known"] == 2


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("sign_in")
    with AppServer(folder / "m.db", log=folder / "app.log", models=NO_MODELS) as app:
        yield app


def test_twelve_right_sign_ins_at_once_all_succeed(app: AppServer) -> None:
    with ThreadPoolExecutor(12) as pool:

        def enter(number: int) -> int:
            form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
            headers = {"X-Forwarded-For": f"192.0.2.{number}"} if number % 2 else {}
            return httpx.post(
                f"{app.url}/sign-in", data=form, headers=headers, timeout=60
            ).status_code

        assert list(pool.map(enter, range(12))) == [303] * 12


def test_too_many_at_once_are_told_to_wait(app: AppServer) -> None:
    with (
        ThreadPoolExecutor(60) as pool,
        httpx.Client(base_url=app.url, timeout=60) as known,
    ):
        form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
        assert known.post("/sign-in", data=form).status_code == 303

        def guess(number: int) -> httpx.Response:
            wrong = {"name": f"name{number}", "password": "a wrong password", "to": "/"}
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            return httpx.post(f"{app.url}/sign-in", data=wrong, headers=headers, timeout=60)

        guesses = [pool.submit(guess, number) for number in range(60)]
        assert known.post("/sign-in", data=form).status_code == 303
        answers = [each.result() for each in guesses]
        assert {answer.status_code for answer in answers} <= {401, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert "再试" in answer.text
                assert "try again" in answer.text
