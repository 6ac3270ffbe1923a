"""Whoever would make a charter of his own: with too few keys, with others' names, with a cut, older or other history."""

import base64

import pytest
from attackers import forged, last_of, log_of, next_header
from charters import HELD, ROOTS, adopt, first_draft, following, founded, joining, offer, retiring, signatures, signed
from regions import LiveRegion, person

from events.charter import Member
from events.envelope import unpack
from events.errors import CharterInvalid
from events.succession import SignedCharter, SignedVersion
from keys import sign
from keys.errors import InvalidProof, UnknownKey
from keys.kek import FileSource
from keys.shares import introduce, verify_introduction
from services.charter import drafts, roots, signing
from services.charter.roots import new_root
from services.keyholder import main as keyholder
from services.keyholder.settings import KeyHolderSettings
from services.runtime.errors import InputInvalid

THREE = ("KH", "TH", "LA")


@pytest.fixture(scope="module")
def charter() -> SignedCharter:
    return founded(*THREE)


def made(payload: bytes, after: SignedCharter | None, found) -> SignedCharter:
    """What anybody can write into a file, whether it holds or not."""
    return SignedCharter(
        payload=base64.b64encode(payload).decode(),
        signatures=tuple(s.signature for s in found),
        earlier=after.versions if after else (),
    )


def slower(draft):
    return draft.model_copy(update={"quota_per_day": 400})


# ---- too few, and the wrong ones


def test_one_root_key_alone_founds_nothing_however_often_it_signs():
    payload = drafts.payload(first_draft("KH", "TH"))
    others = signatures(payload, ["TH"])
    mine = signing.Signed(
        digest=signing.digest_of(payload).hex(), signature=signing.sign_payload(payload, "KH", ROOTS["KH"].seeds[0])
    )
    text = mine.signature.signature
    written_otherwise = text[:-3] + chr(ord(text[-3]) + 1) + "=="  # base64 has bits to spare
    again = mine.model_copy(update={"signature": mine.signature.model_copy(update={"signature": written_otherwise})})
    assert base64.b64decode(written_otherwise) == base64.b64decode(text)
    with pytest.raises(CharterInvalid, match="bears 1 valid root signatures of KH; two are needed"):
        made(payload, None, [*others, mine, mine, again]).verified()


@pytest.mark.parametrize("missing", THREE)
def test_every_member_must_sign_what_concerns_all(charter, missing):
    payload = following(charter, slower)
    with pytest.raises(CharterInvalid, match=f"0 valid root signatures of {missing}"):
        signed(payload, charter, [cc for cc in THREE if cc != missing])


def test_the_keys_of_one_member_do_not_sign_for_another(charter):
    payload = following(charter, slower)
    as_la = [signing.Signed(digest=s.digest, signature=s.signature.model_copy(update={"country": "LA"}))
             for s in signatures(payload, ["KH"])]  # fmt: skip
    with pytest.raises(CharterInvalid, match="0 valid root signatures of LA"):
        made(payload, charter, [*signatures(payload, ["KH", "TH"]), *as_la]).verified()


def test_no_byte_of_what_was_signed_can_be_altered():
    whole = founded("KH", "TH", quota_per_day=321, cover=False)
    content = whole.content
    for before, after in ((b'"quota_per_day": 321', b'"quota_per_day": 921'), (b"KH-TH", b"KH-TH "), (b"\n", b"\n\n"), (b"Cambodia", b"Kampuchea")):
        altered = content.replace(before, after, 1)
        assert altered != content
        fake = whole.model_copy(update={"payload": base64.b64encode(altered).decode()})
        with pytest.raises(CharterInvalid):
            fake.verified()


def test_an_earlier_version_cannot_be_altered_beneath_a_later_one(charter):
    later = signed(following(charter, slower), charter, THREE)
    other = founded(*THREE)
    for earlier in ((), other.versions, (SignedVersion(payload=other.payload, signatures=charter.signatures),)):
        with pytest.raises(CharterInvalid):
            later.model_copy(update={"earlier": earlier}).verified()


