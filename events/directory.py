"""What `keys.*` has told this party: the others' sealing keys, the public shares of pairs' keys and how they are
refreshed, allowances, and totals.

Kept in the party's own database, in the transaction that moves the head of `keys.*`, so a party never seals to a key
that it did not read in its writer's chain. Refuses what a writer has no right to say: another holder's share, a share
whose proof of knowledge fails or whose epoch does not follow its holder's last, a public share that stands already, a
total of another pair's country, a key that lives longer than the charter allows. So no holder fills it with what it
makes up.
What a refresh takes, and which generation of a pair's key is the active one, stands in events.generations; which epoch
is in force, in events.epochs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from events import allowances, endings, epochs, generations, introductions
from events.charter import Allowance, Charter, own_holders, share_generation
from events.database import Database, Transaction
from events.endings import Ended
from events.epochs import InForce
from events.errors import Refused
from events.generations import Offer
from events.messages import (
    AcceptedTotal,
    AgreementDropped,
    AgreementEnded,
    AllowanceGranted,
    EvaluatedTotal,
    Item,
    RefreshOffered,
    RefreshRevealed,
    SealingKeyIntroduced,
    ShareIntroduced,
)
from events.model import countries_of
from keys import seal, shares
from keys.epochs import MOST, may_introduce
from keys.errors import KeysError

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS directory_sealing (
        party TEXT NOT NULL, key_id TEXT NOT NULL, public TEXT NOT NULL,
        valid_from TEXT NOT NULL, valid_until TEXT NOT NULL, PRIMARY KEY (party, key_id))""",
    """CREATE TABLE IF NOT EXISTS directory_shares (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, holder TEXT NOT NULL,
        public TEXT NOT NULL UNIQUE, proof BLOB NOT NULL, schema_version BIGINT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (pair, epoch, generation, holder))""",
    """CREATE TABLE IF NOT EXISTS directory_totals (
        writer TEXT NOT NULL, kind TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, country TEXT NOT NULL,
        item TEXT NOT NULL, PRIMARY KEY (writer, kind, pair, epoch, country))""",
    *generations.TABLES,
    *endings.TABLES,
)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The X25519 key that bodies for a party are sealed to."""

    id: str
    public: bytes
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class PublicShare:
    """One holder's part of a pair's key, checked: it is introduced, and its secret is known to its holder."""

    pair: str
    epoch: int
    generation: int
    holder: str
    public: bytes


class Directory:
    """Reads may be given a transaction; without one they take a consistent view of their own."""

    def __init__(self, database: Database, charter: Charter, charter_digest: bytes) -> None:
        self._database = database
        self._charter = charter
        self._digest = charter_digest

    def create(self) -> None:
        self._database.create((*_TABLES, *introductions.TABLES, *allowances.TABLES))

    def learn(self, tx: Transaction, writer: str, item: Item) -> None:
        """Take one announcement of `writer` to heart; again changes nothing. Raises Refused."""
        match item:
            case SealingKeyIntroduced():
                self._learn_sealing(tx, writer, item)
            case ShareIntroduced() | RefreshOffered() | RefreshRevealed() if self._is_former(item.pair, item.epoch):
                pass  # said while they agreed: it is no offence, and counts no more
            case ShareIntroduced():
                self._learn_share(tx, writer, item)
            case RefreshOffered() | RefreshRevealed():
                self._learn_refresh(tx, writer, item)
            case EvaluatedTotal() | AcceptedTotal():
                self._learn_total(tx, writer, item)
            case AgreementEnded():
                endings.learn_end(tx, self._charter, writer, item)
            case AgreementDropped():
                endings.learn_drop(tx, self._charter, writer, item)
            case AllowanceGranted():
                allowances.learn(tx, self._charter, writer, item)
            case _:
                raise Refused("not_an_announcement", f"{item.kind!r} has no place on a topic of keys.")

    def sealing_key(self, party: str, at: datetime, tx: Transaction | None = None) -> SealingKey | None:
        """The party's newest key that may be sealed to at this time; None: none was introduced, or it is too old."""
        rows = self._rows(
            "SELECT key_id, public, valid_from, valid_until FROM directory_sealing WHERE party = ?", (party,), tx
        )
        spans = [(datetime.fromisoformat(a), datetime.fromisoformat(b), key, public) for key, public, a, b in rows]
        valid = [span for span in spans if span[0] <= at < span[1]]
        if not valid:
            return None
        _, until, key_id, public = max(valid)
        return SealingKey(key_id, bytes.fromhex(public), until)

    @staticmethod
    def knows_sealing_key(tx: Transaction, party: str, key_id: str) -> bool:
        """Whether the party has introduced this key, whatever its dates."""
        found = tx.execute("SELECT 1 FROM directory_sealing WHERE party = ? AND key_id = ?", (party, key_id))
        return bool(found)

    @staticmethod
    def forget_sealing_keys(tx: Transaction, party: str) -> None:
        """The party begins its announcements anew, and says again what counts."""
        tx.execute("DELETE FROM directory_sealing WHERE party = ?", (party,))

    def share(
        self, pair: str, epoch: int, holder: str, generation: int, tx: Transaction | None = None
    ) -> PublicShare | None:
        """The public share that a holder uses in this generation; None: not introduced."""
        rows = self._rows(
            "SELECT public FROM directory_shares WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?",
            (pair, epoch, share_generation(pair, holder, generation), holder),
            tx,
        )
        return PublicShare(pair, epoch, generation, holder, bytes.fromhex(rows[0][0])) if rows else None

    def epoch(self, pair: str, tx: Transaction | None = None) -> InForce | None:
        """The epoch that a pair's tokens are issued in; None: there is none yet."""
        if tx is not None:
            return epochs.in_force(tx, self._charter, pair)
        with self._database.reading() as own:
            return epochs.in_force(own, self._charter, pair)

    def schema_of(self, tx: Transaction, pair: str, epoch: int) -> int | None:
        """The schema version that tokens of an epoch are made with; None: its holders have not agreed on any."""
        return epochs.schema_of(tx, self._charter, pair, epoch)

    def active_generation(self, pair: str, epoch: int, tx: Transaction | None = None) -> int | None:
        """The newest generation of a pair's key that tokens can be made under; None: there is none yet."""
        if tx is not None:
            return generations.active(tx, pair, epoch, len(self._charter.holders_of(pair)))
        with self._database.reading() as own:
            return self.active_generation(pair, epoch, own)

    @staticmethod
    def offers(tx: Transaction, pair: str, epoch: int) -> dict[int, dict[str, Offer]]:
        """What was offered to refreshes of a pair's key: generation -> holder -> offer, oldest first."""
        return generations.offers(tx, pair, epoch)

    def totals(self, tx: Transaction | None = None) -> list[tuple[str, EvaluatedTotal | AcceptedTotal]]:
        """The last total that each writer told, by writer, pair, epoch and country."""
        rows = self._rows(
            "SELECT writer, kind, item FROM directory_totals ORDER BY writer, kind, pair, epoch, country", (), tx
        )
        return [(writer, _TOTALS[kind].model_validate_json(item)) for writer, kind, item in rows]

    def ended(self, tx: Transaction | None = None) -> dict[str, Ended]:
        """The pairs that agree no more, by the charter or by what a holder has said, and how they ended."""
        if tx is not None:
            return endings.ended(tx, self._charter)
        with self._database.reading() as own:
            return endings.ended(own, self._charter)

    def is_ended(self, pair: str, tx: Transaction) -> bool:
        """Whether a pair agrees no more."""
        return endings.is_ended(tx, self._charter, pair)

    def agreed_from(self, pair: str) -> int:
        """The matching epoch with which the agreement of a pair began: what tells it from an earlier one."""
        return self._charter.agreed_from(pair)

    def allowances(
        self, holder: str, country: str, pair: str, at: datetime, tx: Transaction | None = None
    ) -> tuple[Allowance, ...]:
        """What stands of a holder beyond its daily quota, for one country and pair."""
        if tx is not None:
            return allowances.standing(tx, self._charter, holder, country, pair, at)
        with self._database.reading() as own:
            return allowances.standing(own, self._charter, holder, country, pair, at)

    def said_by(self, party: str, at: datetime, tx: Transaction | None = None) -> list[Item]:
        """What a party's announcements amount to now: what it must say again when its stream begins anew."""
        if tx is None:
            with self._database.reading() as own:
                return self.said_by(party, at, own)
        keys = tx.execute(
            "SELECT key_id, public, valid_from, valid_until FROM directory_sealing WHERE party = ?", (party,)
        )
        introduced: list[Item] = [
            SealingKeyIntroduced(key_id=k, public=p, valid_from=datetime.fromisoformat(a), valid_until=until)
            for k, p, a, b in keys
            if (until := datetime.fromisoformat(b)) > at
        ]
        rows = tx.execute(
            "SELECT pair, epoch, generation, holder, public, proof, schema_version, reason FROM directory_shares"
            " WHERE holder = ? ORDER BY pair, epoch, generation",
            (party,),
        )
        names = ("pair", "epoch", "generation", "holder", "public", "proof", "schema_version", "reason")
        known = [ShareIntroduced.model_validate(dict(zip(names, row, strict=True))) for row in rows]
        # Nobody learns a refresh of an epoch that was not begun, nor a refreshed share whose offer he does not know.
        introduced += [share for share in known if share.generation == 0]
        introduced += generations.said_by(tx, party)
        introduced += [share for share in known if share.generation > 0]
        # Also allowances that are over: the totals of their time are held against them.
        granted = tx.execute("SELECT item FROM directory_allowances WHERE holder = ? ORDER BY id", (party,))
        introduced += [AllowanceGranted.model_validate_json(item) for (item,) in granted]
        # Ends last: what was said of a pair before it ended is no offence.
        return introduced + [t for writer, t in self.totals(tx) if writer == party] + endings.said_by(tx, party)

    def _learn_sealing(self, tx: Transaction, writer: str, item: SealingKeyIntroduced) -> None:
        if item.valid_until - item.valid_from > timedelta(days=self._charter.sealing_days):
            raise Refused("lives_too_long", f"{writer}'s sealing key lives longer than the charter allows.")
        known = tx.execute(
            "SELECT public FROM directory_sealing WHERE party = ? AND key_id = ?", (writer, item.key_id)
        )
        if known and known[0][0] != item.public:
            raise Refused("key_id_repeated", f"{writer} introduced another sealing key under an id that it used.")
        if not known:
            self._check_seals(writer, item)
            row = (writer, item.key_id, item.public, item.valid_from.isoformat(), item.valid_until.isoformat())
            tx.execute("INSERT INTO directory_sealing VALUES (?, ?, ?, ?, ?)", row)

    @staticmethod
    def _check_seals(writer: str, item: SealingKeyIntroduced) -> None:
        """A key of low order hides nothing, and would stop whoever must write to it."""
        try:
            seal.seal_to(bytes.fromhex(item.public), b"", b"")
        except KeysError as error:
            raise Refused("weak_key", f"{writer} introduced a sealing key that hides nothing.") from error

    def _check_own(self, writer: str, item: ShareIntroduced | RefreshOffered | RefreshRevealed) -> None:
        if item.pair not in self._charter.pairs or writer not in self._charter.holders_of(item.pair):
            raise Refused("not_a_holder", f"{writer} holds no share of the pair {item.pair}.")
        if item.holder != writer:
            raise Refused("not_its_own", f"{writer} introduced or refreshed a share in another holder's name.")

    def _is_former(self, pair: str, epoch: int) -> bool:
        """Whether an epoch is of an agreement that the charter has ended, whether they agree again or not."""
        return pair in self._charter.ended_pairs or epoch < self._charter.agreed_from(pair)

    def _is_over(self, tx: Transaction, writer: str, pair: str) -> bool:
        """Whether what is new of a pair counts no more. Raises Refused: by the word of its very writer.

        Another holder may have said it before it heard of the end: that is no offence.
        """
        if endings.has_said(tx, self._charter, writer, pair):
            raise Refused("agreement_over", f"{writer} goes on with {pair}, of which it said that it was over.")
        return endings.is_ended(tx, self._charter, pair)

    def _check_epoch(self, tx: Transaction, writer: str, pair: str, epoch: int) -> None:
        rows = tx.execute("SELECT DISTINCT epoch FROM directory_shares WHERE pair = ? AND holder = ?", (pair, writer))
        if not may_introduce(epoch, [number for (number,) in rows], self._charter.matching_epoch):
            raise Refused("no_such_epoch", f"{writer} introduced a share of epoch {epoch}, which is not its next.")

    def _learn_refresh(self, tx: Transaction, writer: str, item: RefreshOffered | RefreshRevealed) -> None:
        self._check_own(writer, item)
        if writer not in own_holders(item.pair):
            raise Refused("not_its_refresh", f"{writer} refreshes {item.pair}: only its two countries' holders do.")
        begun = tx.execute(
            "SELECT 1 FROM directory_shares WHERE pair = ? AND epoch = ? AND generation = 0 AND holder = ?",
            (item.pair, item.epoch, writer),
        )
        if not generations.is_offered(tx, item.pair, item.epoch, item.generation, writer):
            if self._is_over(tx, writer, item.pair):
                return
            if not begun:
                raise Refused("no_such_epoch", f"{writer} refreshes its share of epoch {item.epoch}, and has none.")
        if isinstance(item, RefreshOffered):
            generations.learn_offer(tx, writer, item)
        else:
            generations.learn_reveal(tx, writer, item)

    def _learn_share(self, tx: Transaction, writer: str, item: ShareIntroduced) -> None:
        self._check_own(writer, item)
        place = (item.pair, item.epoch, item.generation, item.holder)
        known = tx.execute(
            "SELECT pair, epoch, generation, holder, public, schema_version FROM directory_shares WHERE public = ? OR"
            " (pair = ? AND epoch = ? AND generation = ? AND holder = ?)",
            (item.public, *place),
        )
        if known:
            if known != [(*place, item.public, item.schema_version)]:
                raise Refused("share_repeated", f"{writer} repeated a public share, or changed one that stands.")
            return
        self._check_epoch(tx, writer, item.pair, item.epoch)
        if self._is_over(tx, writer, item.pair):
            return
        if not 0 <= item.generation < generations.MOST:
            raise Refused("no_such_generation", f"{writer} introduced a share of generation {item.generation}.")
        self._check_knowledge(writer, item)
        if item.generation and not generations.is_offered(tx, *place):
            raise Refused("no_such_refresh", f"{writer} introduced a refreshed share, and had offered no refresh.")
        tx.execute(
            "INSERT INTO directory_shares VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, item.public, item.proof, item.schema_version, item.reason),
        )
        generations.settle(tx, item.pair, item.epoch)

    def _check_knowledge(self, writer: str, item: ShareIntroduced) -> None:
        try:
            shares.verify_introduction(
                self._digest, item.pair, item.epoch, item.generation, item.holder,
                bytes.fromhex(item.public), item.proof,
            )
        except KeysError as error:
            raise Refused("unproven_share", f"{writer} introduced a share without proof of its secret.") from error

    def _learn_total(self, tx: Transaction, writer: str, item: EvaluatedTotal | AcceptedTotal) -> None:
        if item.pair in self._charter.ended_pairs:
            return
        holders = self._charter.holders_of(item.pair) if item.pair in self._charter.pairs else ()
        if writer not in (holders if isinstance(item, EvaluatedTotal) else ("matcher",)):
            raise Refused("not_its_total", f"{writer} counts nothing of that kind for the pair {item.pair}.")
        if item.country not in countries_of(item.pair):
            raise Refused("not_of_the_pair", f"{writer} counted for {item.country}, which is not of {item.pair}.")
        if not 1 <= item.epoch < self._charter.matching_epoch + MOST:
            raise Refused("no_such_epoch", f"{writer} counted in epoch {item.epoch}, which has not come or never was.")
        tx.execute(
            "INSERT INTO directory_totals VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (writer, kind, pair, epoch, country) DO UPDATE SET item = excluded.item",
            (writer, item.kind, item.pair, item.epoch, item.country, item.model_dump_json()),
        )

    def _rows(self, sql: str, params: tuple[object, ...], tx: Transaction | None) -> list[tuple[Any, ...]]:
        if tx is not None:
            return tx.execute(sql, params)
        with self._database.reading() as own:
            return own.execute(sql, params)


_TOTALS: Final[dict[str, type[EvaluatedTotal] | type[AcceptedTotal]]] = {
    "evaluated_total": EvaluatedTotal,
    "accepted_total": AcceptedTotal,
}
