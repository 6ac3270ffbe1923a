"""What attackers do with what they stole: guess with shares and the matcher's secrets, and forge envelopes."""

import hmac
from collections.abc import Iterable, Mapping, Sequence

from regions import LiveRegion, csv_of

from events.envelope import Envelope, pack, unpack
from events.htcds.rows import read_rows
from events.messages import Body
from keys import group, labels
from matching import recipes, tokens
from matching.normalise.canonical import Identifiers, canonical

Row = Mapping[str, str]
"""HTCDS columns of somebody whom the attacker looks for."""


def inputs_of(region: LiveRegion, row: Row) -> list[tuple[str, bytes]]:
    """(recipe, input) of every slot that this person would fill: what anybody can compute of a name."""
    ((person,), _) = read_rows(csv_of([row]), region.clock.now().date())
    record = canonical(
        Identifiers(
            names=((person.first_name, person.second_name),),
            aliases=(),
            birth_date=person.birth_date,
            gender=person.gender,
            citizenships=person.citizenships,
            documents=((person.document_number, person.citizenships[0] if person.citizenships else ""),),
        )
    )
    slots = region.charter.slots
    return [(r, one) for r, one in zip(slots, recipes.inputs(record, slots), strict=True) if one is not None]


def share_of(region: LiveRegion, holder: str, pair: str) -> bytes:
    """A holder's secret share, out of its stolen ring."""
    return region.ring(holder).secret("share", f"{pair}/{region.charter.matching_epoch}/0")


def guesses(region: LiveRegion, row: Row, shares: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """(recipe, element) of a person's inputs raised to the sum of these shares."""
    inputs = inputs_of(region, row)
    hashed = group.hash_to_group([one for _, one in inputs], labels.TOKEN_TO_GROUP)
    raised = [group.multiply(hashed, share) for share in shares]
    total = raised[0]
    for more in raised[1:]:
        total = group.add(total, more)
    return [(recipe, element) for (recipe, _), element in zip(inputs, total, strict=True)]


def is_found(
    region: LiveRegion, pair: str, country: str, elements: Iterable[tuple[str, bytes]], pepper: bytes | None = None,
    epoch: int = 1,
) -> bool:
    """Whether the matcher's database holds, for a country's records of a pair, an index of one of these elements."""
    if pepper is None:
        pepper = region.ring("matcher").secret("pepper", f"matcher/pepper/{pair}/{epoch}")
    wanted = {
        hmac.digest(pepper, tokens.index(pair, epoch, recipe, tokens.Token(element)), "sha256")
        for recipe, element in elements
    }
    with region.databases["matcher"].reading() as tx:
        held = tx.execute("SELECT peppered FROM slots WHERE country = ?", (country,))
    return not wanted.isdisjoint(bytes(row[0]) for row in held)


# ---- envelopes


def forged(
    region: LiveRegion, like: Envelope, signer: str, *, body: Body | None = None, box: bytes | None = None, **header: object
) -> bytes:
    """An envelope like another one, as a thief of `signer`'s key can make it.

    body    sealed to the reader anew
    box     sealed bytes that stand in the place of the body as they are
    header  fields that differ
    """
    key = region.ring(signer).primary("signing")
    fields = {"key_id": key.id, **header}
    made = like.header.model_copy(update=fields)
    reader = made.recipient
    known = None
    if reader is not None:
        directory = next(p for p in region.parties.values())._post.directory
        known = directory.sealing_key(reader, region.clock.now())
        if known is not None and body is not None:
            made = made.model_copy(update={"sealing_key": known.id})
    plain = (body or Body()).model_dump_json().encode()
    seed = region.ring(signer).secret("signing", key.id)
    if box is not None:
        return pack(made, box, seed=seed, recipient=None).wire
    return pack(made, plain, seed=seed, recipient=known.public if known else None).wire


def next_header(last: Envelope) -> dict[str, object]:
    """The fields that make an envelope the next one of a stream."""
    return {"seq": last.header.seq + 1, "prev": last.hash.hex()}


def log_of(region: LiveRegion, topic: str, partition: int = 0) -> list[bytes]:
    """The carrier's own records of a topic, to be tampered with."""
    return region.stream._logs[topic, partition]


def last_of(region: LiveRegion, topic: str) -> Envelope:
    return unpack(log_of(region, topic)[-1])
