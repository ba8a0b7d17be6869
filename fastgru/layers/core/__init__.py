"""What every network begins with: inputs, Dense, Embedding, masks, and what wraps a layer."""