def test_one_key_cannot_stand_for_two(charter):
    stolen = Member(country="VN", name="Viet Nam", roots=ROOTS["KH"].member.roots)
    online = charter.verified().party("KH").signing[0].public
    fallen = Member(country="VN", name="Viet Nam", roots=(online, *ROOTS["VN"].member.roots[:2]))
    twice = Member(country="VN", name="Viet Nam", roots=(ROOTS["VN"].member.roots[0],) * 3)
    for member in (stolen, fallen, twice):
        draft = drafts.with_member(drafts.next_draft(charter, issued=charter.verified().issued), member)
        for party in ("VN", "VN.holder"):
            draft = drafts.with_key(draft, offer(party))
        with pytest.raises(CharterInvalid, match="a key stands in two places"):
            drafts.whole(drafts.payload(draft))


# ---- members


def test_a_member_cannot_be_dropped_but_by_all_others(charter):
    payload = following(charter, lambda draft: drafts.without(draft, "LA"))
    with pytest.raises(CharterInvalid, match="0 valid root signatures of TH"):
        signed(payload, charter, ["KH"])
    assert signed(payload, charter, ["KH", "TH"]).verified().countries == ("KH", "TH")


def test_the_last_one_left_cannot_say_that_all_others_are_gone(charter):
    def alone(draft):
        draft = drafts.with_member(drafts.without(drafts.without(draft, "LA"), "TH"), ROOTS["VN"].member)
        for party in ("VN", "VN.holder"):
            draft = drafts.with_key(draft, offer(party))
        return draft

    with pytest.raises(CharterInvalid, match="LA and TH leave at once"):
        signed(following(charter, alone), charter, ["KH", "VN"])


def test_a_members_roots_are_changed_by_its_former_ones_too(charter):
    thiefs = new_root("LA", "Lao PDR")
    payload = following(charter, lambda draft: drafts.with_member(draft, thiefs.member))
    new = signatures(payload, ["LA"], {"LA": thiefs})
    with pytest.raises(CharterInvalid, match="0 valid root signatures of LA"):
        signing.collect(payload, charter, [*signatures(payload, ["KH", "TH"]), *new])
    assert signing.collect(payload, charter, [*signatures(payload, THREE), *new]).verified()


def test_a_newcomer_must_sign_itself_in(charter):
    def joined(draft):
        draft = drafts.with_member(draft, ROOTS["VN"].member)
        return drafts.with_key(drafts.with_key(draft, offer("VN")), offer("VN.holder"))

    payload = following(charter, joined)
    with pytest.raises(CharterInvalid, match="0 valid root signatures of VN"):
        signed(payload, charter, THREE)
    assert signed(payload, charter, (*THREE, "VN")).verified().countries == (*THREE, "VN")


# ---- keys


def test_a_robbed_members_own_roots_retire_its_key_and_nobody_elses(charter):
    payload = following(charter, lambda draft: drafts.with_retired(draft, "KH.signing.1", (HELD,)))
    assert signed(payload, charter, ["KH"]).verified().party("KH").signing[0].last == (HELD,)
    with pytest.raises(CharterInvalid, match="0 valid root signatures of KH"):
        signed(payload, charter, ["TH"])


@pytest.mark.parametrize("beside", [
    slower,
    lambda draft: drafts.with_retired(draft, "TH.signing.1", ()),
    lambda draft: drafts.with_retired(draft, "matcher.signing.1", ()),
    lambda draft: drafts.without(draft, "KH-TH"),
    lambda draft: drafts.with_member(draft, ROOTS["KH"].member.model_copy(update={"name": "Kampuchea"})),
])  # fmt: skip
def test_what_one_members_roots_may_do_alone_carries_nothing_else_along(charter, beside):
    payload = following(charter, lambda draft: beside(drafts.with_key(draft, offer("KH", 2))))
    with pytest.raises(CharterInvalid, match="two are needed"):
        signed(payload, charter, ["KH"])


