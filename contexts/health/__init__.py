"""Health: the devices a person wears, and what these measured."""

ISOLATION = "serializable"
