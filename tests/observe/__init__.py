"""Long proofs of what is watched; each is a command."""
