"""How a seat is called on paper and on the desk (DOMAIN section 5)."""

MIN_LABEL_DIGITS = 2


def seat_label(seat_number: int, capacity: int) -> str:
    """'05': as printed and as it stands on the desk, padded to the room's largest number."""
    return f"{seat_number:0{max(MIN_LABEL_DIGITS, len(str(capacity)))}}"
