"""What the program is told from outside: settings of the app and of a generation.

Both are frozen, checked once with every problem listed, and passed in; nothing here is global.
"""

import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from medchat.errors import BadInput, message
from medchat.text import shorten
from medchat.validation import problems

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOST_NAME = re.compile(
    r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|[0-9a-f:.]+"
)

Network = IPv4Network | IPv6Network


def project_file(name: str) -> Path:
    """A file that comes along: ``app.py``, ``models.toml`` or something under ``assets``.

    In a checkout they lie beside the packages, in an installed program inside ``medchat``.
    """
    package = Path(__file__).resolve().parent
    installed = package / "project"
    return (installed if installed.is_dir() else package.parent) / name


class Settings(BaseSettings):
    """The app's settings; each is also an environment variable ``MEDCHAT_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="MEDCHAT_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = 7860
    db: Path = Path("data/medchat.db")
    models: Path = project_file("models.toml")
    device: str = "auto"
    dtype: str = "auto"
    backups: Path | None = None
    """Folder for backups of the database; beside it, if none is given."""
    backup_hours: float = 6.0
    """Between two backups while the app runs; 0 for none."""

    coordinator_password: SecretStr | None = None
    """Of the first coordinator's account, if there is none yet; else a random one is made."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names, besides those of this machine, under which browsers reach the app: its public ones."""
    trusted_proxies: Annotated[tuple[Network, ...] | None, NoDecode] = None
    """Addresses or networks whose X-Forwarded-* headers are believed; this machine's, if unset."""
    open_chat: bool | None = None
    """Who may ask the models without signing in: unset, this machine's browsers; true, all but
    raters' browsers; false, nobody."""

    @property
    def listens_locally(self) -> bool:
        """Whether nothing but this machine, and a proxy on it, can connect to the app."""
        return self.host in LOOPBACK

    @property
    def behind_proxy(self) -> bool:
        """Whether a setting says that a proxy stands in front: then no request counts as one of
        this machine's own browsers, as the proxy's requests cannot be told from theirs."""
        public = [name for name in self.allowed_hosts if name not in LOOPBACK]
        return bool(public) or self.trusted_proxies is not None

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _check_hosts(cls, value: Any) -> Any:
        names = [_ascii_host(name.lower().strip("[]").removesuffix(".")) for name in _listed(value)]
        wrong = [name for name in names if not HOST_NAME.fullmatch(name)]
        if wrong:
            raise PydanticCustomError("setting_host", "no host", {"names": ", ".join(wrong)})
        return tuple(names)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _check_proxies(cls, value: Any) -> Any:
        return value if value is None else tuple(_network(item) for item in _listed(value))

    @field_validator("backup_hours")
    @classmethod
    def _check_hours(cls, value: float) -> float:
        if not 0 <= value <= 10_000:
            raise PydanticCustomError("setting_hours", "no number of hours")
        return value

    @field_validator("port")
    @classmethod
    def _check_port(cls, value: int) -> int:
        if not 0 < value < 65536:
            raise PydanticCustomError("setting_port", "no port")
        return value

    @classmethod
    def read(cls, **given: Any) -> "Settings":
        """Settings from ``given`` over the environment; None stands for not given.

        Raises BadInput that lists every setting at fault.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise BadInput("settings_wrong", problems=problems(error)) from error


def _listed(value: Any) -> list[str]:
    """The items of a list, or of a text with commas between them."""
    items = value.split(",") if isinstance(value, str) else value
    return [str(item).strip() for item in items if str(item).strip()]


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise PydanticCustomError("setting_proxy", "no network", {"text": text}) from error


def _ascii_host(name: str) -> str:
    """A name as browsers send it: 医院.cn is asked for as xn--ekrs67m.cn."""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


@dataclass(frozen=True)
class GenerationOptions:
    """How an answer is drawn from a model. Temperature 0 always takes the likeliest token."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0 considers all tokens."""
    repetition_penalty: float = 1.0
    num_beams: int = 1
    """More than one searches with beams: the answer then comes at once, not token by token."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            message(code, name=name, low=low, high=high, value=shorten(repr(value)))
            for name, (code, low, high) in _OPTIONS.items()
            if not _is_within(value := getattr(self, name), code, low, high)
        ]
        if wrong:
            raise BadInput("options_wrong", problems=wrong)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> "GenerationOptions":
        """Options read from a file. Raises BadInput that lists everything at fault."""
        if unknown := sorted(values.keys() - _OPTIONS):
            names = ", ".join(unknown)
            raise BadInput("options_unknown", names=names, known=", ".join(sorted(_OPTIONS)))
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_OPTIONS: dict[str, tuple[str, float, float]] = {
    "max_new_tokens": ("option_whole", 1, 4096),
    "temperature": ("option_number", 0, 5),
    "top_p": ("option_share", 0, 1),
    "top_k": ("option_whole", 0, 1000),
    "repetition_penalty": ("option_number", 0.5, 3),
    "num_beams": ("option_whole", 1, 16),
    "seed": ("option_whole", 0, 2**32 - 1),
}
"""The message for a value that is not what an option takes, the lowest value and the highest."""


def _is_within(value: object, code: str, low: float, high: float) -> bool:
    """Whether an option takes a value; true and false are no numbers, and a share is above 0."""
    kinds = (int,) if code == "option_whole" else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        return False
    return low <= value <= high and not (code == "option_share" and value == low)
