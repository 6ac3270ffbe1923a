"""What a matcher took of the rows that came, what it refused, and how a row comes to wait."""

from services.matcher import views


def live(matcher) -> int:
    with matcher.database.reading() as tx:
        return matcher._index.sizes(tx)["live"]


def refused(matcher) -> dict[str, int]:
    return dict(views.operation(matcher).refused)


def waits_for_a_day(kh, ticks, grant="tell", **changes) -> None:
    """Two rows use up the day; `k` waits."""
    kh.submits("k0")
    kh.submits("k1")
    kh.submits("k", grant, serial=1, doc="A", **changes)
    ticks(1)
