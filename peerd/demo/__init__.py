"""Real daemons on this machine, for the demo, the examples and the tests: started, paired, asked, and cleaned up."""
