"""What a party can say of keys: its own ring, what its database has of `keys.*`, and the page that shows both.

Read only, in one consistent view of the database. Counts are of rows, never of what stands in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Response
from markupsafe import Markup

from events import endings, epochs, generations, introductions
from events.base import Actor, Role
from events.charter import Charter
from events.database import Transaction
from events.directory import Directory
from events.mapper import begins_under
from events.messages import EvaluatedTotal
from keys.ring import ALGORITHMS, KeyRing, KeyVersion
from services.runtime import svg
from services.runtime.inventory import Evaluations, Home, KeyRow, SealingKeyKnown, Told, inventory, overdue
from services.runtime.pages import Pages
from services.runtime.signin import SignIn

READERS: Final = (Role.SECURITY_REVIEWER, Role.NODE_OPERATOR)
_EPOCH: Final = datetime.fromtimestamp(0).astimezone()
Counts = dict[tuple[str, str | None], tuple[int, str]]
Shown = tuple[str, str, int, str, str, str, str, str, str]


@dataclass(frozen=True)
class QuotaRow:
    """What one country has asked of one holder's share of a pair's key in this epoch, as far as is known from here."""

    holder: str
    pair: str
    country: str
    total: int
    most_in_a_day: int
    per_day: int
    allowed_beyond: int
    """What the allowances that stand now add up to."""
    spent_today: int | None = None
    """At the holder itself; others do not know."""


@dataclass(frozen=True)
class KeyReport:
    """Every key that is known, and how quotas are used. `party` None: seen from outside."""

    party: str | None
    region: str
    charter_version: int
    at: datetime
    keys: tuple[KeyRow, ...]
    quotas: tuple[QuotaRow, ...]


def told_to(tx: Transaction, charter: Charter) -> Told:
    """What this party's database has of `keys.*`."""
    in_force = {pair: epochs.in_force(tx, charter, pair) for pair in charter.pairs}
    introduced = introductions.listed(tx)
    places = {(i.pair, i.epoch) for i in introduced}
    active = {place: generations.active(tx, *place, len(charter.holders_of(place[0]))) for place in places}
    sealing = tx.execute("SELECT party, key_id, valid_from, valid_until FROM directory_sealing")
    return Told(
        sealing=[
            SealingKeyKnown(party, key, datetime.fromisoformat(a), datetime.fromisoformat(b))
            for party, key, a, b in sealing
        ],
        introductions=introduced,
        ended=frozenset(endings.ended(tx, charter)),
        active={place: generation for place, generation in active.items() if generation is not None},
        in_force={pair: epoch.number for pair, epoch in in_force.items() if epoch},
        evaluations=[
            Evaluations(holder, pair, epoch, sum(t.count for t in of))
            for (holder, pair, epoch), of in _by_place(totals_in(tx)).items()
        ],
    )


def totals_in(tx: Transaction) -> list[tuple[str, EvaluatedTotal]]:
    """(holder, its last total) of each account that was told."""
    rows = tx.execute("SELECT writer, item FROM directory_totals WHERE kind = 'evaluated_total'")
    return [(writer, EvaluatedTotal.model_validate_json(item)) for writer, item in rows]


def _by_place(totals: Sequence[tuple[str, EvaluatedTotal]]) -> dict[tuple[str, str, int], list[EvaluatedTotal]]:
    found: dict[tuple[str, str, int], list[EvaluatedTotal]] = {}
    for holder, total in totals:
        found.setdefault((holder, total.pair, total.epoch), []).append(total)
    return found


def report(
    party: str,
    charter: Charter,
    ring: KeyRing,
    directory: Directory,
    tx: Transaction,
    now: datetime,
    *,
    persons: int | None = None,
    evaluations: Sequence[Evaluations] = (),
) -> KeyReport:
    """What a party knows at home. Quotas are those that holders have told, at the turns of the charter's spans.

    persons      how many have a data key; None: this party has no persons
    evaluations  what a holder has counted itself, which goes before what it has told
    """
    told = told_to(tx, charter)
    own = {(e.holder, e.pair, e.epoch) for e in evaluations}
    others = [e for e in told.evaluations if (e.holder, e.pair, e.epoch) not in own]
    told = replace(told, evaluations=(*others, *evaluations))
    versions = versions_of(ring)
    counts = _counts(tx, charter, party, [v.id for v in versions if v.purpose == "store"])
    if persons is not None:
        counts["data", None] = (persons, "persons")
    home = Home(party, versions, counts)
    quotas = [_quota(charter, directory, tx, holder, total, now) for holder, total in totals_in(tx)]
    return KeyReport(
        party=party,
        region=charter.region,
        charter_version=charter.version,
        at=now,
        keys=inventory(charter, told, home, now),
        quotas=tuple(sorted(quotas, key=lambda q: (q.pair, q.holder, q.country))),
    )


def versions_of(ring: KeyRing) -> list[KeyVersion]:
    """Every key of a ring, by purpose."""
    return [version for purpose in ALGORITHMS for version in ring.versions(purpose)]


