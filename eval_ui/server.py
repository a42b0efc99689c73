"""The web server around the page: security headers, health, downloads, both languages."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import gradio as gr
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from gradio.routes import App

from eval_ui.backend.services import Services
from eval_ui.page import PATHS, create_page
from eval_ui.rating.rating_page import create_rating_page
from eval_ui.rating.rating_routes import PAGES as RATING_PATHS
from eval_ui.rating.rating_routes import rating_routes
from eval_ui.rating.rating_script import RatingScript
from eval_ui.report.exports import export_routes
from eval_ui.texts import Language, Texts
from eval_ui.web.connections import BoundedConnection, allow_files
from eval_ui.web.gate import Gate
from eval_ui.web.page_sessions import MAX_EVENTS
from eval_ui.web.proxies import ProxyHeaders
from eval_ui.web.same_origin import SameOriginGuard
from eval_ui.web.security_headers import SecurityHeaders
from eval_ui.web.sign_in import access_routes
from eval_ui.web.uploads import Uploads
from medchat import __version__
from medchat.config import LOOPBACK, Settings, project_file
from medchat.errors import reader_language
from storage import BackupTimer, StorageError

SECONDS_BETWEEN_TIDYING = 60
SECONDS_KEPT_IDLE = 60
"""Idle connections give way to new ones; a short time would only cut off requests that wait."""
SECONDS_BEFORE_LOADING = 1
"""Importing and loading models takes both cores' time, which the first page needs first."""
SECONDS_TO_SHUT_DOWN = 3
"""Open pages keep a stream open for ever; the end must not wait for them."""


def start(settings: Settings, listener: socket.socket) -> None:
    """Build the app and serve it on ``listener`` until interrupted.

    Raises MedchatError with a sentence for whoever starts the app.
    """
    services = Services.start(settings)
    serve(build(services), services, listener)


def build(services: Services) -> FastAPI:
    """The whole app, ready to be served."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        timer = _backup_timer(services)
        tasks = [
            asyncio.create_task(_remove_old_uploads(services.uploads)),
            asyncio.create_task(_load_first_models(services)),
        ]
        yield
        for task in tasks:
            task.cancel()
        if timer:
            timer.close()
        services.close()

    app = FastAPI(
        title="MedChat", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    # What is added last sees a request first.
    full_pages: dict[str, Any] = {}
    app.add_middleware(Gate, access=services.access, uploads=services.uploads, pages=full_pages)
    app.add_middleware(SameOriginGuard)
    app.add_middleware(ProxyHeaders, settings=services.settings)
    app.add_middleware(SecurityHeaders)
    script = RatingScript()
    for router in (
        _own_routes(services),
        script.routes(),
        access_routes(services.store),
        export_routes(services.store, services.access, services.reports),
        rating_routes(services.store, services.writer),
    ):
        app.include_router(router)
    # The longer path first: "/" answers for everything that is left.
    for path, page in sorted(_pages(services).items(), key=lambda item: -len(item[0])):
        _mount_page(app, page, path, services.settings, script.head)
        if path in PATHS.values():
            full_pages[path.rstrip("/")] = page.app
    return app


def _own_routes(services: Services) -> APIRouter:
    """Health, and the paths without their last slash or language."""
    routes = APIRouter()

    @routes.get("/healthz")
    def healthz(request: Request) -> JSONResponse:
        access = services.access
        named = access.may_chat(access.visitor(request))
        return JSONResponse(*_health(services, named=named))

    redirects = {"/en": PATHS["en"], "/rate": RATING_PATHS["zh"], "/en/rate": RATING_PATHS["en"]}
    for path, target in redirects.items():
        routes.add_api_route(path, _redirect(target))
    return routes


def _redirect(target: str) -> Callable[[], RedirectResponse]:
    def redirect() -> RedirectResponse:
        return RedirectResponse(target)

    return redirect


def _mount_page(app: FastAPI, page: gr.Blocks, path: str, settings: Settings, head: str) -> None:
    gr.mount_gradio_app(
        app,
        page.queue(api_open=False, max_size=MAX_EVENTS),
        path=path.rstrip("/") or "/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        theme=_theme(),
        css_paths=[project_file("assets/style.css")],
        head=head,
    )


async def _load_first_models(services: Services) -> None:
    """Load the models that the page shows first, behind it."""
    await asyncio.sleep(SECONDS_BEFORE_LOADING)
    services.engine.preload([spec.name for spec in services.first_models])


async def _remove_old_uploads(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_TIDYING)
        uploads.remove_old()


def _backup_timer(services: Services) -> BackupTimer | None:
    settings = services.settings
    if not settings.backup_hours:
        return None

    def complain(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    return BackupTimer(services.store, services.backup_folder, settings.backup_hours, complain)


def _pages(services: Services) -> dict[str, gr.Blocks]:
    """Every page by its path: the whole app in both languages, and the rating alone."""
    languages: tuple[tuple[Language, Language], ...] = (("zh", "en"), ("en", "zh"))
    with _no_web_apps():
        pages = {path: create_page(services, language) for language, path in PATHS.items()}
        rating_pages = {
            RATING_PATHS[language]: create_rating_page(language, RATING_PATHS[other])
            for language, other in languages
        }
    return pages | rating_pages


@contextmanager
def _no_web_apps() -> Iterator[None]:
    """Gradio makes a web app at the beginning and at the end of every Blocks, a tenth of a second
    each. Used are only those that it makes again when Blocks are queued and mounted."""
    create_app = App.create_app
    App.create_app = lambda *_, **__: None  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        App.create_app = staticmethod(create_app)  # type: ignore[method-assign]


def serve(app: FastAPI, services: Services, listener: socket.socket) -> None:
    """Serve until interrupted."""
    settings = services.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    texts = Texts(reader_language())
    if settings.host not in LOOPBACK:
        print(texts("open_to_others"), file=sys.stderr, flush=True)
    address = f"http://{host}:{settings.port}"
    print(texts("serving", version=__version__, address=address), flush=True)
    allow_files()
    # SIGTERM ends the program as Ctrl-C does, so that what is registered for its end is done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        proxy_headers=False,  # ProxyHeaders does that, and knows whom to believe
        log_level="warning",
        timeout_keep_alive=SECONDS_KEPT_IDLE,
        timeout_graceful_shutdown=SECONDS_TO_SHUT_DOWN,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # which uvicorn passes on when all has been shut down
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def _health(services: Services, *, named: bool) -> tuple[dict[str, Any], int]:
    """The content of /healthz and its status: 503 while the database cannot be used.

    Models are ``named`` to who may ask them; others do not read either where the database lies.
    """
    database = "ok"
    try:
        services.store.check()
    except StorageError as error:
        database = str(error) if named else "error"
    ok = database == "ok"
    states = services.engine.states()
    content = {
        "status": "ok" if ok else "error",
        "version": __version__,
        "models": [{"name": name, "state": state} for name, state in states.items() if named],
        "database": database,
    }
    return content, 200 if ok else 503


def _theme() -> gr.themes.Base:
    """Fonts of the reader's own machine only: nothing is fetched."""
    fonts = ("system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
    return gr.themes.Soft(
        primary_hue="teal",
        neutral_hue="slate",
        font=fonts,
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        # White on the theme's own light teal is too faint to read.
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        block_label_text_color="*primary_800",
        block_title_text_color="*primary_800",
        block_title_text_color_dark="white",
        # An empty field on white must look like one, and its hint must be readable.
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        checkbox_border_width="1px",
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_400",
        button_secondary_border_color="*neutral_400",
        button_secondary_border_color_dark="*neutral_500",
        button_border_width="1px",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )
