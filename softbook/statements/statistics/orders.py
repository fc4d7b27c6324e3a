"""One quantity of a method beside another quantity of plain training."""

from softbook.studies import records
from softlab.comparison.intervals import Interval, t_interval
from softlab.numbers.quantities import QUANTITIES


def beside_another(profile: str, method: str, of: str, less_of: str, less: str = "baseline") -> Interval:
    """A quantity of a method less another quantity of plain training, by seed: in the first one's unit."""
    table = records.by_profile("core")[profile]
    own, other = (table.loc[table["method"] == name].set_index("seed") for name in (method, less))
    change = (own[of] - other[less_of]).dropna().to_numpy(float)
    return t_interval(change).scaled(QUANTITIES[of].factor).of(table, f"{of}, less {less_of} of {less}")
