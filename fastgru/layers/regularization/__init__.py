"""Layers that work against overfitting: dropout, noise, a penalty for outputs."""
