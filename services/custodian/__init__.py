"""`samaki keys`: what custodians and reviewers of keys do and see.

refresh.py     have a key holder refresh its shares, and show how far it is
"""
