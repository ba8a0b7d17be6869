"""Keras's operations on tensors of a graph."""
