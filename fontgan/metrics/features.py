"""What every measure asks of the features that it is given."""

from torch import Tensor


def refuse_nan(values: Tensor, name: str) -> None:
    """Refuse what no measure can be taken of.

    Raises:
        ValueError: values that are not finite, counted.
    """
    wrong = int((~values.isfinite()).sum())
    if wrong:
        raise ValueError(f"{name} hold {wrong} values that are not finite")
