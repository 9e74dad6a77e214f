"""Any statistic of whole records with a clustered standard error: the jackknife, stated as a mean.

An aggregation that is known only as a function from records to a number (MME's sum over categories of accuracy on
pairs) has no columns to sum. Leaving out each cluster in turn tells how much the statistic depends on it:

    d_c = (C - 1) / C · (T - T₋c)      centred to sum to zero

A unit i of cluster c, which has n_c of the n units, gets the value ``T + n · d_c / n_c``. The mean of these values is
T, and the clustered variance of that mean is the delete-one jackknife's, (C - 1)/C · Σ (T₋c - mean)² (Efron and Stein
1981). So intervals, paired differences and the gate work as they do for any mean. Good for statistics that are smooth
in the data, as averages, ratios and F1 are; a median is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.clusters import cluster_codes
from sqeval.stats.metric import Metric, mean

MOST_GROUPS = 200
"""With more clusters than that, several are left out at once (delete-a-group jackknife): the cost is bounded."""


def linearised(
    name: str, ids: Sequence[str], clusters: Sequence[str], statistic: Callable[[NDArray[np.intp]], float]
) -> Metric:
    """A metric whose value is `statistic` of all units, which takes the positions of those to count.

    It has a standard error if there are two clusters or more. Clusters that are left out together are one cluster from
    then on. Raises what `statistic` raises.
    """
    codes, count = cluster_codes(clusters)
    groups = codes * min(count, MOST_GROUPS) // max(count, 1)
    everything = np.arange(len(ids))
    whole = float(statistic(everything))
    number = min(count, MOST_GROUPS)
    if number < 2:
        return replace(mean(name, ids, [""] * len(ids), np.full(len(ids), whole)), per_unit=False)
    without = np.array([statistic(everything[groups != group]) for group in range(number)])
    influence = (number - 1) / number * (without.mean() - without)
    sizes = np.bincount(groups, minlength=number)
    values = whole + len(ids) * (influence / sizes)[groups]
    left_out = list(clusters) if number == count else [str(group) for group in groups]
    return replace(mean(name, ids, left_out, values), per_unit=False)
