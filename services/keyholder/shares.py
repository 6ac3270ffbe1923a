"""A holder's own shares: drawn once for each of its pairs, kept in the key ring, announced with their proof.

The first share of a pair is drawn in three steps: proof and public part into the database, the secret into the ring,
the announcement. If we crash after the first, nothing was announced and the share is drawn anew; after the second, the
announcement is made at the next start. A share that was announced and whose secret is missing is a fault that stops the
holder: drawing another in its place would make every token of the pair worthless.

Later generations come from refreshes (services.keyholder.refreshes), and the former ones are destroyed here: their
tombstones stay in the ring.
"""

from collections.abc import Collection

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


def key_id(pair: str, epoch: int, generation: int) -> str:
    """Under which a holder's ring keeps its share of a generation, and what moved it there."""
    return f"{pair}/{epoch}/{generation}"


def generations_in(ring: KeyRing, purpose: Purpose, pair: str, epoch: int) -> dict[int, KeyVersion]:
    """Generation -> what the ring has of it, a tombstone too."""
    prefix = key_id(pair, epoch, 0)[:-1]
    found = [version for version in ring.versions(purpose) if version.id.startswith(prefix)]
    return {int(version.id.removeprefix(prefix)): version for version in found}



class Shares:
    """The shares of one holder in the charter's epoch. Names stand as `<pair>/<epoch>/<generation>` in the ring."""

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
        self._drawn: dict[tuple[str, int], Share] = {}
        self.pairs = tuple(p for p in charter.pairs if me in charter.holders_of(p))

    def generations(self, pair: str) -> frozenset[int]:
        """The generations of a pair's key that this holder can evaluate under: an outside body's, under any."""
        kept = frozenset(generation for of, generation in list(self._drawn) if of == pair)
        return kept if self.refreshes(pair) or not kept else frozenset(range(generations.MOST))

    def refreshes(self, pair: str) -> bool:
        """Whether this holder refreshes its share: an outside body's stays as it is for the whole epoch."""
        return self._me in own_holders(pair)

    def of(self, pair: str, generation: int) -> Share:
        """The share to evaluate with. Raises UnknownKey."""
        share = self._drawn.get((pair, share_generation(pair, self._me, generation)))
        if share is None:
            raise UnknownKey(f"{self._me} has no share of {pair} of generation {generation}.")
        return share

    def open(self, over: Collection[str] = ()) -> None:
        """Draw what is missing and announce what was not. Raises UnknownKey: an announced share's secret is gone.

        over    the pairs that agree no more: nothing of theirs is drawn or used
        """
        self.pairs = tuple(pair for pair in self.pairs if pair not in over)
        for pair in self.pairs:
            announced = self._announced(pair)
            if not announced:
                self._draw(pair)
            for generation in sorted(announced | set(self._kept(pair))):
                version = self._ring.version("share", self._key_id(pair, generation))
                if version.state != "destroyed":  # on purpose: else there were no tombstone
                    self._drawn[pair, generation] = self._loaded(pair, version, generation)
            if not announced:
                self._announce_first(self.of(pair, 0))

    def entry(self, pair: str, generation: int) -> KeyVersion:
        """The ring's entry of a share, which has its date. Raises UnknownKey."""
        return self._ring.version("share", self._key_id(pair, generation))

    def introduce(self, share: Share) -> None:
        """Keep and announce a share that a refresh has made.

        If we crash after it is kept, it is announced when the refresh goes on; the proof may be another then.
        """
        if self._key_id(share.pair, share.generation) not in {v.id for v in self._ring.versions("share")}:
            self._keep(share)
        self._drawn[share.pair, share.generation] = share
        proof = shares.prove_knowledge(self._digest, share)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_shares VALUES (?, ?, ?, ?, ?, 1)",
                (share.pair, share.epoch, share.generation, share.public, proof),
            )
            self._announce(tx, share, proof)

    def destroy(self, pair: str, generation: int) -> None:
        """Destroy a share of a generation that is over; durable on return, and nothing is evaluated under it again."""
        self._ring.destroy("share", self._key_id(pair, generation))
        self._drawn.pop((pair, generation), None)

    def leave(self, pair: str) -> None:
        """Evaluate for this pair no more: its agreement is over."""
        self.pairs = tuple(one for one in self.pairs if one != pair)
        for place in [place for place in list(self._drawn) if place[0] == pair]:
            self._drawn.pop(place, None)

    # ---- within

    def _key_id(self, pair: str, generation: int) -> str:
        return key_id(pair, self._charter.matching_epoch, generation)

    def _announced(self, pair: str) -> set[int]:
        with self._db.reading() as tx:
            rows = tx.execute(
                "SELECT generation FROM holder_shares WHERE pair = ? AND epoch = ? AND announced = 1",
                (pair, self._charter.matching_epoch),
            )
        return {generation for (generation,) in rows}

    def _kept(self, pair: str) -> dict[int, KeyVersion]:
        """Generation -> what the ring has of it, a tombstone too."""
        return generations_in(self._ring, "share", pair, self._charter.matching_epoch)

    def _draw(self, pair: str) -> None:
        if 0 in self._kept(pair):
            return  # drawn before a crash, not announced yet
        epoch = self._charter.matching_epoch
        share, proof = shares.introduce(self._digest, pair, epoch, 0, self._me)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_shares VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (pair, epoch, generation)"
                " DO UPDATE SET public = excluded.public, proof = excluded.proof",
                (pair, epoch, 0, share.public, proof),
            )
        self._keep(share)

    def _keep(self, share: Share) -> None:
        key_id, now = self._key_id(share.pair, share.generation), self._clock.now()
        self._ring.add("share", key_id, share.secret, public=share.public, valid_from=now)

    def _loaded(self, pair: str, version: KeyVersion, generation: int) -> Share:
        secret = self._ring.secret("share", version.id)
        if version.public is None:
            raise UnknownKey(f"The ring's share of {pair} has no public part: restore the ring from its backup.")
        return Share(pair, self._charter.matching_epoch, generation, self._me, secret, version.public)

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
        self._post.announce(
            tx,
            ShareIntroduced(
                pair=share.pair,
                epoch=share.epoch,
                generation=share.generation,
                holder=self._me,
                public=share.public.hex(),
                proof=proof,
            ),
        )
