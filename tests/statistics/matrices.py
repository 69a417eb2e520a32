"""The cluster-robust error of a mean by its definition in matrices."""

import math

import numpy as np
import numpy.typing as npt

Groups = list[list[float]]


def labels(groups: Groups) -> npt.NDArray[np.intp]:
    return np.repeat(np.arange(len(groups)), [len(g) for g in groups])


def dense_cr2(groups: Groups) -> tuple[float, float]:
    """CR2 and its degrees of freedom by the matrices of Bell and McCaffrey (2002)."""
    y, owner = np.concatenate(groups), labels(groups)
    n = len(y)
    design = np.ones((n, 1))
    bread = np.linalg.inv(design.T @ design)
    hat = design @ bread @ design.T
    residual = y - hat @ y
    columns, variance = [], 0.0
    for g in range(len(groups)):
        inside = owner == g
        own = np.eye(inside.sum()) - hat[np.ix_(inside, inside)]
        values, vectors = np.linalg.eigh(own)
        adjust = vectors @ np.diag(values**-0.5) @ vectors.T
        variance += float((bread @ design[inside].T @ adjust @ residual[inside]).item() ** 2)
        away = (np.eye(n) - hat)[inside]
        columns.append(away.T @ adjust @ design[inside] @ bread)
    spectrum = np.hstack(columns)
    gram = spectrum.T @ spectrum
    return math.sqrt(variance), float(np.trace(gram) ** 2 / np.sum(gram**2))
