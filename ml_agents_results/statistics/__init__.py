"""Statistics: every figure of this package as a pure function of counts, sums and arrays.

Results are Python numbers: rates and differences as fractions, times in ms, costs in USD. What is
undefined is `None` with a reason, never NaN, infinity or a made-up zero. `confidence` is always the
level of an interval, a fraction strictly between 0 and 1 (UsageError for others); random procedures
take their seed as an argument and return it.

Import the module that answers the question (`proportions`, `difference_sums`, `cluster_robust`,
...): this package itself imports nothing, so that a caller pays only for what it uses. The modules
`*_tabulation` make counts and sums from columns of runs.
"""
