"""Layers that carry a state over a sequence, their cells, and what runs them."""
