"""What is secret: bytes, never people.

Keys and what is done with them: elements and scalars of ristretto255 in batches (group), tokens' blind evaluation
and its proof (oprf, dleq, shares, refresh, quota), one message signed or sealed (sign, seal), where secrets rest (ring,
persons), under what (kek, hsm), and how that changes (rotation); the matcher's pepper;
published vectors and what holds us to them (vectors). Nothing here knows a case, a
person's data, an event or a stream; it imports no other package of ours.
"""
