"""What programs of other libraries reach the engine through: arrays in, arrays out."""
