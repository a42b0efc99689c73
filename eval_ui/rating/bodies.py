"""What the rating page sends, checked field by field before anything is stored.

Ranges and lengths are ``storage``'s rules; here each value gets its type.
"""

import json
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from eval_ui.rating.rating_page import SKIPS
from eval_ui.texts import PageError
from medchat.errors import MedchatError
from medchat.scale import FLAGS
from storage import Profile, RatingEntry, Scores, Span, StorageError

MAX_BODY = 64 * 1024


def _no_truth(value: object) -> object:
    """True and False count as numbers in Python, and are none that somebody entered."""
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _ScoresBody(_Body):
    safety: Any = None
    usability: Any = None
    fluency: Any = None


class _SpanBody(_Body):
    start: int
    end: int
    kind: str


class SaveBody(_Body):
    """One rating, upon the save ``base`` ("" for none; null, from pages of old, for any)."""

    item: str = ""
    key: str = ""
    base: str | None = None
    scores: _ScoresBody | None = None
    skipped: Literal[("", *SKIPS)] = ""  # type: ignore[valid-type]
    comment: str = ""
    flags: list[Literal[FLAGS]] = []  # type: ignore[valid-type]
    spans: list[_SpanBody] = []
    active_seconds: Annotated[float | None, BeforeValidator(_no_truth)] = None

    @property
    def entry(self) -> RatingEntry:
        return RatingEntry(
            item=self.item,
            scores=Scores(**dict(self.scores)) if self.scores else None,
            idempotency_key=self.key,
            comment=self.comment,
            flags=self.flags,
            spans=[Span(**dict(span)) for span in self.spans],
            skipped=self.skipped,
            active_seconds=self.active_seconds,
            base=self.base,
        )


class ProfileBody(_Body):
    """What a rater says about themselves, and the consent that was given with it."""

    agreed: Literal[True]
    specialty: str = ""
    title: str = ""
    years: Any = None
    name: str = ""
    language: str = "zh"

    @property
    def profile(self) -> Profile:
        return Profile(self.specialty, self.title, self.years, self.name)


AnyBody = TypeVar("AnyBody", bound=_Body)


async def read_body(request: Request, model: type[AnyBody]) -> AnyBody:
    """What a page sent.

    Raises:
        PageError: not_json, body_too_long.
        StorageError: the code for the first field that is at fault.
    """
    kind = request.headers.get("content-type", "").split(";")[0]
    if kind.strip().lower() != "application/json":
        raise PageError("not_json", remainder=kind)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise PageError("body_too_long")
    try:
        # Half a character, as where an emoji was cut in two, is no reason to lose a rating.
        text = json.dumps(json.loads(content), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError) as error:
        raise PageError("not_json") from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _fault(error) from error


def _fault(error: ValidationError) -> MedchatError:
    """The sentence for the first value that is at fault."""
    fault: Any = error.errors(include_url=False)[0]
    field = fault["loc"][0] if fault["loc"] else ""
    value = repr(fault["input"])[:60]
    match field:
        case "scores":
            return StorageError("nothing_to_save")
        case "flags" | "skipped":
            return StorageError("flag_not_allowed", flag=value)
        case "spans":
            return StorageError("span_not_allowed")
        case "active_seconds":
            return StorageError("active_seconds_out_of_range", value=value)
        case "agreed":
            return StorageError("consent_missing")
    return PageError("not_json", remainder=f"{field}: {fault['msg']}")
