"""What the browser tests of a worker share: one running app, and a study for each test."""

from collections.abc import Iterator

import pytest
from app_server import AppServer
from rating_steps import RatedStudy


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("app")
    with AppServer(folder / "medchat.db", log=folder / "app.log") as server:
        yield server


@pytest.fixture
def study(app: AppServer, request: pytest.FixtureRequest) -> RatedStudy:
    return RatedStudy(app.db, request.node.name)
