"""Who has the disk of a node, without its key-encryption key, does not learn which person allowed which country."""

from collections import Counter
from collections.abc import Iterator

import pytest
from regions import LiveRegion, person

PEOPLE = [person(f"R{i}", prs_IdentityNumber=f"K729041{i}") for i in range(6)]


@pytest.fixture
def region(live) -> LiveRegion:
    """KH has published six people towards TH and two towards LA, and six more wait for TH's holder, which is down."""
    region = live("KH", "LA", "TH")
    region.publish("KH", *PEOPLE[2:], c4=frozenset({"TH"}))
    region.publish("KH", *PEOPLE[:2])
    region.settle()
    region.kill("TH.holder")
    region.publish("KH", *(row | {"record_id": f"W{row['record_id']}"} for row in PEOPLE), grant="hold")
    region.import_rows("KH", [person("S")])  # waits for a second person
    region.settle()
    assert region.nodes["KH"].status().open_batches == {"KH-TH": 1}
    return region


def tables(region: LiveRegion) -> dict[str, list[dict[str, object]]]:
    """Every table of KH's store, row by row."""
    out = {}
    with region.databases["KH"].reading() as tx:
        for (name,) in tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            columns = [row[1] for row in tx.execute(f"PRAGMA table_info({name})")]
            out[name] = [dict(zip(columns, row, strict=True)) for row in tx.execute(f"SELECT * FROM {name}")]
    return out


def people_of(region: LiveRegion) -> set[str]:
    with region.databases["KH"].reading() as tx:
        return {row[0] for row in tx.execute("SELECT person_id FROM cases")}


def cells(rows: list[dict[str, object]]) -> Iterator[bytes]:
    for row in rows:
        for value in row.values():
            yield bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def test_no_row_that_names_a_pair_or_a_holder_names_a_person(region):
    people, found = people_of(region), tables(region)
    marks = [p.encode() for p in people] + [bytes.fromhex(p.replace("-", "")) for p in people]
    for name in ("batches", "requests", "answers", "refusals", "stopped_pairs", "evidence", "outbox_rows"):
        assert not any(mark in cell for cell in cells(found[name]) for mark in marks), name
    assert found["batches"]
    assert found["requests"]


def test_no_row_of_a_person_leads_to_a_batch_of_a_pair(region):
    found = tables(region)
    batches = {row["id"] for row in found["batches"]}
    of_people = {name: rows for name, rows in found.items() if rows and "person_id" in rows[0]}
    assert {"publications", "handles", "awaiting"} <= set(of_people)
    for name, rows in of_people.items():
        assert not any(b.encode() in cell for cell in cells(rows) for b in batches), name
    assert sum(row["batch"] is not None for row in found["publications"]) == 6


def test_rows_of_people_cannot_be_counted_by_country(region):
    """Totals are public: a mark that stood in as many rows as a pair has tokens would be that country's name."""
    found = tables(region)
    marks = Counter()
    for name in ("publications", "handles", "awaiting"):
        for row in found[name]:
            marks[bytes(row["country"])] += 0
            owners = {r["person_id"] for n in ("publications", "handles", "awaiting") for r in found[n]
                      if bytes(r["country"]) == bytes(row["country"])}
            assert owners == {row["person_id"]}
    assert len(marks) == 6 + 2 + 2 * 6 + 2  # towards TH, towards LA, towards both, and what nobody signed yet


def test_no_country_stands_in_clear_in_a_row_of_a_person(region):
    for name, rows in tables(region).items():
        if rows and "person_id" in rows[0]:
            assert not any(word in cell for cell in cells(rows) for word in (b"KH-TH", b"TH.holder")), name
            assert not any(value in {"TH", "LA"} for row in rows for value in row.values()), name
