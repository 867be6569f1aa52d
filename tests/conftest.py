"""For all tests: a property is about values, never about how long an example took on a busy machine."""

from hypothesis import settings

settings.register_profile("values", deadline=None)
settings.load_profile("values")