def test_a_matchers_key_is_everybodys_matter(charter):
    payload = following(charter, lambda draft: drafts.with_key(draft, offer("matcher", 2)))
    with pytest.raises(CharterInvalid, match="two are needed"):
        signed(payload, charter, ["KH"])


def changed_key(draft, key_id, **fields):
    parties = tuple(
        p.model_copy(update={"signing": tuple(k.model_copy(update=fields) if k.id == key_id else k for k in p.signing)})
        for p in draft.parties
    )
    return draft.model_copy(update={"parties": parties})


def test_a_retired_key_never_counts_again(charter):
    retired = signed(following(charter, lambda draft: drafts.with_retired(
        drafts.with_key(draft, offer("KH", 2)), "KH.signing.1", (HELD,))), charter, ["KH"])  # fmt: skip
    for last in (None, (HELD.model_copy(update={"seq": 9}),)):
        with pytest.raises(CharterInvalid, match="is retired, and stays so"):
            signed(following(retired, lambda d, last=last: changed_key(d, "KH.signing.1", last=last)), retired, THREE)

    def forgotten(draft):
        parties = tuple(p.model_copy(update={"signing": p.signing[1:]}) if p.id == "KH" else p for p in draft.parties)
        return draft.model_copy(update={"parties": parties})

    with pytest.raises(CharterInvalid, match="is left out"):
        signed(following(retired, forgotten), retired, THREE)


def test_a_keys_time_is_not_made_longer_nor_its_public_part_another(charter):
    until = charter.verified().party("KH").signing[0].valid_until
    for fields in ({"valid_until": until.replace(year=2030)}, {"public": "ab" * 32}):
        payload = following(charter, lambda draft, fields=fields: changed_key(draft, "KH.signing.1", **fields))
        with pytest.raises(CharterInvalid, match="is altered"):
            signed(payload, charter, THREE)


def test_a_thief_of_an_online_key_cannot_introduce_a_successor(tmp_path):
    """Not as a root, not with the command, not on `keys.*`, not by sealing under a key that no root has named."""
    with LiveRegion(tmp_path / "region", ("KH", "TH"), roots=ROOTS) as region:
        region.meet()
        home, before = region.region.home("KH"), signed_of(region)
        stolen = region.ring("KH").secret("signing", "KH.signing.1")
        payload = following(before, lambda draft: drafts.with_key(draft, offer("KH", 2)))
        own = signing.Signed(digest=signing.digest_of(payload).hex(), signature=signing.sign_payload(payload, "KH", stolen))
        with pytest.raises(CharterInvalid, match="0 valid root signatures of KH"):
            made(payload, before, [own, own]).verified()
        with pytest.raises(CharterInvalid, match="no member that must sign"):
            signing.sign(payload, before, stolen)
        with pytest.raises(UnknownKey, match="no root key"):
            roots.open_root_key(home / "ring.json", FileSource(home / "kek"))

        last = last_of(region, "keys.KH")
        introduced = b'{"items":[{"kind":"signing_key_introduced","key_id":"KH.signing.2","public":"%s"}]}'
        box = introduced % sign.public_key(bytes(32)).hex().encode()
        log_of(region, "keys.KH").append(forged(region, last, "KH", box=box, **next_header(last)))
        named = unpack(forged(region, last, "KH", box=box, key_id="KH.signing.2", **next_header(last)))
        log_of(region, "keys.KH").append(named.wire)
        region.matcher.step()
        refused = region.matcher.status().refused
        assert (refused["wrong_body"], refused["unknown_key"]) == (1, 1)


# ---- history


def signed_of(region) -> SignedCharter:
    return SignedCharter.model_validate_json(region.region.charter_file.read_bytes())


