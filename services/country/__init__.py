"""A country's node: its own cases in clear, in its own store, and its side of every match.

desk.py         commands of people: load, decide, save
importer.py     a file of people through the desk
evaluations.py  batches of identifiers on their way through the two key holders
relay.py        what leaves the country: the store's log to the matcher's streams
notices.py      what the matcher tells
node.py         one round of all of it
"""
