"""Agreement of raters: a judge with people, people with each other, a judge with its repeats."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.records import MetricRecord, Variant
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.services.agreement_rows import (
    AgreementReport,
    GroupAgreement,
    PairAgreement,
    PositionBias,
)
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.raters import (
    Rater,
    author_of,
    authors_of,
    clusters_of,
    find_rater,
    read_ratings,
)
from ml_agents_results.statistics.cluster_robust import mean_of_array
from ml_agents_results.statistics.difference_sums import (
    INDEPENDENT,
    Design,
    DifferenceSums,
    clustered_design,
    pseudo_sample_interval,
)
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.kappa import (
    Agreement,
    RatingScale,
    Weights,
    categories_of,
    coded,
    cohens_kappa,
    correlation,
    fleiss_kappa,
    krippendorff_alpha,
    rank_correlation,
)
from ml_agents_results.statistics.numeric_difference import pseudo_sample_t
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.ratings import Ratings
from ml_agents_results.statistics.run_columns import Array

POSITION_DEPENDENT = "position_dependent"
"""The label of a pairwise verdict that changed when the two answers changed places."""

SKEWED_SHARE = 0.8
"""Where one category is this frequent with both, kappa is low at high agreement."""


class AgreementService(AnalysisService):
    """How far metrics, judges and people agree on the same runs."""

    def report(self, names: Sequence[str]) -> AgreementReport:
        """The agreement of the named raters: metrics, or authors as `NAME@AUTHOR`; of a single
        metric that of its authors.

        Raises:
            NotFoundError: There is no such metric or author.
            UsageError: One rater only, or scales that differ.
            NothingToCompareError: No run has values of two raters.
        """
        if not isinstance(self._source, DatabaseSource):
            raise UsageError(
                "Parquet files do not say who gave a value",
                "Analyse the database that the files come from.",
            )
        ids = self._experiment_ids
        raters, groups = self._raters(ids, names)
        ratings = read_ratings(self._source, self._filters, raters, self._options)
        pairs = [row for pair in combinations(range(len(raters)), 2)
                 for row in self._pair(ratings, raters, pair)]  # fmt: skip
        if not pairs:
            raise NothingToCompareError(
                f"no run has values of two of {', '.join(rater.name for rater in raters)}",
                "Scores are read of runs that did not fail and pass the filters.",
            )
        named = [self._group("raters", ratings, raters)] if len(raters) > 2 else []
        own = [self._authors(group, authors) for group, authors in groups]
        positions = filter(None, (self._position(ids, name) for name in dict.fromkeys(names)))
        return AgreementReport(
            self._options.confidence,
            tuple(rater.name for rater in raters),
            pairs,
            [*named, *own],
            list(positions),
        )

    def _raters(
        self, ids: Sequence[str], names: Sequence[str]
    ) -> tuple[list[Rater], list[tuple[str, list[Rater]]]]:
        """The raters, and those metrics of several authors that are raters as a whole."""
        if not names:
            raise UsageError(
                "agreement is that of two raters or more, and no metric is named",
                "As in: --metric judge,human (a metric, or one author of it: human@anna)",
            )
        raters = [find_rater(self._source, ids, name) for name in dict.fromkeys(names)]
        groups = []
        for rater in raters:
            known = authors_of(self._source, ids, rater.name)
            if len(known) > 1:
                authors = [author_of(self._source, rater.metric, rater.name, a) for a in known]
                groups.append((rater.name, authors))
        if len(raters) > 1:
            return raters, groups
        if not groups:
            raise UsageError(
                f"agreement is that of two raters or more, and {raters[0].name} is one: its scores "
                "have no different authors",
                "Name another metric as well, as in: --metric judge,human",
            )
        return groups[0][1], []

    def _pair(
        self, ratings: Ratings, raters: Sequence[Rater], pair: tuple[int, int]
    ) -> Iterator[PairAgreement]:
        two = [raters[index] for index in pair]
        both = np.isfinite(ratings.values[:, pair[0]] + ratings.values[:, pair[1]])
        if not both.any():
            return
        shared = ratings.take(both)
        _require_one_scale(two)
        ends = _ends(two)
        categories = categories_of(shared.values[:, list(pair)], *ends)
        yield self._one(shared, two, pair, categories)
        parts: list[tuple[Variant | None, str | None, Array]] = [
            *((Variant(*key), None, shared.variant == i) for i, key in enumerate(shared.variants)),
            *((None, task, shared.task == i) for i, task in enumerate(shared.tasks)),
        ]
        for variant, task, rows in parts:
            if rows.any() and not rows.all():
                yield self._one(shared.take(rows), two, pair, categories, variant, task)

    def _one(
        self,
        ratings: Ratings,
        raters: Sequence[Rater],
        pair: tuple[int, int],
        categories: Array | None,
        variant: Variant | None = None,
        task: str | None = None,
    ) -> PairAgreement:
        clusters, method = clusters_of(ratings, self._options)
        first, second = (ratings.values[:, index] for index in pair)
        level = self._options.confidence
        binary = not any(rater.numeric for rater in raters)
        kappas: dict[str, Agreement] = {}
        table = codes = None
        chosen: Weights = "none"
        if categories is not None:
            codes = coded(np.stack([first, second], axis=1), categories)
            size = len(categories)
            table = np.bincount(codes[:, 0] * size + codes[:, 1], minlength=size * size)
            table = table.reshape(size, size)
            weights: tuple[Weights, ...] = (
                ("none",) if size < 3 else ("quadratic", "linear", "none")
            )
            chosen = weights[0]
            for one in weights:
                kappas[one] = cohens_kappa(codes, size, one, level, clusters)
        bias = self._bias(first - second, clusters, raters, binary=binary)
        kappa = kappas.pop(chosen, None)
        near = None
        if codes is not None and categories is not None and len(categories) > 2:
            step = max(_step_within(categories), float(categories[1] - categories[0]))
            near = self._share(np.abs(first - second) <= step + 1e-9, clusters)
        hits = [self._share(first[second == value] == value, _of(clusters, second == value))
                if binary else None for value in (1.0, 0.0)]  # fmt: skip
        agreement = self._share(np.abs(first - second) <= 1e-9, clusters)
        codes_of = (kappa.warnings if kappa else (), agreement.warnings, _skewed(table))
        return PairAgreement(
            first=raters[0].name,
            second=raters[1].name,
            variant=variant,
            task=task,
            runs=len(ratings),
            n_clusters=None if clusters is None else len(np.unique(clusters)),
            method=method,
            categories=None if categories is None else tuple(categories.tolist()),
            matrix=None if table is None else tuple(map(tuple, table.tolist())),
            agreement=agreement,
            within_one=near,
            kappa=kappa,
            kappas=kappas,
            bias=float(np.mean(first - second)),
            bias_ci_low=bias.low,
            bias_ci_high=bias.high,
            bias_method=bias.method,
            sensitivity=hits[0],
            specificity=hits[1],
            pearson=None if table is None or categories is None
            else correlation(table, categories, categories),
            spearman=None if table is None else rank_correlation(table),
            warnings=tuple(dict.fromkeys(code for codes in codes_of for code in codes)),
        )  # fmt: skip

    def _bias(
        self, d: Array, clusters: Array | None, raters: Sequence[Rater], *, binary: bool
    ) -> Interval:
        """The interval of the mean of first minus second."""
        d = np.where(np.abs(d) <= 1e-9, 0.0, d)
        sums = DifferenceSums.of_array(d)
        level = self._options.confidence
        design = Design(dof=float(len(d) - 1)) if len(d) > 1 and not binary else INDEPENDENT
        if clusters is not None:
            mean = mean_of_array(d, clusters)
            if mean.se is None or mean.dof is None:
                return Interval(None, None, "t-cr2", level, mean.null_reason)
            design = clustered_design(sums, mean.se, mean.dof, mean.n_clusters or 1)
        if binary:
            return pseudo_sample_interval(sums, level, design)
        low, high = _ends(raters)
        span = None if low is None or high is None else high - low
        return pseudo_sample_t(sums, design, span, level)

    def _share(self, hits: Array, clusters: Array | None) -> Estimate:
        """The share of true ones, by Wilson's formula."""
        if clusters is None:
            return accuracy(
                int(np.count_nonzero(hits)), len(hits), "wilson", self._options.confidence
            )
        mean = mean_of_array(hits * 1.0, clusters)
        return mean.as_accuracy(confidence=self._options.confidence)

    def _authors(self, group: str, authors: Sequence[Rater]) -> GroupAgreement:
        ratings = read_ratings(self._source, self._filters, authors, self._options)
        return self._group(group, ratings, authors)

    def _group(self, group: str, ratings: Ratings, raters: Sequence[Rater]) -> GroupAgreement:
        ratings = ratings.take((~np.isnan(ratings.values)).sum(axis=1) > 1)
        _require_one_scale(raters)
        level = self._options.confidence
        names = tuple(rater.name for rater in raters)
        if not len(ratings):
            return GroupAgreement(group, names, 0, {}, None, accuracy(0, 0, "wilson", level))
        clusters, _ = clusters_of(ratings, self._options)
        highest, lowest = np.nanmax(ratings.values, axis=1), np.nanmin(ratings.values, axis=1)
        unanimous = self._share(highest - lowest <= 1e-9, clusters)
        categories = categories_of(ratings.values, *_ends(raters))
        if categories is None:
            return GroupAgreement(
                group, names, len(ratings), {}, None, unanimous, ("not_categories",)
            )
        codes = coded(ratings.values, categories)
        scales: tuple[RatingScale, ...] = (
            ("nominal",) if len(categories) < 3 else ("ordinal", "interval", "nominal")
        )
        alphas: dict[str, Agreement] = {
            scale: krippendorff_alpha(codes, categories, scale, level, clusters) for scale in scales
        }
        fleiss = None
        if np.all(codes >= 0):
            fleiss = fleiss_kappa(codes, len(categories), level, clusters)
        warnings = next(iter(alphas.values())).warnings
        return GroupAgreement(
            group,
            names,
            len(ratings),
            alphas,
            fleiss,
            unanimous,
            warnings,
        )

    def _position(self, ids: Sequence[str], name: str) -> PositionBias | None:
        """The position bias of a judge that compares two answers; None of another metric."""
        connection = self._source.connection
        labels = ScoreRepository(connection).labels(ids, name)
        changed = labels.get(POSITION_DEPENDENT, 0)
        verdicts = sum(count for label, count in labels.items() if label is not None)
        records = (MetricRepository(connection, one).find(name) for one in ids)
        pairwise = any(record is not None and _is_pairwise(record) for record in records)
        if not verdicts or not (changed or pairwise):
            return None
        rate = accuracy(changed, verdicts, "wilson", self._options.confidence)
        return PositionBias(name, verdicts, changed, rate)


