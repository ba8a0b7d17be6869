"""Convolutions over steps and over images."""
