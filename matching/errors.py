"""What can go wrong with matching.

MatchingError
├── UnknownRecipe    a slot names a recipe that this version does not make
├── UnknownSchema    inputs are asked for in a schema version that this version does not make
└── BatchInvalid     the holders' answers do not fit the batch: another number, or bytes that are no element

What the index refuses from a country, and what the policy refuses, are no errors but answers (`policy.Deny`).
Faults of the database (`events.errors`) pass through the index to whoever opened the transaction.
Messages say what was expected, what came and what to do, with counts, never an identifier, token or key.
"""


class MatchingError(Exception):
    """The root of this package's errors."""


class UnknownRecipe(MatchingError):
    """The charter's slots name a recipe that this version does not make: upgrade, or mend the charter."""


class UnknownSchema(MatchingError):
    """The charter names a schema version that this version does not make: upgrade."""


class BatchInvalid(MatchingError):
    """Answers that cannot be unblinded with this batch; none of them may be used."""
