"""A dictionary breaks a shared salt in seconds, and finds nobody in our matcher's stolen database.

A toy register of which every document number, and every name with its birth date, stands in a dictionary. The same
dictionary is tried on what a scheme with one salt for all would have stored, and on the database of a matcher that real
nodes and holders filled: with one share of the pair's key, and with both, without the pepper and with it.
"""

import hmac
from hashlib import sha256
from itertools import product

import pytest
from attackers import inputs_of, share_of
from regions import person, regions_in

from keys import group, labels
from matching import tokens

PAIR = "KH-TH"
SALT = b"one salt, known to every country"
SERIES = [f"K72{n:05}" for n in range(4_000)]
FIRST = ("Somsak", "Nok", "Mali", "Dara", "Lan", "Chan", "Kaew", "Thida")
SECOND = ("Vongphachan", "Srisai", "Chea", "Nguyen", "Sok", "Keo", "Phan")
BORN = [f"19{year}-{month:02}-15" for year in (89, 90, 91) for month in range(1, 13)]
NOTHING = {"prs_FirstName": "", "prs_SecondName": "Q", "prs_Birthdate": "", "prs_IdentityNumber": ""}


def named(first, second, born, **columns):
    return NOTHING | {"prs_FirstName": first, "prs_SecondName": second, "prs_Birthdate": born, **columns}


REGISTER = [
    person(f"R{i:02}", **named(FIRST[i % 8], SECOND[3 * i % 7], BORN[5 * i % 36]) | {"prs_IdentityNumber": number})
    for i, number in enumerate([*SERIES[31:3_000:211], *[""] * 5])
]
"""Five of them have no document: only their names and dates can be guessed."""


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """TH protects them all and has allowed KH. Nobody works here afterwards."""
    with regions_in(tmp_path_factory.mktemp("dictionary")) as make:
        region = make("KH", "TH")
        region.publish("TH", *REGISTER, grant="hold")
        region.tick(2)
        assert region.nodes["TH"].status().publications == {"published": len(REGISTER)}
        yield region


@pytest.fixture(scope="module")
def dictionary(region):
    """(recipe, input) of every line: what anybody can write down who knows a country's series and names."""
    guessed = [NOTHING | {"prs_IdentityNumber": number} for number in SERIES]
    guessed += [named(*one) for one in product(FIRST, SECOND, BORN)]
    return sorted({line for row in guessed for line in inputs_of(region, person("X", **row))})


@pytest.fixture(scope="module")
def stolen(region):
    """Every value in every table of the matcher's database."""
    with region.databases["matcher"].reading() as tx:
        tables = [name for (name,) in tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [value for name in tables for row in tx.execute(f"SELECT * FROM {name}") for value in row]
    return [value if isinstance(value, bytes) else str(value).encode() for value in values]


def whom(region, hits):
    """The people of the register of whom one of these inputs is."""
    return [row["record_id"] for row in REGISTER if not hits.isdisjoint(one for _, one in inputs_of(region, row))]


EVERYBODY = [row["record_id"] for row in REGISTER]


def test_with_the_salt_it_finds_everybody_of_a_scheme_that_shares_one(region, dictionary):
    stored = {hmac.digest(SALT, one, sha256) for row in REGISTER for _, one in inputs_of(region, row)}
    hits = {one for _, one in dictionary if hmac.digest(SALT, one, sha256) in stored}
    assert whom(region, hits) == EVERYBODY


def shares_of(region, *holders):
    return [share_of(region, holder, PAIR) for holder in holders]


def indices(dictionary, secrets):
    """Input > the index that it would have, were these all the shares of the pair's key."""
    key = bytes(32)
    for secret in secrets:
        key = group.scalar_add(key, secret)
    elements = group.multiply(group.hash_to_group([one for _, one in dictionary], labels.TOKEN_TO_GROUP), key)
    return {
        one: tokens.index(PAIR, 1, recipe, tokens.Token(element))
        for (recipe, one), element in zip(dictionary, elements, strict=True)
    }


def found_without_the_pepper(region, made, stolen):
    """As it is, written out, or behind anything of 32 bytes that stands in the database."""
    values, whole = set(stolen), b" ".join(stolen)
    hits = {
        one for one, index in made.items()
        if index in whole or index.hex().encode() in whole or sha256(index).digest() in values
    }
    keys = [bytes(32), b"", region.digest, *(value for value in values if len(value) == 32)]
    luck = {one for row in REGISTER for _, one in inputs_of(region, row)}.intersection(made)
    hits |= {one for one in luck if any(hmac.digest(key, made[one], sha256) in values for key in keys)}
    return whom(region, hits)


def found_with_the_pepper(region, made, stolen):
    pepper, values = region.ring("matcher").secret("pepper", "matcher/pepper/KH-TH/1"), set(stolen)
    return whom(region, {one for one, index in made.items() if hmac.digest(pepper, index, sha256) in values})


@pytest.mark.parametrize("holder", ["KH.holder", "TH.holder"])
def test_with_one_share_it_finds_nobody_with_the_pepper_or_without(region, dictionary, stolen, holder):
    made = indices(dictionary, shares_of(region, holder))
    assert found_without_the_pepper(region, made, stolen) == found_with_the_pepper(region, made, stolen) == []


def test_with_both_shares_and_no_pepper_it_finds_nobody_and_with_it_everybody(region, dictionary, stolen):
    made = indices(dictionary, shares_of(region, "KH.holder", "TH.holder"))
    assert found_without_the_pepper(region, made, stolen) == []
    assert found_with_the_pepper(region, made, stolen) == EVERYBODY
    bare = [*stolen, *(made[one] for row in REGISTER for _, one in inputs_of(region, row))]
    assert found_without_the_pepper(region, made, bare) == EVERYBODY  # a database that kept indices as they come
