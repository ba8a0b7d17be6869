"""An activation as a layer of its own, with options or weights."""
