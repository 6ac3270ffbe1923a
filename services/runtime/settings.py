"""The settings of one party's process: frozen, built once in its `main()`, passed down from there.

Nothing else reads the environment. Secrets are files in the home folder, named here and never read into a setting,
so that neither `env` nor a process list shows one.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from keys.errors import SourceInvalid
from keys.kek import Source, source
from services.runtime.errors import InputInvalid, SettingsInvalid


def _listed(value: object) -> object:
    """`a, b` from the environment becomes ("a", "b")."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _servers(value: tuple[str, ...]) -> tuple[str, ...]:
    for server in value:
        if not re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", server):
            raise ValueError("a bootstrap server is written host:port")
    return value


def _source(value: str) -> str:
    try:
        source(value)
    except SourceInvalid as error:
        raise ValueError(str(error)) from error
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class PartySettings(BaseSettings):
    """What every party's process is told. Each field is `SAMAKI_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="SAMAKI_", frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Path
    """The party's own folder: keys, stores, staff. Nobody else reads it."""
    charter: Path
    """The region's signed charter."""
    bootstrap: Annotated[Words, AfterValidator(_servers)] = ("127.0.0.1:9092",)
    """Kafka's first servers, `host:port`, separated by commas."""
    kafka_ca: Path | None = None
    """The authority that signed the brokers' certificates (PEM)."""
    kafka_certificate: Path | None = None
    """This party's client certificate (PEM)."""
    kafka_key: Path | None = None
    """Its private key (PEM)."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    """0: any free port; which one stands in `port_file`."""
    http_anywhere: bool = False
    """Whether `http_host` may be an address that other machines reach. Then put TLS in front."""
    http_tls: bool = False
    """Pages are reached through TLS (a proxy in front): session cookies are for TLS only."""
    http_names: Words = ()
    """Names, besides those of loopback, under which this service answers."""
    body_limit: int = Field(default=1 << 20, ge=1024)
    """Most bytes of one request."""
    database_file: Path | None = None
    """A file with the PostgreSQL address of the store; it may hold a password. None: SQLite in the home folder."""
    kek: Annotated[str, AfterValidator(_source)] | None = None
    """Where the key-encryption key comes from, as `keys.kek.source` reads it. None: the file `kek` in the home."""
    log_file: Path | None = None
    """Where log lines go. None: standard output."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if len({p is None for p in (self.kafka_ca, self.kafka_certificate, self.kafka_key)}) > 1:
            raise ValueError("kafka_ca, kafka_certificate and kafka_key are given together or not at all")
        return self

    @property
    def party(self) -> str:
        """Who this process is: the charter's id, by default the name of the home folder."""
        return self.home.name

    @property
    def kek_source(self) -> Source:
        """Where the key-encryption key comes from."""
        return source(self.kek or f"file:{self.home.absolute() / 'kek'}")

    @property
    def ring(self) -> Path:
        return self.home / "ring.json"

    @property
    def store(self) -> Path:
        return self.home / "store.db"

    @property
    def persons(self) -> Path:
        """People's data keys, apart from the store (country nodes only)."""
        return self.home / "persons.db"

    @property
    def staff(self) -> Path:
        return self.home / "staff.json"

    @property
    def port_file(self) -> Path:
        return self.home / "port"

    @property
    def database_url(self) -> str:
        """Where the store is, for `events.database`. Raises InputInvalid if the file that says so cannot be read."""
        if self.database_file is None:
            return f"sqlite:///{self.store}"
        try:
            return self.database_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputInvalid(f"The database file {self.database_file} cannot be read: {_why(error)}.") from error

    @classmethod
    def load(cls, **given: object) -> Self:
        """The settings from the environment, with those of the command line before them. Raises SettingsInvalid."""
        chosen = {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**chosen)  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsInvalid(_sentence([(e["loc"], e["msg"]) for e in error.errors()])) from error


def _sentence(found: Sequence[tuple[tuple[int | str, ...], str]]) -> str:
    parts = [f"{'SAMAKI_' + str(where[0]).upper() if where else 'Together'}: {why}" for where, why in found]
    return "Settings are missing or wrong. " + "; ".join(parts) + "."


def _why(error: Exception) -> str:
    return (error.strerror or "no reason given") if isinstance(error, OSError) else "it is not UTF-8"
