"""Layers that bring their inputs to one scale."""