def test_a_version_that_skips_repeats_or_goes_back_does_not_stand(charter):
    for fields in ({"version": 3}, {"version": 1}, {"previous": None}, {"previous": "ab" * 32}):
        payload = following(charter, lambda draft, fields=fields: draft.model_copy(update=fields))
        with pytest.raises(CharterInvalid):
            made(payload, charter, signatures(payload, THREE)).verified()
    issued = charter.verified().issued
    payload = following(charter, lambda draft: draft.model_copy(update={"issued": issued}))
    with pytest.raises(CharterInvalid, match="no later than the one before"):
        made(payload, charter, signatures(payload, THREE)).verified()


@pytest.mark.parametrize("rule, value", [("region", "other"), ("tick_seconds", 60.0), ("linkage_partitions", 2)])
def test_what_streams_are_counted_by_stays(charter, rule, value):
    payload = following(charter, lambda draft: draft.model_copy(update={rule: value, "cover": False}))
    with pytest.raises(CharterInvalid, match=f"{rule} is what a region is founded with"):
        made(payload, charter, signatures(payload, THREE)).verified()


def test_an_older_version_put_back_starts_nobody_and_stops_nobody_who_runs(tmp_path):
    with LiveRegion(tmp_path / "region", ("KH", "TH"), roots=ROOTS) as region:
        region.meet()
        older = region.region.charter_file.read_bytes()
        settings = KeyHolderSettings(home=region.region.home("KH.holder"), charter=region.region.charter_file)
        keyholder.build(settings)
        adopt(region, joining(region, "LA"), ("KH", "TH", "LA"))
        region.tick(2)
        keyholder.build(settings)

        region.region.charter_file.write_bytes(older)  # while all of them run
        region.publish("KH", person("R1"))
        region.publish("LA", person("R2"))
        region.tick(6)
        assert [(r, o) for r, o, _, _ in region.matches("KH")] == [("R1", "LA")]
        with pytest.raises(InputInvalid, match="older than version 2, which was in force here before"):
            keyholder.build(settings)


def test_another_history_with_as_many_versions_starts_nobody_either(tmp_path):
    with LiveRegion(tmp_path / "region", ("KH", "TH"), roots=ROOTS) as region:
        settings = KeyHolderSettings(home=region.region.home("KH.holder"), charter=region.region.charter_file)
        keyholder.build(settings)
        other = founded("KH", "TH")
        region.region.charter_file.write_text(signed(following(other, slower), other, ("KH", "TH")).model_dump_json())
        with pytest.raises(InputInvalid, match="tells another history"):
            keyholder.build(settings)


def test_a_member_that_goes_back_to_the_old_charter_is_not_believed(tmp_path):
    with LiveRegion(tmp_path / "region", ("KH", "TH"), roots=ROOTS) as region:
        region.meet()
        last = last_of(region, "linkage.KH")
        region.clock.advance(60)
        adopt(region, retiring(region, "TH"), ("TH",))
        region.tick(2)
        log_of(region, "linkage.KH").append(
            forged(region, last_of(region, "linkage.KH"), "KH", sealed_at=region.clock.now(), charter_version=1,
                   **next_header(last_of(region, "linkage.KH")))
        )  # fmt: skip
        region.matcher.step()
        assert last.header.charter_version == 1
        assert region.matcher.status().refused == {"old_charter": 1}


def test_a_share_that_was_proved_in_one_region_counts_in_no_other():
    one, other = founded("KH", "TH").region_digest, founded("KH", "TH").region_digest
    share, proof = introduce(one, "KH-TH", 1, 0, "KH.holder")
    verify_introduction(one, "KH-TH", 1, 0, "KH.holder", share.public, proof)
    with pytest.raises(InvalidProof):
        verify_introduction(other, "KH-TH", 1, 0, "KH.holder", share.public, proof)
