"""Order management: from a decision to fills in the book, through crashes, silence and lies."""
