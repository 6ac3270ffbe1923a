"""The settings of the matcher."""

from typing import Annotated

from pydantic import AfterValidator

from keys.errors import SourceInvalid
from keys.hsm import TokenAddress
from services.runtime.settings import PartySettings


def _in_token(value: str) -> str:
    try:
        TokenAddress.of(value)
    except SourceInvalid as error:
        raise ValueError(str(error)) from error
    return value


class MatcherSettings(PartySettings):
    """What the matcher is told beside what every party is."""

    pepper: Annotated[str, AfterValidator(_in_token)] | None = None
    """The token in which peppers are made, and how their names begin:
    `pkcs11:token=T;object=O?module-path=PATH&pin-source=PATH`. None: they stand in the ring."""

    @property
    def pepper_token(self) -> TokenAddress | None:
        return TokenAddress.of(self.pepper) if self.pepper else None

    @property
    def party(self) -> str:
        """Its name in every charter."""
        return "matcher"
