"""A device of a user: its position, its local store, its outbox, its connection (protocol, section 6)."""
