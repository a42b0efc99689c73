"""Models in this process: scheduling, decoding, batches."""

from medchat.engine.local.scheduler import LocalEngine

__all__ = ["LocalEngine"]