def _is_pairwise(metric: MetricRecord) -> bool:
    """Whether a judge held answers against those of a baseline."""
    grader = metric.definition_json.get("grader")
    return isinstance(grader, Mapping) and "baseline" in grader


def _require_one_scale(raters: Sequence[Rater]) -> None:
    """Raises UsageError where declared ends differ: equal numbers would not mean the same."""
    known = {rater.name: rater.metric.bounds for rater in raters if rater.metric.bounds}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in known.items())
        raise UsageError(
            f"these raters have different scales: {listed}",
            "Agreement is that of values on one scale; import or score one of them on the other's.",
        )


def _ends(raters: Sequence[Rater]) -> tuple[float | None, float | None]:
    return next((rater.metric.bounds for rater in raters if rater.metric.bounds), (None, None))


def _step_within(categories: Array) -> float:
    """1 on a scale from one whole number to another that is wider."""
    low, high = float(categories[0]), float(categories[-1])
    return 1.0 if low.is_integer() and high.is_integer() and high - low > 1.0 else 0.0


def _of(clusters: Array | None, chosen: Array) -> Array | None:
    if clusters is None:
        return None
    index: Array = np.unique(clusters[chosen], return_inverse=True)[1].ravel()
    return index


def _skewed(table: Array | None) -> tuple[str, ...]:
    if table is None or not table.sum():
        return ()
    shares = [table.sum(axis=axis).max() / table.sum() for axis in (0, 1)]
    same = table.sum(axis=0).argmax() == table.sum(axis=1).argmax()
    return ("skewed_ratings",) if same and min(shares) > SKEWED_SHARE else ()
