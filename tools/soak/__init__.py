"""Long runs of what serves: random orders of calls, garbage among them, each answer beside that of a plain twin."""
