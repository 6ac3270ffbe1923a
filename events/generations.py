"""The generations of pairs' keys: who offered what to a refresh, and which generation is active.

A generation after the first is active once the holders of both countries have introduced their shares of it, and each
share is the former one moved by exactly what both had offered (keys.refresh): so K is unchanged, and a holder that
moves its share otherwise has made no key. An outside body's share stays as it is. Found out as soon as the last piece
is learned, in whatever order two holders' streams are read. Until then, and if one of the two never answers, the former
generation is the active one.

Refuses an offer in another's name, a second one for one place, and a part revealed that was not offered.
"""

from dataclasses import dataclass
from typing import Final

from events.charter import own_holders
from events.database import Transaction
from events.errors import Refused
from events.messages import Item, RefreshOffered, RefreshRevealed
from keys import group, refresh, seal
from keys.errors import KeysError

TABLES: Final = (
    # box: NULL until the part is revealed
    """CREATE TABLE IF NOT EXISTS directory_refreshes (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, holder TEXT NOT NULL,
        base BIGINT NOT NULL, public TEXT NOT NULL, seal_to TEXT NOT NULL, reason TEXT NOT NULL, box BLOB,
        PRIMARY KEY (pair, epoch, generation, holder))""",
    """CREATE TABLE IF NOT EXISTS directory_active (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL,
        PRIMARY KEY (pair, epoch, generation))""",
)
MOST: Final = 64
"""Generations of one epoch for one pair: a refresh a month makes a dozen in its year."""
_COLUMNS: Final = "pair, epoch, generation, holder, base, public, seal_to, reason"


@dataclass(frozen=True, slots=True)
class Offer:
    """What one holder offered to a refresh. `box`: its part, sealed to the other; None: not revealed yet."""

    holder: str
    generation: int
    base: int
    public: bytes
    seal_to: bytes
    box: bytes | None


