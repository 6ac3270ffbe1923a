"""`samaki keys`: what custodians and reviewers of keys do and see.

app.py         the sub-commands, with their options; each loads its part only when it is asked for
evidence.py    export evidence from a node; judge it as a third party
allowances.py  ask for a bulk allowance at a key holder, and approve it
refresh.py     have a key holder refresh its shares, and show how far it is
rotate.py      renew a signing, sealing, key-encryption or data key, or the pepper
backup.py      back up persons' keys, apart from the data, and bring them back
status.py      every key of a home folder and its region
"""
