"""One node's own judgement of what to share. Pure: no socket, no clock, no torch."""
