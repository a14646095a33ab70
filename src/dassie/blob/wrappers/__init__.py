"""Behaviours put around any store, one module each. `blob.open` stacks them."""
