"""Founding a region, and changing its rules: what the members' custodians do, on offline machines, passing files.

roots      a member's three root keys, each in a file under its custodian's own passphrase
homes      a party's home, and its online signing key, of which the public part leaves the machine
drafts     a charter in the making: pure functions from draft to draft, and its one form in bytes
signing    one custodian's signature in a file of its own; all of them together make the charter
words      what changes between two versions, in sentences that a custodian can read aloud
tables     a charter for people
command    `samaki charter`
"""