def _counts(tx: Transaction, charter: Charter, party: str, store_keys: Sequence[str]) -> Counts:
    """cost: one look at every row of a country's events, which bear the name of their key (events.mapper)."""

    def count(sql: str, *values: object) -> int:
        return int(tx.execute(sql, values)[0][0])

    kind = charter.party(party).kind
    counts: Counts = {
        ("signing", None): (count("SELECT COALESCE(SUM(seq + 1), 0) FROM outbox_streams"), "envelopes"),
        ("store", "outbox"): (count("SELECT COUNT(*) FROM outbox_rows WHERE kept IS NOT NULL"), "unconfirmed bodies"),
    }
    if kind == "matcher":
        counts["store", "deferred"] = (count("SELECT COUNT(*) FROM matcher_deferred"), "waiting rows")
        for state, column in (("current", "peppered"), ("next", "next")):
            rows = tx.execute(
                f"SELECT p.name, COUNT(s.{column}) FROM matcher_peppers p LEFT JOIN slots s"  # noqa: S608  our own words
                " ON s.pair = p.pair AND s.epoch = p.epoch WHERE p.state = ? GROUP BY p.name", (state,),
            )
            counts |= {("pepper", name): (int(n), "indices") for name, n in rows}
    if kind == "country":
        sql = "SELECT COUNT(*) FROM stored_events WHERE substr(state, 1, ?) = ?"
        for key in store_keys:
            begins = begins_under(key)
            counts.setdefault(("store", key), (count(sql, len(begins), begins), "events"))
    return counts


def _quota(
    charter: Charter, directory: Directory, tx: Transaction, holder: str, total: EvaluatedTotal, now: datetime
) -> QuotaRow:
    return QuotaRow(
        holder=holder,
        pair=total.pair,
        country=total.country,
        total=total.count,
        most_in_a_day=total.most_in_a_day,
        per_day=charter.quota_per_day,
        allowed_beyond=sum(a.count for a in directory.allowances(holder, total.country, total.pair, now, tx)),
    )


# ---- the page


def add_routes(app: FastAPI, sign_in: SignIn, pages: Pages, read: Callable[[], KeyReport]) -> None:
    """GET /keys and /api/keys, for security reviewers and operators."""
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS))]

    @app.get("/api/keys")
    def read_keys(_actor: reader) -> dict[str, Any]:
        return asdict(read())

    @app.get("/keys")
    def show_keys(acting: reader) -> Response:
        found = read()
        return pages.render(
            "keys.html", here="/keys", acting=acting, report=found, overdue=overdue(found.keys),
            due=[row for row in found.keys if row.condition == "due"],
            own=[shown(row)[1:] for row in found.keys if row.party == found.party],
            others=[_in_short(row) for row in found.keys if row.party != found.party],
            quotas=[_shown_quota(row) for row in found.quotas], picture=picture(found),
        )  # fmt: skip


def shown(row: KeyRow) -> Shown:
    """One key as a line of a table: party, purpose, version, key, state, age, due, authorised by, under it."""
    age = "" if row.age_days is None else f"{row.age_days}"
    period = "" if row.period_days is None else f" of {row.period_days}"
    days = f"{age}{period} days".replace(" ", "\u00a0") if age else ""
    due = f"{row.condition}, {row.due_at:%Y-%m-%d}" if row.due_at and row.condition != "over" else row.condition
    under = "" if row.under is None else f"{row.under:,} {row.counted}".replace(",", "\u202f")
    return (row.party, row.purpose, row.version, row.id, row.state, days, due, row.authorised_by, under)


def _in_short(row: KeyRow) -> tuple[object, ...]:
    party, purpose, version, *rest = shown(row)
    return (party, f"{purpose} {version}", *rest)


def _shown_quota(row: QuotaRow) -> tuple[object, ...]:
    today = "" if row.spent_today is None else row.spent_today
    return (row.pair, row.holder, row.country, today, row.per_day, row.allowed_beyond, row.most_in_a_day, row.total)


def picture(found: KeyReport) -> Markup:
    """Each of the party's own keys as a bar from when it stands to now or its end, framed up to where it is due."""
    rows = [row for row in found.keys if row.since and row.party == found.party]
    spans = [
        svg.Span(
            label=_label(row),
            start=_days(row.since or found.at),
            end=_days(_end(row, found.at)),
            due=None if row.due_at is None else _days(row.due_at),
            is_open=row.condition != "over",
        )
        for row in rows
    ]
    late = sum(row.condition == "overdue" for row in rows)
    description = f"{len(rows)} keys; {late} are overdue. The line is now; a frame ends where a period does."
    return svg.timeline("keys", "The life of each key", description, spans, _days(found.at))


def _label(row: KeyRow) -> str:
    return f"{row.purpose} {row.id if row.purpose in {'share', 'pair key'} else row.version}"


def _end(row: KeyRow, now: datetime) -> datetime:
    if row.condition != "over" or row.since is None or row.period_days is None:
        return now
    return min(now, row.since + timedelta(days=row.period_days))


def _days(at: datetime) -> float:
    return (at - _EPOCH) / timedelta(days=1)
