"""Monitoring: what the runner does, told from the journal, and what people must know of it."""
