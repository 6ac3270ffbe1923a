"""An honest refresh of a pair's key as what both holders say of it, to be said in any order or tampered with."""

from dataclasses import dataclass, replace

from events.messages import RefreshOffered, RefreshRevealed, ShareIntroduced
from keys import refresh, shares
from keys.refresh import Part, Place
from keys.shares import Share

PAIR = "KH-TH"
HOLDERS = ("KH.holder", "TH.holder")


@dataclass
class Refresh:
    """From the shares of one generation to those of the next; `parts` and `after` are by holder."""

    digest: bytes
    before: dict[str, Share]
    parts: dict[str, Part]
    after: dict[str, Share]

    @property
    def generation(self) -> int:
        return self.after[HOLDERS[0]].generation

    def offer(self, holder: str, **changed) -> RefreshOffered:
        part, before = self.parts[holder], self.before[holder]
        item = RefreshOffered(
            pair=PAIR, epoch=1, generation=self.generation, base=before.generation, holder=holder,
            public=part.public.hex(), seal_to=part.seal_to.hex(), reason="custodian",
        )
        return item.model_copy(update=changed)

    def place(self, holder: str) -> Place:
        return Place(self.digest, PAIR, 1, self.generation, holder)

    def reveal(self, holder: str) -> RefreshRevealed:
        (other,) = set(HOLDERS) - {holder}
        box = refresh.reveal(self.parts[holder], self.place(holder), self.parts[other].seal_to)
        return RefreshRevealed(pair=PAIR, epoch=1, generation=self.generation, holder=holder, box=box)

    def introduction(self, holder: str) -> ShareIntroduced:
        return introduction(self.digest, self.after[holder])

    def said(self, holder: str) -> list:
        return [self.offer(holder), self.reveal(holder), self.introduction(holder)]


def first_shares(digest: bytes) -> dict[str, Share]:
    return {holder: shares.introduce(digest, PAIR, 1, 0, holder)[0] for holder in HOLDERS}


def refreshed(digest: bytes, before: dict[str, Share], generation: int = 1) -> Refresh:
    parts = {holder: refresh.draw() for holder in HOLDERS}
    after = {}
    for holder, other in (HOLDERS, HOLDERS[::-1]):
        after[holder] = refresh.moved(before[holder], parts[holder].delta, parts[other].delta, generation)
    return Refresh(digest, before, parts, after)


def introduction(digest: bytes, share: Share) -> ShareIntroduced:
    return ShareIntroduced(
        pair=share.pair, epoch=share.epoch, generation=share.generation, holder=share.holder, public=share.public.hex(),
        proof=shares.prove_knowledge(digest, share),
    )


def shifted(digest: bytes, share: Share) -> ShareIntroduced:
    """A share that its holder has moved by something else, and knows."""
    (other,) = [share.secret[:1] + bytes(31)]
    moved = refresh.moved(replace(share), other, bytes(32), share.generation)
    return introduction(digest, moved)
