"""What can go wrong with keys, group elements and sealed bytes.

KeysError
├── InvalidElement     not a canonical ristretto255 element, or the identity
├── InvalidScalar      not a canonical scalar, or zero
├── InvalidProof       a holder's proof does not hold for this statement, request and answer
├── SealBroken         a sealed message does not open: altered, moved, or under another key
├── UnknownKey         no key of this purpose and id, or it is destroyed
├── AlreadyThere       an id or a file of keys is taken: keys are never overwritten
├── KeyInUse           a key is to be destroyed while something stands under it
├── BackendMissing     no library for the group could be loaded
├── VectorsUnreadable  a file of test vectors is missing, cut, altered, or of another form
├── RingDamaged        a file of keys is missing, truncated, altered, open to others, or under another key
├── BackupRefused      a backup of persons' keys is too old, altered, or of another ring
├── SourceInvalid      a setting does not say where a key-encryption key comes from
└── TokenUnavailable   a PKCS#11 token, or the key in it, cannot be used

Messages say what was expected, what came and what to do, with ids, counts and paths, never a token or a key.
"""


class KeysError(Exception):
    """The root of this package's errors."""


class InvalidElement(KeysError):
    """Bytes that are no canonical ristretto255 element, or the identity, which would make every answer equal."""


class InvalidScalar(KeysError):
    """Bytes that are no canonical scalar below the group's order, or zero."""


class InvalidProof(KeysError):
    """The proof does not show what the statement says; whatever came with it must not be used."""


class SealBroken(KeysError):
    """The authenticated opening failed: altered bytes, other associated data, or another key."""


class UnknownKey(KeysError):
    """The ring has no such key, or only its tombstone."""


class AlreadyThere(KeysError):
    """An id names one key for ever, and a file of keys is made once."""


class KeyInUse(KeysError):
    """Objects stand under the key still: destroyed, it would take them with it. Nothing was changed."""


class BackendMissing(KeysError):
    """A backend of the group does not load; where it is none at all: neither libsodium nor the rbcl wheel has one."""


class VectorsUnreadable(KeysError):
    """A file of test vectors cannot be used: nothing that it should show is shown."""


class RingDamaged(KeysError):
    """A file of keys cannot be used as it stands. Nothing was changed; restore it, or give the right key."""


class BackupRefused(KeysError):
    """The backup must not be used, or cannot be. Nothing was changed."""


class SourceInvalid(KeysError):
    """What names the source of a key-encryption key cannot be understood, or holds a secret itself."""


class TokenUnavailable(KeysError):
    """The token is away, refuses its PIN, lacks the key, or would hand it out. Nothing was changed."""
