"""What is kept: the journal, its audit trail, the checkpoints that vouch for both, and the lock of the one leader."""
