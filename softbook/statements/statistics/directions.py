"""What goes with margins relative to the logits' length, and what moves first while a network is trained."""

from typing import Any

from softbook.statements.origin import exactly
from softbook.studies import records
from softlab.comparison.effects import half_way
from softlab.comparison.intervals import Interval, t_interval


def rank_correlation(of: str, less: str, to: str, profile: str) -> Interval:
    """Spearman's correlation, over networks of the core, of the difference of two quantities with a third."""
    table = records.by_profile("core")[profile]
    difference: Any = table[of] - table[less]
    value = float(difference.corr(table[to], method="spearman"))
    return exactly(value, len(table)).of(table, "rank correlation over networks")


def growth(of: str, less: str, since: int, method: str, profile: str) -> Interval:
    """How much a method's networks grow from an epoch to the last, in a quantity less another one."""
    along = records.snapshots("core")[profile].query("method == @method")
    path = along.assign(value=along[of] - along[less]).pivot(index="epoch", columns="seed", values="value")
    return t_interval((path.loc[path.index.max()] - path.loc[since]).to_numpy(float)).of(along, of)


def epochs_behind(share: float, method: str, profile: str) -> Interval:
    """By how many epochs the logits' cosine comes later than the features' length to this share of its own path."""
    along = records.snapshots("core")[profile].query("method == @method")
    length, cosine = (_reached(along, quantity, share) for quantity in ("log magnitude", "cosine, logit"))
    what = f"epochs by which the cosine comes later at {share:.0%} of its path"
    return t_interval([cosine[seed] - length[seed] for seed in length]).of(along, what)


def _reached(along: Any, quantity: str, share: float) -> dict[int, float]:
    """By seed: the epoch at which networks are this far from where they began to where they end."""
    path = along.pivot(index="epoch", columns="seed", values=quantity)
    way = (path - path.iloc[0]) / (path.iloc[-1] - path.iloc[0])
    return half_way(way * 0.5 / share)
