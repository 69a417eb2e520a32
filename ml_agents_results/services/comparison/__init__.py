"""Comparisons of variants: shared samples, differences, tests and corrections."""
