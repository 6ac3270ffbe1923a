"""What is canonical stays so, and what registers do to a name makes no difference."""

from hypothesis import given
from hypothesis import strategies as st

from matching import recipes
from matching.normalise import names
from matching.normalise.canonical import Identifiers, canonical
from matching.normalise.dates import birth_date
from matching.normalise.documents import document

LATIN = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9).filter(
    lambda p: p not in names._TITLES | names._NO_NAMES
)
NAMES = st.lists(LATIN, min_size=2, max_size=5)
TYPED = st.text(max_size=12)
PAIRS = st.tuples(TYPED, TYPED)
SLOTS = ("DOC", "FULL", "FULL", "BYX", "BYX")


@given(st.text(max_size=30))
def test_romanising_again_changes_nothing_and_leaves_only_letters(text):
    once = names.romanise(text)
    assert names.romanise(once) == once
    assert once == "" or (once.isascii() and once.isalpha() and once.islower())


@given(st.text("abcdefghijklmnopqrstuvwxyz", max_size=20))
def test_folding_a_spelling_again_changes_nothing(part):
    assert names.spelling(names.spelling(part)) == names.spelling(part)


@given(st.from_regex(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", fullmatch=True))
def test_reading_a_date_again_changes_nothing(written):
    once = birth_date(written)
    again = "-".join(part for part in (once.year, once.month, once.day) if part)
    assert birth_date(again) == once


@given(st.text(max_size=15), st.sampled_from(["KH", "la", ""]))
def test_reading_a_document_again_changes_nothing(number, issuer):
    once = document(number, issuer)
    assert once is None or document(once.number, once.issuer) == once


@given(NAMES, st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_of_parts_and_their_place_in_the_form_make_no_token_other(parts, random, cut):
    def row(written, at):
        person = Identifiers(((" ".join(written[:at]), " ".join(written[at:])),), birth_date="1990-05-17")
        return recipes.inputs(canonical(person), SLOTS)

    turned = random.sample(parts, len(parts))
    assert row(parts, 1) == row(turned, cut)


@given(st.lists(PAIRS, max_size=3), st.lists(TYPED, max_size=3), TYPED, TYPED, st.lists(PAIRS, max_size=3))
def test_whatever_people_type_makes_a_row_of_distinct_inputs(written, aliases, date, gender, documents):
    person = Identifiers(tuple(written), tuple(aliases), date, gender, (), tuple(documents))
    row = recipes.inputs(canonical(person), SLOTS)
    full = [one for one in row if one]
    assert len(row) == len(SLOTS)
    assert len(set(full)) == len(full)
    assert row == recipes.inputs(canonical(person), SLOTS)
