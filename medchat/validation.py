"""What pydantic finds wrong with a file, in the languages of the reader."""

from pydantic import BaseModel, ConfigDict, ValidationError

from medchat.errors import MedchatError, Message
from medchat.text import shorten

_CODES = {
    "extra_forbidden": "key_unknown",
    "missing": "key_missing",
    "string_type": "key_no_text",
    "int_type": "key_no_whole_number",
    "int_parsing": "key_no_whole_number",
    "greater_than_equal": "key_too_small",
    "bool_type": "key_no_switch",
    "bool_parsing": "key_no_switch",
    "list_type": "key_no_list",
    "dict_type": "key_no_table",
    "model_type": "key_no_table",
}


class StrictTable(BaseModel):
    """A table of a file: nothing is converted, and no key is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def problems(error: ValidationError) -> list[Message]:
    """A sentence for each fault: that of a custom error's type, or of one of the kinds above.

    Pydantic's own words stand behind it where there is neither.
    """
    messages = []
    for fault in error.errors(include_url=False):
        key = ".".join(map(str, fault["loc"]))
        details = {"key": key, "value": shorten(repr(fault["input"])), **fault.get("ctx", {})}
        code = _CODES.get(fault["type"], fault["type"])
        is_known = code in MedchatError.catalogue.texts
        messages.append(
            Message(code, details) if is_known else Message("key_wrong", details, fault["msg"])
        )
    return messages
