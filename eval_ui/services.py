"""What the page works with, and nothing else: settings, models, engine and database."""

from dataclasses import dataclass

from medchat.config import Settings
from medchat.engine import LocalEngine
from medchat.models import ModelSpec, Registry
from storage import Store, Writer

PANES = 3


@dataclass(frozen=True)
class Services:
    settings: Settings
    registry: Registry
    engine: LocalEngine
    store: Store
    writer: Writer

    @classmethod
    def start(cls, settings: Settings) -> "Services":
        """Open everything and begin to load the models that the page shows first.

        Raises MedchatError or StorageError with a sentence for whoever starts the app.
        """
        registry = Registry.read(settings.models)
        store = Store(settings.db)
        engine = LocalEngine(registry, device=settings.device, dtype=settings.dtype)
        services = cls(settings, registry, engine, store, Writer(store))
        engine.preload([spec.name for spec in services.first_models])
        return services

    @property
    def first_models(self) -> list[ModelSpec]:
        """The models in the panes at first: those that can answer, then those that cannot yet."""
        waiting = [spec for spec in self.registry if not spec.available]
        return [*self.registry.available, *waiting][:PANES]
