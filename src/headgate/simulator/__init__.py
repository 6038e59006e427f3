"""The provider simulator: four dialects on one port, with scripted faults and an exact bill.

Knows: what the vendors' wire protocols look like and what it served. Refuses to know: anything of the
gateway. It imports `kit` only, so that its bill is an independent witness.
"""
