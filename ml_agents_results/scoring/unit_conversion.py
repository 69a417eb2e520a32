"""Unit conversion: a quantity in the base unit of what it measures. Only where it is asked for.

Factors are exact by definition: the international yard and pound (1959), the US liquid gallon, the
thermochemical calorie, the standard atmosphere. Bytes are decimal.
"""

from fractions import Fraction

from ml_agents_results.scoring.quantities import Quantity

_FACTORS: dict[str, dict[str, str]] = {
    "m": {"nm": "1e-9", "µm": "1e-6", "mm": "1e-3", "cm": "1e-2", "m": "1", "km": "1000",
          "in": "0.0254", "ft": "0.3048", "yd": "0.9144", "mi": "1609.344"},
    "kg": {"mg": "1e-6", "g": "1e-3", "kg": "1", "t": "1000", "lb": "0.45359237",
           "oz": "0.028349523125"},
    "s": {"ms": "1e-3", "s": "1", "min": "60", "h": "3600", "day": "86400", "week": "604800"},
    "m³": {"mL": "1e-6", "L": "1e-3", "gal": "0.003785411784", "qt": "0.000946352946",
           "pt": "0.000473176473"},
    "m²": {"ha": "10000", "acre": "4046.8564224"},
    "J": {"J": "1", "kJ": "1000", "cal": "4.184", "kcal": "4184", "Wh": "3600", "kWh": "3600000"},
    "W": {"W": "1", "kW": "1000"},
    "Hz": {"Hz": "1", "kHz": "1e3", "MHz": "1e6", "GHz": "1e9"},
    "Pa": {"Pa": "1", "kPa": "1000", "atm": "101325"},
    "B": {"B": "1", "KB": "1e3", "MB": "1e6", "GB": "1e9", "TB": "1e12"},
    "$": {"$": "1", "¢": "0.01"},
}  # fmt: skip
"""Base unit to unit to how many base units it is."""

_BASES = {
    unit: (base, Fraction(factor))
    for base, units in _FACTORS.items()
    for unit, factor in units.items()
}
_POWERS = {"²": 2, "³": 3}
_ALIASES = {"mph": "mi/h", "pound": "lb"}
_DEGREES = {
    "K": (Fraction(1), Fraction(0)),
    "°C": (Fraction(1), Fraction(27315, 100)),
    "°F": (Fraction(5, 9), Fraction(45967, 180)),
}
"""Unit to the factor and the offset of its value in kelvin."""


def in_base_units(quantity: Quantity) -> Quantity:
    """The quantity in the base unit of what it measures: `2 h` is `7200 s`, `12 km/h` is in `m/s`.

    A quantity without a unit, or of a unit that is not known here, comes back as it is.
    """
    if quantity.unit in _DEGREES:
        factor, offset = _DEGREES[quantity.unit]
        upper = None if quantity.upper is None else quantity.upper * factor + offset
        return Quantity(quantity.value * factor + offset, "K", quantity.relation, upper)
    found = _base(quantity.unit)
    if found is None:
        return quantity
    base, factor = found
    upper = None if quantity.upper is None else quantity.upper * factor
    return Quantity(quantity.value * factor, base, quantity.relation, upper, quantity.ratio)


def _base(unit: str) -> tuple[str, Fraction] | None:
    unit = _ALIASES.get(unit, unit).rpartition("+")[2]  # `5 ft 6 in` counts inches
    parts = [_simple(part) for part in unit.split("/")]
    if None in parts or not 1 <= len(parts) <= 2:
        return None
    (base, factor), *below = [part for part in parts if part is not None]
    for name, divisor in below:
        base, factor = f"{base}/{name}", factor / divisor
    return base, factor


def _simple(unit: str) -> tuple[str, Fraction] | None:
    if unit in _BASES:
        return _BASES[unit]
    power = _POWERS.get(unit[-1:])
    if power is None or unit[:-1] not in _BASES:
        return None
    base, factor = _BASES[unit[:-1]]
    return f"{base}{unit[-1]}", factor**power
