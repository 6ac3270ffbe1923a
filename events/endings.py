"""Agreements that ended: what holders say when they have destroyed their shares of a pair, and the matcher when it has
dropped the pair's rows. Kept for ever.

An agreement ends by either side alone: the first holder that says so ends it, whatever the others do, for without its
share no token can be made again. What was said counts until a charter takes the pair up again in a later matching epoch
(Charter.agreed_from): a version that goes on naming the pair revives nothing
(docs/adr/0020-an-agreement-ends-by-what-a-holder-says.md).

Refused: an end by whoever holds no share of the pair, or in another holder's name; one that two custodians of the side
that ends it have not approved; a second, different account of what was dropped.
"""

from dataclasses import dataclass
from typing import Final

from events.charter import Charter
from events.database import Transaction
from events.errors import Refused
from events.messages import AgreementDropped, AgreementEnded, EndReason, Item
from keys.epochs import MOST

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS directory_endings (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, party TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
        item TEXT NOT NULL, PRIMARY KEY (pair, epoch, party))""",
)
FOLLOWING: Final[frozenset[EndReason]] = frozenset({"other_side", "charter"})
"""Reasons of a holder that only follows: the other side, or all members in the charter, have ended it."""
CUSTODIANS: Final = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """One agreement that is over.

    said     what each holder has said of it, the first to end it first; nothing: only the charter has
    dropped  what the matcher has said
    """

    pair: str
    said: tuple[AgreementEnded, ...]
    dropped: AgreementDropped | None


def learn_end(tx: Transaction, charter: Charter, writer: str, item: AgreementEnded) -> None:
    """A holder has destroyed its share. Said again it changes nothing: the first word stands. Raises Refused."""
    if item.holder != writer:
        raise Refused("not_its_own", f"{writer} ended an agreement in another holder's name.")
    if item.pair not in (*charter.pairs, *charter.ended_pairs) or writer not in charter.holders_of(item.pair):
        raise Refused("not_a_holder", f"{writer} ended the agreement of {item.pair}, of which it holds no share.")
    needed = 0 if item.reason in FOLLOWING else CUSTODIANS
    if len(item.custodians) != needed or len(set(item.custodians)) != needed:
        raise Refused("not_approved", f"{writer} ended {item.pair} without the names of {needed} custodians.")
    _keep(tx, charter, writer, item)


def learn_drop(tx: Transaction, charter: Charter, writer: str, item: AgreementDropped) -> None:
    """The matcher has dropped a pair's rows. Raises Refused: another party's word, or another account than before."""
    if writer != "matcher":
        raise Refused("not_the_matcher", f"{writer} speaks of rows that only the matcher has.")
    if item.pair not in (*charter.pairs, *charter.ended_pairs):
        raise Refused("no_such_pair", f"{writer} dropped {item.pair}, which never agreed.")
    known = _keep(tx, charter, writer, item)
    if isinstance(known, AgreementDropped) and known.commitment != item.commitment:
        raise Refused("account_changed", f"{writer} gave two accounts of what it dropped of {item.pair}.")


def ended(tx: Transaction, charter: Charter) -> dict[str, Ended]:
    """Pair -> how it ended, of those that agree no more."""
    said: dict[str, list[AgreementEnded]] = {}
    dropped: dict[str, AgreementDropped] = {}
    for item in _items(tx):
        if item.epoch < charter.agreed_from(item.pair):
            continue  # of an agreement before the one that stands
        if isinstance(item, AgreementEnded):
            said.setdefault(item.pair, []).append(item)
        else:
            dropped[item.pair] = item
    pairs = sorted({*charter.ended_pairs, *said})
    return {pair: Ended(pair, tuple(said.get(pair, ())), dropped.get(pair)) for pair in pairs}


def is_ended(tx: Transaction, charter: Charter, pair: str) -> bool:
    """Whether a pair agrees no more: by the charter, or because a holder of it has said so."""
    return pair in charter.ended_pairs or bool(
        tx.execute(
            "SELECT 1 FROM directory_endings WHERE pair = ? AND kind = 'agreement_ended' AND epoch >= ?",
            (pair, charter.agreed_from(pair)),
        )
    )


def has_said(tx: Transaction, charter: Charter, party: str, pair: str) -> bool:
    """Whether this party itself has said that the pair is over."""
    return bool(
        tx.execute(
            "SELECT 1 FROM directory_endings WHERE pair = ? AND party = ? AND epoch >= ?",
            (pair, party, charter.agreed_from(pair)),
        )
    )


def newest_epoch(tx: Transaction, charter: Charter, pair: str) -> int:
    """The newest epoch that a pair's key has had: the one that an end names, so that it is the end of all before."""
    rows = tx.execute("SELECT MAX(epoch) FROM directory_shares WHERE pair = ?", (pair,))
    return max(charter.matching_epoch, int(rows[0][0] or 0))


def said_by(tx: Transaction, party: str) -> list[Item]:
    """What a party has to say again of ends when its stream begins anew: all, for ever."""
    return list(_items(tx, party))


def _keep(
    tx: Transaction, charter: Charter, writer: str, item: AgreementEnded | AgreementDropped
) -> AgreementEnded | AgreementDropped:
    """What stands afterwards: this, or what was there before."""
    if not 1 <= item.epoch < charter.matching_epoch + MOST:
        raise Refused("no_such_epoch", f"{writer} speaks of epoch {item.epoch} of {item.pair}: it has not come.")
    place = (item.pair, item.epoch, writer)
    row = (*place, item.kind, item.at.isoformat(), item.model_dump_json())
    tx.execute("INSERT INTO directory_endings VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
    ((kind, kept),) = tx.execute(
        "SELECT kind, item FROM directory_endings WHERE pair = ? AND epoch = ? AND party = ?", place
    )
    return _KINDS[kind].model_validate_json(kept)


def _items(tx: Transaction, party: str | None = None) -> list[AgreementEnded | AgreementDropped]:
    """In the order of what they say of their time, and of their writers' names."""
    rows = tx.execute("SELECT party, kind, item FROM directory_endings ORDER BY at, party, pair, epoch")
    return [_KINDS[kind].model_validate_json(item) for writer, kind, item in rows if party in {None, writer}]


_KINDS: Final[dict[str, type[AgreementEnded] | type[AgreementDropped]]] = {
    "agreement_ended": AgreementEnded,
    "agreement_dropped": AgreementDropped,
}
