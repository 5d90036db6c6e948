"""Numbers in sentences for people."""


def number(value: float) -> str:
    """Three digits of it, and as many as it has above 1,000: 0.595, 61.7, 1,740."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
