"""Estimates, paired differences and the gate: numpy and the standard library alone."""

from sqeval.stats.differences import Difference, difference
from sqeval.stats.estimates import Estimate, estimate
from sqeval.stats.metric import Metric, mean
from sqeval.stats.power import mde, needed_n
from sqeval.stats.significance import holm, mcnemar

__all__ = ["Difference", "Estimate", "Metric", "difference", "estimate", "holm", "mcnemar", "mde", "mean", "needed_n"]
