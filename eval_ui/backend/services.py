"""What the page works with, and nothing else: settings, models, engine and database."""

from dataclasses import dataclass
from pathlib import Path

from eval_ui.backend.answer_jobs import Answering
from eval_ui.backend.report_cache import Reports
from eval_ui.backend.study_actions import names_of_models
from eval_ui.texts import Texts
from eval_ui.web.access import Access
from eval_ui.web.upload_folder import prepare
from eval_ui.web.uploads import Uploads
from medchat.config import Settings
from medchat.engine import LocalEngine
from medchat.errors import reader_language
from medchat.models import ModelSpec, Registry
from storage import Store, Writer, make_first

PANES = 3


@dataclass(frozen=True)
class Services:
    settings: Settings
    registry: Registry
    engine: LocalEngine
    store: Store
    writer: Writer
    access: Access
    answering: Answering
    reports: Reports
    uploads: Uploads

    @classmethod
    def start(cls, settings: Settings) -> "Services":
        """Open everything; no model is loaded yet.

        Raises MedchatError or StorageError with a sentence for whoever starts the app.
        """
        registry = Registry.read(settings.models)
        store = Store(settings.db)
        _announce_first_account(store, settings)
        engine = LocalEngine(registry, device=settings.device, dtype=settings.dtype)
        answering = Answering(store, engine, registry)
        access = Access(store, open_chat=settings.open_chat)
        reports, uploads, writer = Reports(store), Uploads(prepare()), Writer(store)
        answering.resume()
        return cls(settings, registry, engine, store, writer, access, answering, reports, uploads)

    def close(self) -> None:
        """End what is under way, in the order in which one needs the other."""
        self.answering.close()
        self.engine.close()
        self.writer.close()
        self.uploads.close()

    @property
    def names_of_models(self) -> list[str]:
        """Names and labels of all models: what no rater may read in an answer."""
        return names_of_models(self.registry)

    @property
    def backup_folder(self) -> Path:
        return self.settings.backups or self.settings.db.parent / "backups"

    @property
    def first_models(self) -> list[ModelSpec]:
        """The models in the panes at first: those that can answer, then those that cannot yet."""
        waiting = [spec for spec in self.registry if not spec.available]
        return [*self.registry.available, *waiting][:PANES]


def _announce_first_account(store: Store, settings: Settings) -> None:
    """Make the first coordinator's account, and print its password the one time it is known."""
    own = settings.coordinator_password
    first = make_first(store, own.get_secret_value() if own else None)
    texts = Texts(reader_language())
    if first and own:
        print(texts("first_account_own_password", name=first.name), flush=True)
    elif first:
        print(texts("first_account", name=first.name, password=first.password), flush=True)
