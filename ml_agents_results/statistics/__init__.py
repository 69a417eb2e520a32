"""Every figure this package reports, as pure functions on sufficient statistics.

Counts and sums go in, Python floats come out. What is undefined is `None` with a reason, never
NaN, infinity or a made-up zero. Random procedures take their seed as an argument and give it back.
Import the module that answers the question (`proportions`, `paired`, `clusters`, ...): this package
itself imports nothing, so that a caller pays only for what it uses.
"""
