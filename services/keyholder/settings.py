"""The settings of a key holder."""

from services.runtime.settings import PartySettings


class KeyHolderSettings(PartySettings):
    """What a key holder is told beside what every party is."""

    country: str | None = None
    """Whose holder it is; by default the name of the home folder says it: `KH.holder`."""

    @property
    def party(self) -> str:
        return f"{self.country}.holder" if self.country else super().party
