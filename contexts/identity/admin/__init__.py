"""Identity for the staff, by subject. Nothing is edited by hand, and every look is written down."""

from contexts.identity.admin import people, policy

__all__ = ["people", "policy"]
