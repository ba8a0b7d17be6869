"""Each format of a file: its bytes become a `StoredModel`, and a model its bytes."""
