"""Answers as streams of events: one interface, whatever runs the model behind it."""

from medchat.engine.base import Engine, Ticket, astream, stream
from medchat.engine.events import Delta, End, Event, FinishReason, Request
from medchat.engine.local import LocalEngine

__all__ = [
    "Delta",
    "End",
    "Engine",
    "Event",
    "FinishReason",
    "LocalEngine",
    "Request",
    "Ticket",
    "astream",
    "stream",
]
