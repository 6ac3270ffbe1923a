"""The streaming index gives exactly what the reference gives, however rows come, change, go and are looked at."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from events.database import open_database
from events.messages import Revocation, Submission
from keys.pepper import SecretPepper
from matching import engine, found
from matching.index import Index
from matching.policy import Deny

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLOTS = ("DOC", "FULL", "FULL", "BYX")
CAPS = {"DOC": 3, "FULL": 2}
PEPPERS = {1: SecretPepper(b"p" * 32), 2: SecretPepper(b"q" * 32)}

HANDLES = st.integers(0, 9)
VALUES = st.lists(st.sampled_from([0, 0, 1, 2]), min_size=len(SLOTS), max_size=len(SLOTS))
COUNTRIES = st.sampled_from([None, None, None, None, "KH", "TH", "VN"])  # None: the handle's own
SUBMIT = st.tuples(
    st.just("submit"), HANDLES, COUNTRIES, st.sampled_from(["KH-TH", "KH-TH", "KH-TH", "KH-VN"]),
    st.sampled_from([1, 1, 1, 2]), VALUES,
)
REVOKE = st.tuples(st.just("revoke"), HANDLES, COUNTRIES)
RETIRE = st.tuples(st.just("retire"), st.sampled_from(["KH-TH", "KH-VN"]))
LOOK = st.tuples(st.just("look"), st.integers(1, 5))
STEPS = st.lists(SUBMIT | SUBMIT | SUBMIT | SUBMIT | REVOKE | LOOK | RETIRE, min_size=5, max_size=60)


def index_of(value):
    return bytes([value]) * 32


class Model:
    """The rules said plainly: what lives, by handle and epoch."""

    def __init__(self):
        self.owner, self.live = {}, {}

    def submit(self, handle, country, pair, epoch, values):
        if country not in pair.split("-") or self.owner.setdefault(handle, (country, pair)) != (country, pair):
            return False
        row = engine.Row(handle, country, pair, epoch, SLOTS, tuple(index_of(v) for v in values))
        self.live[handle, epoch] = row
        return True

    def revoke(self, handle, country):
        if self.owner.get(handle, (None, None))[0] != country:
            return False
        self.live = {place: row for place, row in self.live.items() if place[0] != handle}
        return True

    def retire(self, pair, epoch):
        self.live = {place: row for place, row in self.live.items() if (row.pair, row.epoch) != (pair, epoch)}


def hex_handle(number):
    return f"{number:032x}"


def country_of(number, given, pair="KH-TH"):
    """Even handles are the first country's, odd ones the second's, unless a wrong one is given."""
    return given or pair.split("-")[number % 2]


def share_a_raising_value(model, first, second):
    """Both live, as they are now: at no time is a side told of what was withdrawn or corrected."""
    both = [epoch for epoch in PEPPERS if (first, epoch) in model.live and (second, epoch) in model.live]
    common = (model.live[first, e].slots().keys() & model.live[second, e].slots().keys() for e in both)
    return any(recipe in CAPS for shared in common for recipe, _ in shared)


def step(index, tx, model, kind, *given):
    if kind == "look":
        index.company(tx, at=NOW, tick=1, limit=given[0])
        return
    if kind == "retire":
        after = ""
        while after is not None:
            after = index.retire(tx, given[0], 1, after=after, limit=2)
        model.retire(given[0], 1)
        return
    handle = hex_handle(given[0])
    if kind == "revoke":
        country = country_of(given[0], given[1])
        answer = index.revoke(tx, country, Revocation(handle=handle), at=NOW)
        assert isinstance(answer, Deny) != model.revoke(handle, country)
        return
    pair, epoch, values = given[2:]
    country = country_of(given[0], given[1], pair)
    sent = Submission(
        handle=handle, pair=pair, epoch=epoch, schema_version=1, grant="tell", grant_until=NOW,
        indices=b"".join(index_of(v) for v in values),
    )
    answer = index.submit(tx, country, sent, at=NOW)
    assert isinstance(answer, Deny) != model.submit(handle, country, pair, epoch, values)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_any_interleaving_ends_where_the_reference_ends(steps):
    database = open_database("sqlite:///:memory:")
    index, model = Index(database, lambda _pair, epoch: PEPPERS[epoch], SLOTS, CAPS), Model()
    index.create()
    for one in steps:
        with database.transaction() as tx:
            step(index, tx, model, *one)
            assert all(share_a_raising_value(model, *two) for two in found.all_standing(tx))
    with database.transaction() as tx:
        while index.company(tx, at=NOW, tick=1, limit=3):
            pass
        assert index.outcome(tx) == engine.find(model.live.values(), CAPS)
        bands = {(first, second): band for first, second, band in tx.execute("SELECT first, second, band FROM found")}
        assert bands == {(m.first, m.second): m.band for m in index.outcome(tx).matches}
    database.close()


@settings(max_examples=50, deadline=None)
@given(st.lists(SUBMIT, max_size=12), st.randoms(use_true_random=False))
def test_the_reference_knows_no_order_of_rows(steps, random):
    model = Model()
    for _, number, country, pair, *rest in steps:
        model.submit(hex_handle(number), country_of(number, country, pair), pair, *rest)
    rows = list(model.live.values())
    assert engine.find(random.sample(rows, len(rows)), CAPS) == engine.find(rows, CAPS)
