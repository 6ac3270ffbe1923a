"""A holder's own shares: drawn once for each epoch of a pair, kept in the key ring, announced with their proof.

The first share of an epoch is drawn in three steps: proof and public part into the database, the secret into the ring,
the announcement. If we crash after the first, nothing was announced and the share is drawn anew; after the second, the
announcement is made at the next start. A share that was announced and whose secret is missing is a fault that stops the
holder: drawing another in its place would make every token of the epoch worthless.

The first epoch of a pair begins at the start, later ones in renewals (services.keyholder.renewals). Later generations
of an epoch come from refreshes (services.keyholder.refreshes). What is over is destroyed here: tombstones stay.
"""

from collections.abc import Collection
from datetime import datetime

from events import generations
from events.charter import Charter, own_holders, share_generation
from events.clock import Clock
from events.database import Database, Transaction
from events.messages import ShareIntroduced
from events.post import Post
from keys import shares
from keys.errors import UnknownKey
from keys.ring import KeyRing, KeyVersion, Purpose
from keys.shares import Share

Place = tuple[str, int, int]
"""Pair, epoch, generation."""


def key_id(pair: str, epoch: int, generation: int) -> str:
    """Under which a holder's ring keeps its share of a generation, and what moved it there."""
    return f"{pair}/{epoch}/{generation}"


def place_of(name: str) -> Place:
    """What a name in the ring stands for."""
    pair, epoch, generation = name.split("/")
    return pair, int(epoch), int(generation)


def generations_in(ring: KeyRing, purpose: Purpose, pair: str, epoch: int) -> dict[int, KeyVersion]:
    """Generation -> what the ring has of it, a tombstone too."""
    found = ((place_of(version.id), version) for version in ring.versions(purpose))
    return {generation: version for (of, number, generation), version in found if (of, number) == (pair, epoch)}


