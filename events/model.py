"""The base of every value that meets the outside: frozen and closed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""

PairName = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[A-Z]{2}$")]
"""Two countries in alphabetical order, joined by a hyphen: `KH-TH`. See `pair_of`."""

PartyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,24}(\.holder)?$")]
"""A country node is `KH`, its key holder `KH.holder`, the matcher `matcher`."""

StaffId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""A member of staff, as the party's own register names one."""

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Value(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, hide_input_in_errors=True)


def pair_of(one: str, other: str) -> str:
    """The name of the pair that two countries make, whichever comes first."""
    if one == other:
        raise ValueError("A pair needs two different countries.")
    return "-".join(sorted((one, other)))


def countries_of(pair: str) -> tuple[str, str]:
    """The two countries of a pair, in order."""
    first, second = pair.split("-")
    return first, second


def other_country(pair: str, country: str) -> str:
    """The pair's other country."""
    first, second = countries_of(pair)
    return second if country == first else first
