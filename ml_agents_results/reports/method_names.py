"""Names of methods as a paper prints them; identifiers stand in JSON only."""

NAMES = {
    # Intervals of one variant
    "wilson": "Wilson's score interval",
    "jeffreys": "Jeffreys interval",
    "clopper-pearson": "exact interval of Clopper and Pearson",
    "bayes-uniform": "Bayesian interval with a uniform prior",
    "wilson-design-adjusted": "Wilson's interval for the effective number of samples, with "
    "Student's t",
    "wilson-on-range": "Wilson's interval on the range of the metric, with Student's t",
    "t": "Student's t interval",
    # Intervals of differences
    "bonett-price": "adjusted Wald interval of Bonett and Price (2012)",
    "bonett-price-design-adjusted": "adjusted Wald interval of Bonett and Price (2012) for the "
    "effective number of samples",
    "tango": "Tango's score interval (1998)",
    "tango-design-adjusted": "Tango's score interval (1998) for the effective number of samples",
    "newcombe": "Newcombe's hybrid score interval for pairs (1998)",
    "newcombe-unpaired": "Newcombe's hybrid score interval (1998)",
    "mover": "MOVER interval from those of the two variants (Zou and Donner 2008)",
    "pseudo-sample-t": "adjusted t interval with two pseudo-samples",
    "macro-fixed, z": "normal interval from the errors within tasks",
    # Tests
    "sign-flip (exact, mid-p)": "exact sign-flip test, mid-p (McNemar's for single answers)",
    "sign-flip (exact)": "exact sign-flip test (McNemar's for single answers)",
    "sign-flip (normal)": "sign-flip test, normal approximation",
    "sign-flip (Monte Carlo)": "sign-flip test by random flips",
    "cluster t (CR2)": "t test with cluster-robust errors (CR2; Bell and McCaffrey's degrees of "
    "freedom)",
    "cluster sign-flip": "exact sign-flip test of whole clusters",
    "score z": "score test of two independent shares",
    "fisher": "Fisher's exact test",
    "Welch's t": "Welch's t test",
    "tango score": "Tango's score test of non-inferiority, twice for equivalence",
}

FIELDS = ("interval_method", "test", "margin_test")
"""The fields of results that hold identifiers."""


def method_name(identifier: str) -> str:
    """The name of a method; an identifier that has none stays."""
    return NAMES.get(identifier, identifier)