class Shares:
    """The shares of one holder. Names stand as `<pair>/<epoch>/<generation>` in the ring."""

    def __init__(
        self, me: str, *, charter: Charter, digest: bytes, ring: KeyRing, database: Database, post: Post, clock: Clock
    ) -> None:
        self._me = me
        self._charter = charter
        self._digest = digest
        self._ring = ring
        self._db = database
        self._post = post
        self._clock = clock
        self._drawn: dict[Place, Share] = {}
        self.pairs = tuple(p for p in charter.pairs if me in charter.holders_of(p))

    def epochs(self, pair: str) -> frozenset[int]:
        """The epochs of a pair's key that this holder can evaluate in."""
        return frozenset(epoch for of, epoch, _ in list(self._drawn) if of == pair)

    def generations(self, pair: str, epoch: int) -> frozenset[int]:
        """The generations of an epoch that this holder can evaluate under: an outside body's, under any."""
        kept = frozenset(g for of, number, g in list(self._drawn) if (of, number) == (pair, epoch))
        return kept if self.refreshes(pair) or not kept else frozenset(range(generations.MOST))

    def refreshes(self, pair: str) -> bool:
        """Whether this holder refreshes its share: an outside body's stays as it is for the whole epoch."""
        return self._me in own_holders(pair)

    def of(self, pair: str, epoch: int, generation: int) -> Share:
        """The share to evaluate with. Raises UnknownKey."""
        share = self._drawn.get((pair, epoch, share_generation(pair, self._me, generation)))
        if share is None:
            raise UnknownKey(f"{self._me} has no share of {pair} of epoch {epoch}, generation {generation}.")
        return share

    def open(self, over: Collection[str] = ()) -> None:
        """Draw what is missing and announce what was not. Raises UnknownKey: an announced share's secret is gone.

        over    the pairs that agree no more: nothing of theirs is drawn or used
        """
        self.pairs = tuple(pair for pair in self.pairs if pair not in over)
        for pair in self.pairs:
            announced, first = self._announced(pair), self._charter.matching_epoch
            if max((epoch for _, epoch, _ in announced), default=0) < first:
                self._draw(pair, first, "first")
            for place in sorted(announced | self._kept(pair)):
                version = self._ring.version("share", key_id(*place))
                if version.state == "destroyed":  # on purpose: else there were no tombstone
                    continue
                self._drawn[place] = self._loaded(place, version)
                if place not in announced and place[2] == 0:
                    self._announce_first(self.of(*place))

    def begin(self, pair: str, epoch: int, reason: str) -> None:
        """Draw and announce the first share of an epoch. If we crash on the way, `open` goes on, or the next call."""
        place = (pair, epoch, 0)
        self._draw(pair, epoch, reason)
        self._drawn[place] = self._loaded(place, self._ring.version("share", key_id(*place)))
        self._announce_first(self._drawn[place])

    def entry(self, pair: str, epoch: int, generation: int) -> KeyVersion:
        """The ring's entry of a share, which has its date. Raises UnknownKey."""
        return self._ring.version("share", key_id(pair, epoch, generation))

    def begun(self, pair: str, epoch: int) -> datetime | None:
        """When this holder drew its first share of an epoch; None: never."""
        first = generations_in(self._ring, "share", pair, epoch).get(0)
        return first.valid_from if first else None

    def introduce(self, share: Share) -> None:
        """Keep and announce a share that a refresh has made.

        If we crash after it is kept, it is announced when the refresh goes on; the proof may be another then.
        """
        place = (share.pair, share.epoch, share.generation)
        if place not in self._kept(share.pair):
            self._keep(share)
        self._drawn[place] = share
        proof = shares.prove_knowledge(self._digest, share)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_shares VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (*place, share.public, proof, self._schema(tx, share), "refresh"),
            )
            self._announce(tx, share, proof)

    def destroy(self, pair: str, epoch: int, generation: int) -> None:
        """Destroy a share that is over; durable on return, and nothing is evaluated under it again."""
        self._ring.destroy("share", key_id(pair, epoch, generation))
        self._drawn.pop((pair, epoch, generation), None)

    def destroy_epoch(self, pair: str, epoch: int) -> None:
        """Destroy every share of an epoch that is over."""
        for place in [place for place in list(self._drawn) if place[:2] == (pair, epoch)]:
            self.destroy(*place)

    def leave(self, pair: str) -> None:
        """Evaluate for this pair no more: its agreement is over."""
        self.pairs = tuple(one for one in self.pairs if one != pair)
        for place in [place for place in list(self._drawn) if place[0] == pair]:
            self._drawn.pop(place, None)

    # ---- within

    def _announced(self, pair: str) -> set[Place]:
        with self._db.reading() as tx:
            rows = tx.execute("SELECT epoch, generation FROM holder_shares WHERE pair = ? AND announced = 1", (pair,))
        return {(pair, epoch, generation) for epoch, generation in rows}

    def _kept(self, pair: str) -> set[Place]:
        """What the ring has, tombstones too."""
        places = (place_of(version.id) for version in self._ring.versions("share"))
        return {place for place in places if place[0] == pair}

    def _draw(self, pair: str, epoch: int, reason: str) -> None:
        if (pair, epoch, 0) in self._kept(pair):
            return  # drawn before a crash, not announced yet
        share, proof = shares.introduce(self._digest, pair, epoch, 0, self._me)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_shares VALUES (?, ?, 0, ?, ?, ?, ?, 0) ON CONFLICT (pair, epoch, generation)"
                " DO UPDATE SET public = excluded.public, proof = excluded.proof,"
                " schema_version = excluded.schema_version",
                (pair, epoch, share.public, proof, self._charter.schema_version, reason),
            )
        self._keep(share)

    @staticmethod
    def _schema(tx: Transaction, share: Share) -> int:
        """The schema version of the share's epoch: as its first share was introduced with."""
        rows = tx.execute(
            "SELECT schema_version FROM holder_shares WHERE pair = ? AND epoch = ? AND generation = 0",
            (share.pair, share.epoch),
        )
        return int(rows[0][0])

    def _keep(self, share: Share) -> None:
        name, now = key_id(share.pair, share.epoch, share.generation), self._clock.now()
        self._ring.add("share", name, share.secret, public=share.public, valid_from=now)

    def _loaded(self, place: Place, version: KeyVersion) -> Share:
        secret = self._ring.secret("share", version.id)
        if version.public is None:
            raise UnknownKey(f"The ring's share of {place[0]} has no public part: restore the ring from its backup.")
        return Share(*place, self._me, secret, version.public)

    def _announce_first(self, share: Share) -> None:
        place = (share.pair, share.epoch, share.generation)
        with self._db.transaction() as tx:
            rows = tx.execute(
                "SELECT proof FROM holder_shares WHERE pair = ? AND epoch = ? AND generation = ? AND public = ?",
                (*place, share.public),
            )
            if not rows:
                raise UnknownKey(
                    f"The ring has a share of {share.pair} whose proof is not in the database: restore both from the "
                    "same backup."
                )
            self._announce(tx, share, bytes(rows[0][0]))
            tx.execute(
                "UPDATE holder_shares SET announced = 1 WHERE pair = ? AND epoch = ? AND generation = ?", place
            )

    def _announce(self, tx: Transaction, share: Share, proof: bytes) -> None:
        place = {"pair": share.pair, "epoch": share.epoch, "generation": share.generation}
        rows = tx.execute(
            "SELECT schema_version, reason FROM holder_shares WHERE pair = ? AND epoch = ? AND generation = ?",
            tuple(place.values()),
        )
        said = {**place, "schema_version": rows[0][0], "reason": rows[0][1]}
        introduced = {**said, "holder": self._me, "public": share.public.hex(), "proof": proof}
        self._post.announce(tx, ShareIntroduced.model_validate(introduced))
