"""What the matcher tells: each notice checked against our own record, then an event, once."""

from uuid import UUID

import structlog

from events.base import MATCHER, Act, Purpose
from events.clock import Clock
from events.database import Transaction
from events.envelope import Header
from events.errors import Refused
from events.match import decide_close_match, decide_told, match_id_of
from events.messages import Body, MatchNotice, MatchOver
from services.country.records import Records

log = structlog.get_logger()


class Notices:
    """The reader of `notices.<cc>`."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def take(self, tx: Transaction, header: Header, body: Body) -> None:
        """Apply every notice of an envelope; one that we refuse harms no other."""
        for item in body.items:
            try:
                if isinstance(item, MatchNotice):
                    self._told(tx, item)
                elif isinstance(item, MatchOver):
                    self._over(tx, item)
            except Refused as refusal:
                log.warning("notice.refused", writer=header.writer, seq=header.seq, code=refusal.code)

    def _told(self, tx: Transaction, notice: MatchNotice) -> None:
        person = self._records.person(tx, self._person_of(tx, notice.handle))
        match_id = match_id_of(notice.handle, notice.match_ref)
        taken = tx.execute("SELECT match_id FROM matches WHERE match_ref = ?", (notice.match_ref,))
        if taken and UUID(taken[0][0]) != match_id:
            raise Refused("another_match", "The notice's reference is that of a match of another handle. Look into it.")
        self._records.save(
            tx,
            decide_told(
                self._records.match(tx, match_id),
                person,
                self._act(),
                match_id=match_id,
                match_ref=notice.match_ref,
                handle=notice.handle,
                other_country=notice.other_country,
                told=notice.told,
                band=notice.band,
                slot=notice.slot,
                epoch=notice.epoch,
                half_time=notice.half_time,
                decide_by=notice.decide_by,
            ),
        )

    def _over(self, tx: Transaction, over: MatchOver) -> None:
        match = self._records.match(tx, match_id_of(over.handle, over.match_ref))
        if match is None:
            return  # we refused to be told of it: our own word that the tokens are revoked had crossed the notice
        self._records.save(tx, decide_close_match(match, self._act().by_node(), reason="other_side_ended"))

    @staticmethod
    def _person_of(tx: Transaction, handle: str) -> UUID:
        rows = tx.execute("SELECT person_id FROM handles WHERE handle = ?", (handle,))
        if not rows:
            raise Refused("unknown_handle", "The notice names a handle that is none of ours.")
        return UUID(rows[0][0])

    def _act(self) -> Act:
        return Act(at=self._clock.now(), by=MATCHER, purpose=Purpose.MATCHING)
