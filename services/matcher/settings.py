"""The settings of the matcher."""

from services.runtime.settings import PartySettings


class MatcherSettings(PartySettings):
    """What the matcher is told: what every party is."""

    @property
    def party(self) -> str:
        """Its name in every charter."""
        return "matcher"
