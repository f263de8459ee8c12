"""Execution: brokers behind one port, the kill switch, and an exchange of our own to trade against."""
