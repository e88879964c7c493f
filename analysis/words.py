"""Numbers for a reader."""


def format_number(value: float) -> str:
    """A number for a reader: `-12,345`, `0.35`, `1e+09`."""
    if abs(value) >= 1e7:
        return f"{value:.4g}"
    return f"{value + 0.0:,.10g}"


def round_number(value: float) -> str:
    """A measured number: whole from 100 on, else three significant digits."""
    return format_number(round(value) if abs(value) >= 100 else float(f"{value:.3g}"))
