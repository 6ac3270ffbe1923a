"""From a person's record to the canonical form that recipes are made of: the one bridge from the domain to matching."""

from events.person import Person
from matching.normalise.canonical import Canonical, Identifiers, canonical


def canonical_of(person: Person) -> Canonical:
    """The canonical form of what is held about a person. Never raises: what cannot be understood is left out."""
    return canonical(
        Identifiers(
            names=tuple((n.first, n.second) for n in person.names if n.kind != "alias"),
            aliases=tuple(n.first for n in person.names if n.kind == "alias"),
            birth_date=person.birth_date or "",
            gender=person.gender or "",
            citizenships=tuple(sorted(person.citizenships)),
            documents=tuple((d.number, d.issuer or "") for d in person.documents),
        )
    )
