"""Recording from a loop of one's own: experiments and runs as `with` blocks."""
