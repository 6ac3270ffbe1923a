"""One identifier in its canonical form: what two registers write differently becomes the same here, or nothing.

No function raises on what people typed: what cannot be understood becomes unknown, and an unknown part makes no token.
"""
