"""Trading: what a runner is made of, and what it does all day."""
