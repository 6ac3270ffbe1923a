"""The settings of a country's node."""

from services.runtime.settings import PartySettings


class CountrySettings(PartySettings):
    """What a country's node is told beside what every party is."""

    country: str | None = None
    """Its country code; by default the name of the home folder."""
    body_limit: int = 64 << 20
    """A file of people may be large."""

    @property
    def party(self) -> str:
        return self.country or super().party
