"""The decision path: pure functions from events to a book, and from a book and a snapshot to a decision.

History, paper and live run these same functions. Nothing here can ask which of them it is.
"""