def learn_offer(tx: Transaction, writer: str, item: RefreshOffered) -> None:
    """Keep an offer of a holder of the pair; again changes nothing. Raises Refused."""
    row = (item.pair, item.epoch, item.generation, item.holder, item.base, item.public, item.seal_to, item.reason)
    known = tx.execute(
        f"SELECT {_COLUMNS} FROM directory_refreshes"  # noqa: S608  names of ours
        " WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?",
        row[:4],
    )
    if known:
        if known != [row]:
            raise Refused("offer_changed", f"{writer} offered something else to a refresh than it had before.")
        return
    if not 0 <= item.base < item.generation < MOST:
        raise Refused("no_such_generation", f"{writer} offers to refresh {item.base} into {item.generation}.")
    try:
        group.validate([bytes.fromhex(item.public)])
        seal.seal_to(bytes.fromhex(item.seal_to), b"", b"")
    except KeysError as error:
        raise Refused("weak_offer", f"{writer} offers to a refresh what moves or hides nothing.") from error
    tx.execute("INSERT INTO directory_refreshes VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
    settle(tx, item.pair, item.epoch)


def learn_reveal(tx: Transaction, writer: str, item: RefreshRevealed) -> None:
    """Keep what a holder sealed to the other; the first one counts. Raises Refused."""
    place = (item.pair, item.epoch, item.generation, item.holder)
    known = tx.execute(
        "SELECT box FROM directory_refreshes WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?", place
    )
    if not known:
        raise Refused("no_such_offer", f"{writer} revealed what it had not offered to a refresh.")
    if len(item.box) != refresh.BOX:
        raise Refused("no_such_part", f"{writer} revealed {len(item.box)} bytes; a sealed part has {refresh.BOX}.")
    if known[0][0] is None:
        tx.execute(
            "UPDATE directory_refreshes SET box = ? WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?",
            (item.box, *place),
        )
    elif bytes(known[0][0]) != item.box:
        raise Refused("part_changed", f"{writer} revealed another part than before to one refresh.")


def is_offered(tx: Transaction, pair: str, epoch: int, generation: int, holder: str) -> bool:
    """Whether this holder has offered its part to the refresh that makes this generation."""
    return bool(
        tx.execute(
            "SELECT 1 FROM directory_refreshes WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?",
            (pair, epoch, generation, holder),
        )
    )


def active(tx: Transaction, pair: str, epoch: int, holders: int = 2) -> int | None:
    """The newest generation that tokens can be made under; None: a share is missing.

    holders  how many holders there are: an outside body's share is of the first generation, and of all after it
    """
    first = tx.execute(
        "SELECT COUNT(*) FROM directory_shares WHERE pair = ? AND epoch = ? AND generation = 0", (pair, epoch)
    )
    if first[0][0] < holders:
        return None
    rows = tx.execute("SELECT MAX(generation) FROM directory_active WHERE pair = ? AND epoch = ?", (pair, epoch))
    return int(rows[0][0] or 0)


def offers(tx: Transaction, pair: str, epoch: int) -> dict[int, dict[str, Offer]]:
    """Generation -> holder -> offer, oldest first."""
    rows = tx.execute(
        "SELECT generation, holder, base, public, seal_to, box FROM directory_refreshes WHERE pair = ? AND epoch = ?"
        " ORDER BY generation, holder",
        (pair, epoch),
    )
    out: dict[int, dict[str, Offer]] = {}
    for generation, holder, base, public, seal_to, box in rows:
        revealed = None if box is None else bytes(box)
        offer = Offer(holder, generation, base, bytes.fromhex(public), bytes.fromhex(seal_to), revealed)
        out.setdefault(generation, {})[holder] = offer
    return out


def said_by(tx: Transaction, holder: str) -> list[Item]:
    """What a holder has to say again of its refreshes: every offer, and every part that it revealed."""
    rows = tx.execute(f"SELECT {_COLUMNS}, box FROM directory_refreshes WHERE holder = ?", (holder,))  # noqa: S608
    out: list[Item] = []
    for *columns, box in rows:
        fields = dict(zip(_COLUMNS.split(", "), columns, strict=True))
        out.append(RefreshOffered.model_validate(fields))
        if box is not None:
            place = {name: fields[name] for name in ("pair", "epoch", "generation", "holder")}
            out.append(RefreshRevealed.model_validate({**place, "box": bytes(box)}))
    return out


def settle(tx: Transaction, pair: str, epoch: int) -> None:
    """Note every generation that has become active, oldest first, since one is the base of the next."""
    rows = tx.execute("SELECT generation FROM directory_active WHERE pair = ? AND epoch = ?", (pair, epoch))
    known = {generation for (generation,) in rows}
    shares = _shares(tx, pair, epoch)
    for generation, offered in offers(tx, pair, epoch).items():
        base = next(iter(offered.values())).base
        base_is_active = base in known or (base == 0 and shares.get(0, {}).keys() >= set(own_holders(pair)))
        if generation not in known and base_is_active and is_whole(shares, offered, generation):
            tx.execute("INSERT INTO directory_active VALUES (?, ?, ?)", (pair, epoch, generation))
            known.add(generation)


def is_whole(shares: dict[int, dict[str, bytes]], offered: dict[str, Offer], generation: int) -> bool:
    """Whether both holders have moved their shares into this generation by what both had offered.

    shares   generation -> holder -> public share
    """
    introduced = shares.get(generation, {})
    return len(introduced) == 2 and all(fits(shares, offered, generation, holder) for holder in introduced)


def fits(shares: dict[int, dict[str, bytes]], offered: dict[str, Offer], generation: int, holder: str) -> bool | None:
    """Whether one holder's share of a generation is its former one moved by what both had offered.

    None   that cannot be told: not all that it takes is known
    """
    own = offered.get(holder)
    (other,) = [offer for name, offer in offered.items() if name != holder] or (None,)
    before = shares.get(own.base, {}).get(holder) if own else None
    if own is None or other is None or before is None:
        return None
    after = shares[generation][holder]
    return own.base == other.base and refresh.is_moved(before, own.public, other.public, after)


def _shares(tx: Transaction, pair: str, epoch: int) -> dict[int, dict[str, bytes]]:
    rows = tx.execute(
        "SELECT generation, holder, public FROM directory_shares WHERE pair = ? AND epoch = ?", (pair, epoch)
    )
    out: dict[int, dict[str, bytes]] = {}
    for generation, holder, public in rows:
        out.setdefault(generation, {})[holder] = bytes.fromhex(public)
    return out
