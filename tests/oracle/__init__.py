"""The second program: written from the specification alone, sharing no code with the product it judges."""
