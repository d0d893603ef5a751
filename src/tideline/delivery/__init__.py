"""From a command to an entry on every device: the sequencer, what commands do, and the outbox."""
