"""What is measured on request, beside the lenses: a study's entry `asked` names it, and only its rows have it.

These need other networks, or other images, than a lens looks at, and take minutes: no build measures them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from softlab.numbers.look import Quantity
from softlab.studies import averages, transfer
from softlab.training.runs import Run


@dataclass(frozen=True)
class Asked:
    """Quantities of one network, and the function that measures them.

    version: raised by whoever changes what one of them is.
    """

    quantities: Mapping[str, Quantity]
    measure: Callable[[Run], dict[str, float]]
    version: int = 1


ASKED = {
    "transfer": Asked(transfer.QUANTITIES, transfer.measured),
    "averages": Asked(averages.QUANTITIES, averages.measured),
}
ASKED_QUANTITIES = {name: quantity for one in ASKED.values() for name, quantity in one.quantities.items()}
