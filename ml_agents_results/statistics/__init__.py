"""Statistics: every figure of this package as a pure function of counts, sums and arrays.

Python numbers come out: rates and differences as fractions, times in ms, costs in USD. What is
undefined is `None` with a reason, never NaN, infinity or a made-up zero. Random procedures take
their seed as an argument and give it back. Import the module that answers the question
(`proportions`, `paired_intervals`, `cluster_robust`, ...): this package itself imports nothing, so
that a caller pays only for what it uses. `tabulation` makes counts and sums from columns of runs.
"""
