"""How peerd looks in a terminal: pictures in half blocks, steps as bars, and the tale of a request."""
