"""A holder's own shares: drawn once for each of its pairs, kept in the key ring, announced with their proof.

A share is drawn in three steps: proof and public part into the database, the secret into the ring, the announcement.
If we crash after the first, nothing was announced and the share is drawn anew; after the second, the announcement is
made at the next start. A share that was announced and whose secret is missing is a fault that stops the holder: drawing
another in its place would make every token of the pair worthless.
"""

from typing import Final

from events.charter import Charter
from events.clock import Clock
from events.database import Database
from events.messages import ShareIntroduced
from events.post import Post
from keys import shares
from keys.errors import UnknownKey
from keys.ring import KeyRing
from keys.shares import Share

GENERATION: Final = 0
"""Shares are refreshed in a later release; until then every share is of this generation."""


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

    @property
    def generations(self) -> frozenset[int]:
        """The generations that stand for every pair."""
        return frozenset(generation for _, generation in self._drawn)

    def of(self, pair: str, generation: int) -> Share:
        """The share to evaluate with. Raises UnknownKey."""
        share = self._drawn.get((pair, generation))
        if share is None:
            raise UnknownKey(f"{self._me} has no share of {pair} of generation {generation}.")
        return share

    def open(self) -> None:
        """Draw what is missing and announce what was not. Raises UnknownKey: an announced share's secret is gone."""
        for pair in self.pairs:
            introduced = self._introduced(pair)
            if not introduced:
                self._draw(pair)
            share = self._loaded(pair)
            if not introduced:
                self._announce(share)
            self._drawn[pair, share.generation] = share

    def _key_id(self, pair: str) -> str:
        return f"{pair}/{self._charter.matching_epoch}/{GENERATION}"

    def _introduced(self, pair: str) -> bool:
        with self._db.reading() as tx:
            rows = tx.execute(
                "SELECT announced FROM holder_shares WHERE pair = ? AND epoch = ? AND generation = ?",
                (pair, self._charter.matching_epoch, GENERATION),
            )
        return bool(rows and rows[0][0])

    def _draw(self, pair: str) -> None:
        if any(v.id == self._key_id(pair) for v in self._ring.versions("share")):
            return  # drawn before a crash, not announced yet
        epoch = self._charter.matching_epoch
        share, proof = shares.introduce(self._digest, pair, epoch, GENERATION, self._me)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_shares VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (pair, epoch, generation)"
                " DO UPDATE SET public = excluded.public, proof = excluded.proof",
                (pair, epoch, GENERATION, share.public, proof),
            )
        self._ring.add(
            "share", self._key_id(pair), share.secret, public=share.public, valid_from=self._clock.now()
        )

    def _loaded(self, pair: str) -> Share:
        version = self._ring.version("share", self._key_id(pair))
        secret = self._ring.secret("share", self._key_id(pair))
        if version.public is None:
            raise UnknownKey(f"The ring's share of {pair} has no public part: restore the ring from its backup.")
        return Share(pair, self._charter.matching_epoch, GENERATION, self._me, secret, version.public)

    def _announce(self, share: Share) -> None:
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
            self._post.announce(
                tx,
                ShareIntroduced(
                    pair=share.pair,
                    epoch=share.epoch,
                    generation=share.generation,
                    holder=self._me,
                    public=share.public.hex(),
                    proof=bytes(rows[0][0]),
                ),
            )
            tx.execute(
                "UPDATE holder_shares SET announced = 1 WHERE pair = ? AND epoch = ? AND generation = ?", place
            )
